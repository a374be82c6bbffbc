"""Time that does not pass as it should: a transaction that times out half-way, and a clock that jumps."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from floodgate_local.stack import Stack
from keyflow import (
    Effect,
    EffectResult,
    Emit,
    Engine,
    EngineConfig,
    Outcome,
    PendingEffect,
    Processor,
    Record,
    StateSpec,
    Tools,
)
from support.processes import eventually

pytestmark = pytest.mark.timeout(1200)

RECORDS = 400
KEYS = 40
PARTITIONS = 2
_HOUR_MS = 3_600_000
AWAY_SECONDS = 14.0
MORE = 3 * KEYS
"""Records at a time until a transaction is caught open."""
LOOKS = 100


@dataclass
class Topics:
    """Topics of one test."""

    servers: str
    run: str
    _asking: dict[str, Consumer] = field(default_factory=dict)

    def name(self, what: str) -> str:
        return f"{what}-{self.run}"

    def ends(self, what: str, isolation: str) -> list[int]:
        """The end of each partition as readers of committed or of all records see it."""
        if isolation not in self._asking:
            self._asking[isolation] = self._consumer(isolation)
        consumer = self._asking[isolation]
        places = [TopicPartition(self.name(what), number) for number in range(PARTITIONS)]

        def ask() -> list[int] | None:
            try:
                return [consumer.get_watermark_offsets(place, timeout=20, cached=False)[1] for place in places]
            except KafkaException:
                return None  # no leader yet: the broker has just started

        found = eventually(ask, f"{self.name(what)} has no leader")
        assert found is not None
        return found

    def committed(self, what: str) -> list[tuple[str, Any]]:
        """All committed records, in the order of each partition."""
        consumer = self._consumer("read_committed")
        left = {number: end for number, end in enumerate(self.ends(what, "read_uncommitted")) if end > 0}
        consumer.assign([TopicPartition(self.name(what), number, 0) for number in left])
        found: list[tuple[str, Any]] = []
        deadline = time.monotonic() + 60
        while left:
            assert time.monotonic() < deadline, f"the end of {self.name(what)} is not reached: {left}"
            for message in consumer.consume(500, 0.2):
                if message.error() is None:
                    found.append(((message.key() or b"").decode(), json.loads(message.value() or b"null")))
            at = consumer.position([TopicPartition(self.name(what), number) for number in left])
            left = {p.partition: left[p.partition] for p in at if p.offset < left[p.partition]}
        consumer.close()
        return found

    def fill(self, count: int, first: int = 0) -> None:
        producer = Producer({"bootstrap.servers": self.servers, "partitioner": "murmur2_random"})
        for number in range(first, first + count):
            producer.produce(self.name("in"), key=f"key-{number % KEYS}", value=json.dumps({"n": number}))
        assert producer.flush(60) == 0

    def close(self) -> None:
        for consumer in self._asking.values():
            consumer.close()

    def _consumer(self, isolation: str) -> Consumer:
        return Consumer({"bootstrap.servers": self.servers, "group.id": uuid4().hex, "isolation.level": isolation})


@pytest.fixture
def topics(own_stack: Stack) -> Iterator[Topics]:
    made = Topics(own_stack.env()["FLOODGATE_KAFKA_BOOTSTRAP_SERVERS"], uuid4().hex[:8])
    new = [NewTopic(made.name(what), PARTITIONS, 1) for what in ("in", "out", "state", "dead")]
    # Kept until the answers are there: a client that is collected gives its requests up.
    admin = AdminClient({"bootstrap.servers": made.servers})
    for created in admin.create_topics(new).values():
        created.result()
    yield made
    made.close()


class Copier:
    """`copying.py` as a process."""

    def __init__(self, topics: Topics, log: Path) -> None:
        names = [topics.name(what) for what in ("in", "out", "state")]
        script = Path(__file__).with_name("copying.py")
        self._command = [sys.executable, str(script), topics.servers, *names, f"copying-{topics.run}"]
        self._log = log
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as out:
            self.process = subprocess.Popen(self._command, stdout=out, stderr=out)
        return self.process

    def tail(self) -> str:
        return self._log.read_text(errors="replace")[-2000:]


@pytest.fixture
def copier(topics: Topics, tmp_path: Path) -> Iterator[Copier]:
    topics.fill(RECORDS)
    made = Copier(topics, tmp_path / "log")
    yield made
    made.process.send_signal(signal.SIGCONT)
    made.process.kill()
    made.process.wait(20)


def test_a_transaction_that_times_out_half_way_is_aborted_and_repeated(topics: Topics, copier: Copier) -> None:
    written = RECORDS

    def is_open() -> bool:
        return topics.ends("out", "read_committed") < topics.ends("out", "read_uncommitted")

    def stopped_inside() -> bool:
        """Stops the process when a transaction is seen; true when it is open still, otherwise it goes on."""
        nonlocal written
        assert copier.process.poll() is None, copier.tail()
        topics.fill(MORE, first=written)
        written += MORE
        for _ in range(LOOKS):
            if is_open():
                copier.process.send_signal(signal.SIGSTOP)
                if is_open():
                    return True
                copier.process.send_signal(signal.SIGCONT)
        return False

    eventually(stopped_inside, lambda: f"no transaction was caught open: {copier.tail()}", 120)
    # The coordinator ends it once its time is over; nothing of it is committed.
    eventually(lambda: not is_open(), "the transaction is not aborted", 120)
    before = len(topics.committed("out"))
    assert before < written, "the process was stopped too late to prove anything"
    copier.process.send_signal(signal.SIGCONT)

    def finished() -> bool:
        if copier.process.poll() is not None:
            assert "slot" in copier.tail() or "transaction" in copier.tail(), copier.tail()
            copier.start()  # as its supervisor would
        return len(topics.committed("out")) >= written

    eventually(finished, lambda: f"{len(topics.committed('out'))} of {written}: {copier.tail()}", 120)
    outputs = topics.committed("out")
    assert sorted(value["n"] for _, value in outputs) == list(range(written))
    counts: dict[str, list[int]] = {}
    for key, value in outputs:
        counts.setdefault(key, []).append(value["count"])
    assert set(map(tuple, counts.values())) == {tuple(range(1, written // KEYS + 1))}


def test_a_broker_that_is_away_for_longer_than_a_call_may_last_leaves_no_engine_waiting(
    topics: Topics, copier: Copier, own_stack: Stack
) -> None:
    """The client library can wait for ever then; found by this suite, and worked around in `keyflow.config`."""
    eventually(lambda: sum(topics.ends("out", "read_uncommitted")) > 0, copier.tail)
    [kafka] = [status for status in own_stack.status() if status.name == "kafka"]
    assert kafka.pid is not None
    os.kill(kafka.pid, signal.SIGTERM)
    try:
        # What arrives in the meantime could not be written anyway; the fault is how long it lasts.
        threading.Event().wait(AWAY_SECONDS)
    finally:
        own_stack.up()
    topics.fill(RECORDS, first=RECORDS)

    def finished() -> bool:
        if copier.process.poll() is not None:
            copier.start()  # as its supervisor would
        return len(topics.committed("out")) >= 2 * RECORDS

    eventually(finished, lambda: f"{len(topics.committed('out'))} of {2 * RECORDS}: {copier.tail()}", 120)
    assert sorted(value["n"] for _, value in topics.committed("out")) == list(range(2 * RECORDS))


class Jumping:
    """A wall clock that is set forward and back by hours, as a bad time server would."""

    def __init__(self, seed: int, jump_ms: int) -> None:
        self._random = random.Random(seed)
        self._jump_ms = jump_ms
        self.jumps = 0

    def __call__(self) -> int:
        self.jumps += 1
        return int(time.time() * 1000) + self._random.randint(-self._jump_ms, self._jump_ms)


class Paying:
    """Pays for each record by an effect, and tells of it."""

    def __init__(self, out: str, expires_in_ms: int | None) -> None:
        self._out = out
        self._expires_in_ms = expires_in_ms
        self.paid: Counter[str] = Counter()

    async def handle(self, record: Record, state: int | None, tools: Tools) -> Outcome[int]:
        expires = None if self._expires_in_ms is None else tools.now_ms() + self._expires_in_ms
        effect = Effect("pay", f"pay-{record.value['n']}", {"n": record.value["n"]}, expires)
        return Outcome([], (state or 0) + 1, effect)

    async def resume(self, result: EffectResult, key: str, state: int | None, tools: Tools) -> Outcome[int]:
        return Outcome([Emit(self._out, key, {"n": result.effect.payload["n"], "status": result.status})], state)

    async def pay(self, pending: PendingEffect) -> Mapping[str, Any]:
        self.paid[pending.effect.idempotency_key] += 1
        return {}


@pytest.mark.parametrize(("jump_ms", "expires_in_ms"), [(24 * _HOUR_MS, None), (24 * _HOUR_MS, _HOUR_MS)])
async def test_a_clock_that_jumps_by_hours_neither_loses_nor_doubles_nor_holds_up_anything(
    topics: Topics, seed: int, jump_ms: int, expires_in_ms: int | None
) -> None:
    handler = Paying(topics.name("out"), expires_in_ms)
    subject: Processor[int] = Processor(
        name="paying",
        inputs=[topics.name("in")],
        handler=handler,
        decode=lambda _, data: json.loads(data),
        encode=lambda _, value: json.dumps(value).encode(),
        dead_letter=lambda failed: Emit(topics.name("dead"), "dead", failed.reason),
        # Longer than any jump: what was just written is not of old.
        state=StateSpec(topics.name("state"), lambda count: str(count).encode(), int, ttl_seconds=14 * 86_400.0),
        effects={"pay": handler.pay},
        budget_seconds=30.0,
    )
    topics.fill(RECORDS)
    clock = Jumping(seed, jump_ms)
    engine = Engine(subject, EngineConfig(topics.servers, f"paying-{topics.run}", max_in_flight=64), clock_ms=clock)
    running = asyncio.create_task(engine.run())
    try:
        await asyncio.to_thread(
            eventually, lambda: len(topics.committed("out")) >= RECORDS, "not all records come out", 120
        )
    finally:
        engine.stop()
        await running
    told = topics.committed("out")
    assert sorted(value["n"] for _, value in told) == list(range(RECORDS))
    done = {f"pay-{value['n']}" for _, value in told if value["status"] == "done"}
    assert handler.paid == Counter(done), "paid is what is told, once each; what expired was not paid"
    assert topics.committed("dead") == []
    assert clock.jumps > RECORDS
    if expires_in_ms is None:
        assert len(done) == RECORDS
