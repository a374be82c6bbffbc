"""Who takes part: how each contender is started, with which settings, in which workloads."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from bench.engine.codec import SCHEMA
from bench.engine.environments import Say, java, own, python
from bench.engine.job import Job

OURS: Final = "keyflow"
LIMIT: Final = "limit"


@dataclass(frozen=True)
class Peer:
    """One contender.

    Attributes:
        settings: What was set other than the default, in words.
        workloads: Those it can take part in.
        slots: Records it handles at once, where that is its own and not the workload's number.
        patience_seconds: Its outputs may be invisible for so long before its next commit.
    """

    name: str
    guarantee: str
    settings: str
    workloads: frozenset[str]
    command: Callable[[Say], list[str]]
    options: Mapping[str, Any] = field(default_factory=dict)
    slots: int | None = None
    patience_seconds: float = 3.0
    arguments: Callable[[Job], list[str]] = lambda job: [job.as_json()]


def _java_arguments(job: Job) -> list[str]:
    commit_ms = str(job.options["commit_ms"])
    return [
        *(job.servers, job.group, job.input, job.output, str(job.in_flight), str(job.waits).lower()),
        *(str(job.options["transactional"]).lower(), commit_ms, json.dumps(SCHEMA)),
    ]


def _own(module: str) -> Callable[[Say], list[str]]:
    return lambda _say: own(f"bench.engine.contenders.{module}")


def _python(name: str, minimum: tuple[int, int] = (3, 11)) -> Callable[[Say], list[str]]:
    return lambda say: python(name, f"bench.engine.contenders.{name}_hop", minimum, say)


def _parallel(name: str, transactional: bool, commit_ms: int) -> Peer:
    return Peer(
        name,
        "exactly once" if transactional else "at least once",
        f"key order, commit every {commit_ms} ms, max.poll.records 2000, linger 5 ms, 512 MB heap",
        frozenset({"model_bound_256", "overhead"} | (set() if transactional else {"model_bound_1024"})),
        lambda say: java("ParallelHop", say),
        {"transactional": transactional, "commit_ms": commit_ms},
        patience_seconds=3 + commit_ms / 1000,
        arguments=_java_arguments,
    )


def _quix(name: str, guarantee: str, interval: float, workloads: set[str], **producer: Any) -> Peer:
    told = "".join(f", {key} {value}" for key, value in producer.items())
    return Peer(
        name,
        guarantee.replace("-", " "),
        f"commit every {interval:g} s, poll {min(interval, 1.0):g} s, murmur2, read committed{told}",
        frozenset(workloads),
        _python("quix"),
        # It looks at the clock between two polls.
        {"guarantee": guarantee, "commit_interval": interval, "producer": producer, "poll_timeout": min(interval, 1.0)},
        slots=1,
        patience_seconds=3 + interval,
    )


_MODEL: Final = {"model_bound_256", "model_bound_1024"}
_ONE_AT_A_TIME: Final = {"model_bound_256", "overhead"}

ROSTER: Final[tuple[Peer, ...]] = (
    Peer(
        OURS,
        "exactly once",
        "defaults; in flight as the workload says; keyflow.loops.collecting_seldom",
        frozenset({*_MODEL, "overhead", "latency", "backlog"}),
        _own("keyflow_hop"),
    ),
    Peer(
        f"{OURS}-uvloop",
        "exactly once",
        "the same in uvloop's event loop",
        frozenset({*_MODEL, "overhead", "latency"}),
        _own("keyflow_hop"),
        {"uvloop": True},
    ),
    Peer(
        LIMIT,
        "none",
        "tight loop: read 1,000, decode, encode, write; linger 5 ms, no commit",
        frozenset({"overhead"}),
        _own("plain_loop"),
        {"limit": True},
        slots=1,
    ),
    Peer(
        "limit-raw",
        "none",
        "the same without decoding and encoding",
        frozenset({"overhead"}),
        _own("plain_loop"),
        {"limit": True, "raw": True},
        slots=1,
    ),
    Peer(
        "loop",
        "at least once",
        "confluent-kafka poll loop; flush and commit every 1 s, linger 5 ms",
        frozenset(_ONE_AT_A_TIME),
        _own("plain_loop"),
        slots=1,
    ),
    _quix("quix-alo", "at-least-once", 1.0, _ONE_AT_A_TIME, **{"linger.ms": 5}),
    _quix("quix-eos", "exactly-once", 1.0, _ONE_AT_A_TIME, **{"linger.ms": 5}),
    _quix("quix-eos-100ms", "exactly-once", 0.1, {"latency"}, **{"linger.ms": 0, "retry.backoff.ms": 5}),
    _quix("quix-eos-default", "exactly-once", 5.0, {"latency"}),
    Peer(
        "faust-1",
        "at least once",
        "concurrency 1, read committed, commit every 1 s, linger 5 ms, acks all, memory store, no web",
        frozenset(_ONE_AT_A_TIME),
        _python("faust"),
        {"concurrency": 1},
        slots=1,
    ),
    Peer(
        "faust",
        "at least once, no order",
        "concurrency as in flight, else as faust-1",
        frozenset(_MODEL),
        _python("faust"),
    ),
    Peer(
        "faststream",
        "at most once, no order",
        "aiokafka broker, max_workers as in flight (it acknowledges first), no validation, no_confirm, linger 5 ms",
        frozenset({*_MODEL, "overhead"}),
        _python("faststream"),
    ),
    Peer(
        "asyncio",
        "automatic commit, no order",
        "semaphore over AIOConsumer (500 at a time) and AIOProducer (batch 200, 20 ms), linger 5 ms",
        frozenset({*_MODEL, "overhead"}),
        _own("asyncio_semaphore"),
    ),
    _parallel("parallel-consumer", False, 5000),
    _parallel("parallel-consumer-tx", True, 100),
    _parallel("parallel-consumer-tx-5s", True, 5000),
    Peer(
        "pyrallel",
        "at least once",
        "key_hash order, 8 shards for each record in flight, queue 20,000, no DLQ, linger 5 ms",
        frozenset({*_MODEL, "overhead"}),
        _python("pyrallel", (3, 12)),
    ),
)
