"""The engine on a real broker: order per key, exactly once across a restart, dead letters, fencing."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from floodgate_local.stack import Stack
from keyflow import (
    Effect,
    EffectResult,
    Emit,
    Engine,
    EngineConfig,
    FatalError,
    Outcome,
    PendingEffect,
    Processor,
    Record,
    StateSpec,
    Tools,
)

PARTITIONS = 4
STATE: StateSpec[int] = StateSpec("", lambda count: str(count).encode(), int)


@dataclass
class Bench:
    """Topics of one test, and what it needs to fill and read them."""

    servers: str
    run: str = field(default_factory=lambda: uuid4().hex[:8])

    def topic(self, name: str) -> str:
        return f"{name}-{self.run}"

    def create(self, *names: str, partitions: int = PARTITIONS) -> None:
        admin = AdminClient({"bootstrap.servers": self.servers})
        new = [NewTopic(self.topic(name), num_partitions=partitions, replication_factor=1) for name in names]
        for future in admin.create_topics(new).values():
            future.result()

    def fill(self, records: list[tuple[str, bytes]]) -> None:
        producer = Producer({"bootstrap.servers": self.servers, "partitioner": "murmur2_random"})
        for key, value in records:
            producer.produce(self.topic("in"), key=key, value=value)
        assert producer.flush(20) == 0

    def config(self, **extra: Any) -> EngineConfig:
        return EngineConfig(self.servers, f"group-{self.run}", **extra)

    def processor(self, handler: Any, **extra: Any) -> Processor[int]:
        return Processor(
            name="test",
            inputs=[self.topic("in")],
            handler=handler,
            decode=lambda _, data: json.loads(data),
            encode=lambda _, value: json.dumps(value).encode(),
            dead_letter=lambda failed: Emit(self.topic("dead"), "dead", failed.reason),
            state=StateSpec(self.topic("state"), STATE.encode, STATE.decode),
            **extra,
        )

    def read(self, name: str, count: int, deadline_seconds: float = 30.0) -> list[tuple[str, Any]]:
        """Reads committed records until there are `count`, then makes sure that no more follow."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.servers,
                "group.id": uuid4().hex,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
            }
        )
        consumer.subscribe([self.topic(name)])
        found: list[tuple[str, Any]] = []
        deadline = time.monotonic() + deadline_seconds
        quiet_until: float | None = None
        while time.monotonic() < (quiet_until or deadline):
            for message in consumer.consume(1000, 0.2):
                assert message.error() is None
                found.append(((message.key() or b"").decode(), json.loads(message.value() or b"null")))
            if len(found) >= count and quiet_until is None:
                quiet_until = time.monotonic() + 1.0
        consumer.close()
        return found


class Counting:
    """Counts the records of each key, after a while, and asks for an effect now and then."""

    def __init__(self, out: str, every: int = 0) -> None:
        self.out = out
        self.every = every
        self.running: set[str] = set()
        self.overlaps = 0
        self.most_at_once = 0

    async def handle(self, record: Record, state: int | None, tools: Tools) -> Outcome[int]:
        self.overlaps += record.key in self.running
        self.running.add(record.key)
        self.most_at_once = max(self.most_at_once, len(self.running))
        await asyncio.sleep(random.uniform(0, 0.02))
        self.running.discard(record.key)
        number = record.value["n"]
        count = (state or 0) + 1
        effect = Effect("call", f"call-{number}", {}) if self.every and number % self.every == 0 else None
        return Outcome([Emit(self.out, record.key, {"n": number, "count": count})], count, effect)

    async def resume(self, result: EffectResult, key: str, state: int | None, tools: Tools) -> Outcome[int]:
        return Outcome([Emit(self.out, key, {"effect": result.effect.idempotency_key})])


@pytest.fixture
def bench(local_stack: Stack) -> Bench:
    made = Bench(local_stack.env()["FLOODGATE_KAFKA_BOOTSTRAP_SERVERS"])
    made.create("in", "out", "dead", "state")
    return made


