from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from ingest.adapters.aws import UnreadableObjectError
from ingest.domain.lines import Line
from ingest.domain.s3_notices import S3Object
from ingest.edge import EdgeWriter
from ingest.intake import LineIntake
from ingest.ports import QueueMessage
from ingest.tasks.s3_poller import S3Poller
from ingest_fakes import FakeSink, clock, until
from ingest_samples import PSEUDONYMS
from keyflow.errors import FatalError, RetryableError

GOOD = json.dumps(
    {"interaction_id": "3f0c9d3a-0f4e-4a69-9a53-0d2f0b3c4d5e", "turns": [{"role": "customer", "text": "Hello"}]}
).encode()
OTHER = GOOD.replace(b"3f0c9d3a", b"4f0c9d3a")


@dataclass
class FakeQueue:
    """Hands out what is put in until it is deleted."""

    url: str = "https://sqs.example.org/1/floodgate-drops"
    visibility_seconds: int = 120
    waiting: list[QueueMessage] = field(default_factory=list)
    deleted: list[QueueMessage] = field(default_factory=list)
    hidden: list[int] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    receives: int = 0

    async def receive(self) -> list[QueueMessage]:
        self.receives += 1
        if self.failures:
            raise self.failures.pop(0)
        if not self.waiting:
            await asyncio.Event().wait()
        received, self.waiting = self.waiting, []
        return received

    async def delete(self, message: QueueMessage) -> None:
        self.deleted.append(message)

    async def hide(self, message: QueueMessage, seconds: int) -> None:
        self.hidden.append(seconds)


@dataclass
class FakeObjects:
    contents: dict[str, list[bytes]] = field(default_factory=dict)
    failures: dict[str, Exception] = field(default_factory=dict)
    reads: list[str] = field(default_factory=list)

    async def batches(self, target: S3Object) -> AsyncIterator[Sequence[Line]]:
        self.reads.append(target.key)
        for number, data in enumerate(self.contents.get(target.key, []), 1):
            yield [Line(number, data)]
        if target.key in self.failures:
            raise self.failures[target.key]


class Bench:
    def __init__(self) -> None:
        self.queue = FakeQueue()
        self.objects = FakeObjects()
        self.sink = FakeSink()
        writer = EdgeWriter(self.sink, "s3")
        intake = LineIntake(writer, PSEUDONYMS, clock, source="s3", takes_conversations=False)
        self.poller = S3Poller(self.queue, self.objects, intake, writer, clock, prefix="interactions/")

    @property
    def interactions(self) -> list[Any]:
        return self.sink.on("support.interactions")


@pytest.fixture
def bench() -> Bench:
    return Bench()


def notice(*keys: str) -> QueueMessage:
    records = [
        {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "drops"}, "object": {"key": key}}} for key in keys
    ]
    return QueueMessage("receipt", json.dumps({"Records": records}))


async def test_good_lines_are_written_and_broken_ones_go_to_the_dead_letters(bench: Bench) -> None:
    bench.objects.contents["interactions/a.jsonl"] = [GOOD, b"{broken", OTHER]
    await bench.poller.handle(notice("interactions/a.jsonl"))
    assert len(bench.interactions) == 2
    assert bench.interactions[0].origin == "s3://drops/interactions/a.jsonl:1"
    (letter,) = bench.sink.dead_letters
    assert (letter.origin_topic, letter.origin_offset) == ("s3://drops/interactions/a.jsonl", 2)
    assert letter.value == b"{broken"
    assert len(bench.queue.deleted) == 1


async def test_a_duplicate_notice_gives_the_same_events(bench: Bench) -> None:
    bench.objects.contents["interactions/a.jsonl"] = [GOOD, b"{broken"]
    for _ in range(2):
        await bench.poller.handle(notice("interactions/a.jsonl"))
    assert len({event.event_id for event in bench.interactions}) == 1
    assert len({letter.event_id for letter in bench.sink.dead_letters}) == 1


