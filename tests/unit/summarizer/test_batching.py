"""The batcher with Kafka, S3 and Bedrock in memory: killed at every step, it loses nothing and pays nothing twice."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from floodgate.bedrock.prices import PriceTable
from floodgate.events import BatchAnswer
from keyflow import PoisonMessageError, RetryableError
from summarizer.asking import Asker
from summarizer.batching import Asked, Collector, Job, JobWatch
from summarizer.domain.batches import Limits, Span, next_offsets, spans_of
from summarizer.settings import SummarizerSettings

NOVA = "amazon.nova-lite-v1:0"
NOW_MS = 1_795_341_600_000
LIMITS = Limits(min_records=3, max_records=5, max_bytes=10_000_000, max_wait_seconds=60)


class CrashError(Exception):
    """The process is gone."""


@dataclass
class World:
    """What outlives a process, and where it is killed: before or after the n-th call to the outside."""

    records: list[Asked] = field(default_factory=list)
    committed: dict[int, int] = field(default_factory=dict)
    inputs: dict[str, tuple[bytes, dict[str, str]]] = field(default_factory=dict)
    done: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    jobs: dict[str, dict[str, str]] = field(default_factory=dict)
    outputs: dict[str, bytes] = field(default_factory=dict)
    answers: list[BatchAnswer] = field(default_factory=list)
    dead: list[int] = field(default_factory=list)
    ends_as: str = "Completed"
    refuses_jobs: bool = False
    calls: int = 0
    dies_at: int | None = None
    now_ms: int = NOW_MS

    def outside(self, effect: Callable[[], Any]) -> Any:
        """One call that changes the world; the process may be killed before it, or before it hears of it."""
        self._tick()
        found = effect()
        self._tick()
        return found

    def _tick(self) -> None:
        self.calls += 1
        if self.calls == self.dies_at:
            raise CrashError

    def finish_jobs(self) -> None:
        """Bedrock answers every record of every job but those that ask about an error."""
        for job in self.jobs.values():
            if job["status"] == "Submitted":
                job["status"] = self.ends_as
                if self.ends_as not in ("Failed", "Expired"):
                    data = self.inputs[job["input"]][0]
                    lines = [_answered(json.loads(line)) for line in data.splitlines()]
                    self.outputs[f"{job['id']}/{job['input']}"] = b"\n".join(reversed(lines))


def _answered(row: dict[str, Any]) -> bytes:
    text = row["modelInput"]["messages"][0]["content"][0]["text"]
    result = {"error": {"errorCode": 500}} if "an error" in text else {"modelOutput": {"text": text}}
    return json.dumps({"recordId": row["recordId"], **result}).encode()


class Topic:
    def __init__(self, world: World) -> None:
        self._world = world
        self.generation = 0
        self.assigned: frozenset[int] = frozenset()
        self._at: dict[int, int] = {}

    def subscribe(self, next_offsets: Callable[[], Mapping[int, int]]) -> None:
        written = next_offsets()
        self.assigned = frozenset({0, 1})
        self._at = {p: max(self._world.committed.get(p, 0), written.get(p, 0)) for p in self.assigned}
        self.generation += 1

    def poll(self, seconds: float) -> list[Asked]:
        found = [asked for asked in self._world.records if asked.offset >= self._at[asked.partition]][:2]
        self._at.update({asked.partition: asked.offset + 1 for asked in found})
        return found

    def commit(self, spans: Iterable[Span]) -> None:
        new = {span.partition: span.last + 1 for span in spans}
        self._world.outside(lambda: self._world.committed.update(new))

    def read(self, span: Span) -> Iterator[Asked]:
        return (a for a in self._world.records if a.partition == span.partition and span.first <= a.offset <= span.last)

    def close(self) -> None: ...


class Store:
    where, output_uri = "s3://bucket/x", "s3://bucket/x/output/"

    def __init__(self, world: World) -> None:
        self._world = world

    def input_uri(self, name: str) -> str:
        return name

    def names(self) -> list[str]:
        return sorted(self._world.inputs)

    def open_names(self) -> list[str]:
        return sorted(set(self._world.inputs) - set(self._world.done))

    def write(self, name: str, data: bytes, asked_by: Mapping[str, str]) -> None:
        self._world.outside(lambda: self._world.inputs.update({name: (data, dict(asked_by))}))

    def asked_by(self, name: str) -> dict[str, str]:
        return self._world.inputs[name][1]

    def output(self, job_id: str, name: str) -> bytes:
        return self._world.outputs.get(f"{job_id}/{name}", b"")

    def mark_done(self, name: str, what: Mapping[str, Any]) -> None:
        self._world.outside(lambda: self._world.done.update({name: what}))


class Jobs:
    def __init__(self, world: World) -> None:
        self._world = world

    def find(self, name: str) -> Job | None:
        found = self._world.jobs.get(name)
        return None if found is None else Job(found["id"], found["status"])

    def start(self, name: str, model_id: str, input_uri: str, output_uri: str) -> None:
        if self._world.refuses_jobs:
            raise PoisonMessageError("refused")
        job = {"id": f"job{len(self._world.jobs)}", "status": "Submitted", "input": input_uri}
        self._world.outside(lambda: self._world.jobs.setdefault(name, job))


class Sink:
    def __init__(self, world: World) -> None:
        self._world = world

    async def send(self, answers: Sequence[BatchAnswer]) -> None:
        for answer in answers:
            self._world.outside(lambda answer=answer: self._world.answers.append(answer))

    async def give_up(self, asked: Asked, reason: str) -> None:
        self._world.outside(lambda: self._world.dead.append(asked.offset))


@pytest.fixture
def world(interaction) -> World:
    """Eleven interactions on two partitions, one of which batch inference will not answer, and broken bytes."""
    made = World()
    for number in range(11):
        text = "My tickets never came, an error" if number == 4 else f"My tickets of order TK-{number} never came"
        one = interaction(text, "Sent again.", interaction_id=uuid4())
        made.records.append(Asked(number % 2, 10 + number * 2, NOW_MS, b"k", b"v", one))
    made.records.append(Asked(1, 99, NOW_MS, b"k", b"broken", None))
    return made


@pytest.fixture
def process(catalogue, languages):
    """One life of the batcher."""
    asker = Asker(catalogue=catalogue, languages=languages, settings=SummarizerSettings(), service_version="1")
    price = PriceTable.load().price(NOVA)

    def begin(world: World) -> tuple[Collector, JobWatch]:
        topic, store, sink = Topic(world), Store(world), Sink(world)
        topic.subscribe(lambda: next_offsets(store.names()))
        collector = Collector(
            topic, store, sink, lambda: asker, model_id=NOVA, price=price, limits=LIMITS, now_ms=lambda: world.now_ms
        )
        return collector, JobWatch(topic, store, Jobs(world), sink, poll_seconds=1)

    return begin


async def live(world: World, collector: Collector, watch: JobWatch) -> None:
    for _ in range(12):
        await collector.step()
        await watch.look()
        world.finish_jobs()
    world.now_ms += 61_000  # what is left has waited long enough
    for _ in range(3):
        await collector.step()
        await watch.look()
        world.finish_jobs()
    await watch.look()


def check(world: World) -> None:
    """Everything that was asked has an answer, or a dead letter; no record is in two jobs."""
    asked = {record.interaction.event_id for record in world.records if record.interaction}
    assert {answer.causation_id for answer in world.answers} == asked
    assert 99 in world.dead
    ids = Counter(json.loads(line)["recordId"] for data, _ in world.inputs.values() for line in data.splitlines())
    assert set(ids.values()) == {1}
    assert sorted(job["input"] for job in world.jobs.values()) == sorted(world.inputs)
    assert set(world.done) == set(world.inputs)
    by_id: dict[Any, set[str | None]] = {}
    for answer in world.answers:
        by_id.setdefault(answer.event_id, set()).add(answer.output)
    assert all(len(outputs) == 1 for outputs in by_id.values()), "an answer came twice and differs"


async def test_every_interaction_gets_an_answer_or_goes_back_online(world, process) -> None:
    await live(world, *process(world))
    check(world)
    assert len(world.inputs) == 2
    answered = [answer for answer in world.answers if answer.output is not None]
    errors = Counter(answer.error for answer in world.answers if answer.output is None)
    assert errors == {"record error 500": 1}
    for answer in answered:
        text = json.loads(answer.output or "")["text"]
        assert answer.interaction.turns[0].text.split()[4].rstrip(",") in text
        assert (answer.versions.prompt, answer.model_id) == ("summarize@2", NOVA)
    assert all(answer.asked_at.timestamp() * 1000 == NOW_MS for answer in world.answers)


async def test_killed_at_any_call_it_loses_nothing_and_asks_nothing_twice(world, process) -> None:
    await live(world, *process(world))
    steps = world.calls
    assert steps > 20
    records = world.records
    for dies_at in range(1, steps + 1):
        other = World(records=records, dies_at=dies_at)
        with pytest.raises(CrashError):
            await live(other, *process(other))
        await live(other, *process(other))
        check(other)


async def test_killed_again_and_again_it_loses_nothing(world, process) -> None:
    for distance in (3, 5, 7):
        other = World(records=world.records)
        for _ in range(60):
            other.dies_at = other.calls + distance
            try:
                await live(other, *process(other))
                break
            except CrashError:
                other.finish_jobs()
        other.dies_at = None
        await live(other, *process(other))
        check(other)


@pytest.mark.parametrize("ends_as", ["Failed", "Expired", "Stopped"])
async def test_a_job_that_does_not_complete_sends_its_interactions_back_online(world, process, ends_as) -> None:
    world.ends_as = ends_as
    await live(world, *process(world))
    check(world)
    if ends_as != "Stopped":
        assert {answer.error for answer in world.answers} == {f"job {ends_as}"}


async def test_a_job_that_bedrock_refuses_sends_its_interactions_back_online(world, process) -> None:
    world.refuses_jobs = True
    await live(world, *process(world))
    assert {answer.error for answer in world.answers} == {"job refused"}
    assert len({answer.causation_id for answer in world.answers}) == 11


async def test_too_few_for_a_job_go_back_online_after_the_longest_wait(world, process) -> None:
    del world.records[2:]
    collector, watch = process(world)
    await collector.step()
    await collector.step()
    assert (world.answers, world.inputs) == ([], {})
    world.now_ms += 61_000
    await collector.step()
    assert [answer.error for answer in world.answers] == ["too few records for a job"] * 2
    assert world.committed == {0: 11, 1: 13}
    assert world.inputs == {}
    await watch.look()


async def test_after_a_rebalance_what_was_collected_belongs_to_whoever_reads_it_now(world, process) -> None:
    collector, _ = process(world)
    await collector.step()
    collector._topic.generation += 1
    collector._topic._at = {0: 0, 1: 0}
    for _ in range(4):
        await collector.step()
    spans = [span for name in world.inputs for span in spans_of(name)]
    assert min(span.first for span in spans if span.partition == 0) == 10


async def test_a_store_that_is_out_is_asked_again_under_the_same_name(world, process, monkeypatch) -> None:
    collector, _ = process(world)
    tried: list[str] = []

    def out(name: str, *_: Any) -> None:
        tried.append(name)
        raise RetryableError("S3 is out")

    monkeypatch.setattr(collector._store, "write", out)
    for _ in range(6):
        try:
            await collector.step()
        except RetryableError:
            await asyncio.sleep(0)
    assert len(tried) >= 2
    assert len(set(tried)) == 1