async def run_until(engine: Engine[Any], done: Callable[[], bool], deadline_seconds: float = 40.0) -> None:
    task = asyncio.create_task(engine.run())
    deadline = time.monotonic() + deadline_seconds
    while not task.done() and not done():
        assert time.monotonic() < deadline, engine.status.finished
        await asyncio.sleep(0.02)
    engine.stop()
    await task


def finished(engine: Engine[Any]) -> int:
    return sum(engine.status.finished.values())


async def test_every_record_once_in_order_per_key_across_a_restart(bench: Bench) -> None:
    bench.fill([(f"key-{number % 40}", json.dumps({"n": number}).encode()) for number in range(1200)])
    calls: list[str] = []

    async def call(pending: PendingEffect) -> Mapping[str, Any]:
        calls.append(pending.effect.idempotency_key)
        return {}

    handler = Counting(bench.topic("out"), every=100)
    subject = bench.processor(handler, effects={"call": call})
    first = Engine(subject, bench.config())
    await run_until(first, lambda: finished(first) > 500)
    second = Engine(subject, bench.config())
    total = 1200 + 12
    await run_until(second, lambda: finished(first) + finished(second) >= total)
    outputs = bench.read("out", total)
    numbers = [value["n"] for _, value in outputs if "n" in value]
    assert sorted(numbers) == list(range(1200))
    for key in {key for key, _ in outputs}:
        of_key = [value for found, value in outputs if found == key and "n" in value]
        assert [value["count"] for value in of_key] == list(range(1, 31)), key
        assert [value["n"] for value in of_key] == sorted(value["n"] for value in of_key), key
    assert handler.overlaps == 0
    assert handler.most_at_once > 10
    assert sorted(calls) == sorted(f"call-{number}" for number in range(0, 1200, 100))


async def test_a_poisoned_record_goes_to_the_dead_letters_and_its_key_goes_on(bench: Bench) -> None:
    bench.fill([("a", b'{"n": 1}'), ("a", b"broken"), ("a", b'{"n": 3}')])
    engine = Engine(bench.processor(Counting(bench.topic("out"))), bench.config())
    await run_until(engine, lambda: finished(engine) >= 3)
    assert [value["count"] for _, value in bench.read("out", 2)] == [1, 2]
    assert bench.read("dead", 1) == [("dead", "cannot be decoded: JSONDecodeError")]


async def test_a_missing_topic_stops_the_process_with_one_line(bench: Bench) -> None:
    subject = bench.processor(Counting("out"))
    wrong = Processor(**{**{name: getattr(subject, name) for name in subject.__slots__}, "inputs": ["nowhere"]})
    with pytest.raises(FatalError, match="nowhere does not exist"):
        await Engine(wrong, bench.config()).run()


async def test_unequal_partition_counts_are_refused(bench: Bench) -> None:
    bench.create("other", partitions=PARTITIONS + 1)
    subject = bench.processor(Counting("out"))
    inputs = [bench.topic("in"), bench.topic("other")]
    wrong = Processor(**{**{name: getattr(subject, name) for name in subject.__slots__}, "inputs": inputs})
    with pytest.raises(FatalError, match="same number of partitions"):
        await Engine(wrong, bench.config()).run()


async def test_an_instance_in_the_same_slot_fences_the_one_before(bench: Bench) -> None:
    subject = bench.processor(Counting(bench.topic("out")))
    old = Engine(subject, bench.config())
    running = asyncio.create_task(old.run())
    deadline = time.monotonic() + 20
    while old.status.assigned == 0:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
    new = Engine(subject, bench.config())
    replacing = asyncio.create_task(new.run())
    while new.status.assigned == 0:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
    bench.fill([(f"key-{number}", b'{"n": %d}' % number) for number in range(50)])
    with pytest.raises(FatalError, match="another process uses the slot"):
        await asyncio.wait_for(running, 30)
    deadline = time.monotonic() + 40
    while finished(new) < 50:
        assert time.monotonic() < deadline, new.status.finished
        await asyncio.sleep(0.05)
    new.stop()
    await replacing
    assert sorted(value["n"] for _, value in bench.read("out", 50)) == list(range(50))