async def test_the_notice_stays_in_the_queue_while_kafka_is_down(bench: Bench) -> None:
    bench.objects.contents["interactions/a.jsonl"] = [GOOD]
    bench.sink.failure = RetryableError("Kafka did not take the record")
    await bench.poller.handle(notice("interactions/a.jsonl"))
    assert bench.queue.deleted == []
    assert bench.queue.hidden == [30]


async def test_an_object_cut_off_while_reading_is_read_again_later(bench: Bench) -> None:
    bench.objects.contents["interactions/a.jsonl"] = [GOOD]
    bench.objects.failures["interactions/a.jsonl"] = RetryableError("S3 GetObject: ReadTimeoutError")
    await bench.poller.handle(notice("interactions/a.jsonl"))
    assert bench.queue.deleted == []
    del bench.objects.failures["interactions/a.jsonl"]
    await bench.poller.handle(notice("interactions/a.jsonl"))
    assert len(bench.queue.deleted) == 1
    assert len({event.event_id for event in bench.interactions}) == 1


async def test_an_unreadable_object_is_one_dead_letter_and_the_others_are_read(bench: Bench) -> None:
    bench.objects.contents["interactions/b.jsonl"] = [GOOD]
    bench.objects.failures["interactions/gone.jsonl"] = UnreadableObjectError("S3 GetObject: NoSuchKey")
    await bench.poller.handle(notice("interactions/gone.jsonl", "interactions/b.jsonl"))
    (letter,) = bench.sink.dead_letters
    assert (letter.origin_topic, letter.origin_offset, letter.value) == (
        "s3://drops/interactions/gone.jsonl",
        -1,
        None,
    )
    assert len(bench.interactions) == 1
    assert len(bench.queue.deleted) == 1


async def test_a_notice_that_is_none_is_kept_as_a_dead_letter(bench: Bench) -> None:
    await bench.poller.handle(QueueMessage("receipt", "hello"))
    (letter,) = bench.sink.dead_letters
    assert (letter.origin_topic, letter.value) == ("sqs://floodgate-drops", b"hello")
    assert len(bench.queue.deleted) == 1


@pytest.mark.parametrize("key", ["knowledge/a.md", "interactions/", "other.jsonl"])
async def test_objects_outside_the_prefix_are_left_alone(bench: Bench, key: str) -> None:
    await bench.poller.handle(notice(key))
    assert bench.objects.reads == []
    assert len(bench.queue.deleted) == 1


async def test_a_long_reading_keeps_the_notice_hidden(bench: Bench) -> None:
    bench.queue.visibility_seconds = 0
    released = asyncio.Event()

    class Slow(FakeSink):
        async def send(self, *_: Any, **__: Any) -> None:
            await released.wait()

    writer = EdgeWriter(Slow(), "s3")
    intake = LineIntake(writer, PSEUDONYMS, clock, source="s3", takes_conversations=False)
    bench.objects.contents["interactions/a.jsonl"] = [GOOD]
    poller = S3Poller(bench.queue, bench.objects, intake, writer, clock, prefix="interactions/")
    handling = asyncio.create_task(poller.handle(notice("interactions/a.jsonl")))
    await until(lambda: len(bench.queue.hidden) >= 3)
    released.set()
    await handling
    assert len(bench.queue.deleted) == 1


async def test_it_polls_until_it_is_told_to_stop(bench: Bench) -> None:
    bench.objects.contents["interactions/a.jsonl"] = [GOOD]
    bench.queue.waiting = [notice("interactions/a.jsonl")]
    stop = asyncio.Event()
    running = asyncio.create_task(bench.poller.run(stop))
    await until(lambda: bench.queue.deleted)
    assert not running.done()
    stop.set()
    async with asyncio.timeout(5):
        await running
    assert len(bench.queue.deleted) == 1
    assert bench.queue.waiting == []


async def test_a_queue_that_does_not_exist_stops_the_service(bench: Bench) -> None:
    bench.queue.failures = [FatalError("there is no such queue")]
    with pytest.raises(FatalError):
        await bench.poller.run(asyncio.Event())
