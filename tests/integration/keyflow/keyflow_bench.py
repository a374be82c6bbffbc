"""What the engine's tests on a real broker share: topics of their own, a counting handler, and a reader."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from keyflow import Effect, EffectResult, Emit, Engine, EngineConfig, Outcome, Processor, Record, StateSpec, Tools

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

    def fill(self, records: list[tuple[str, bytes]], name: str = "in") -> None:
        # Without idempotence a batch that a new topic's leader refuses is sent again behind the next one.
        producer = Producer(
            {"bootstrap.servers": self.servers, "partitioner": "murmur2_random", "enable.idempotence": True}
        )
        for key, value in records:
            producer.produce(self.topic(name), key=key, value=value)
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

    def read(
        self, name: str, count: int, deadline_seconds: float = 30.0, quiet_seconds: float = 1.0
    ) -> list[tuple[str, Any]]:
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
                quiet_until = time.monotonic() + quiet_seconds
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


async def run_until(engine: Engine[Any], done: Callable[[], bool], deadline_seconds: float = 40.0) -> None:
    task = asyncio.create_task(engine.run())
    deadline = time.monotonic() + deadline_seconds
    while not task.done() and not done():
        assert time.monotonic() < deadline, engine.status.finished
        await asyncio.sleep(0.02)
    engine.stop()
    await task


async def eventually(holds: Callable[[], bool], what: str, deadline_seconds: float = 60.0) -> None:
    deadline = time.monotonic() + deadline_seconds
    while not holds():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.02)


def finished(engine: Engine[Any]) -> int:
    return sum(engine.status.finished.values())
