"""What the engine's benchmarks share: a broker, data with skewed keys, and the proof that nothing went wrong."""

from __future__ import annotations

import asyncio
import json
import math
import random
import resource
import time
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final
from uuid import uuid4

import fastavro
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from keyflow import Emit, EngineConfig, Processor

PARTITIONS: Final = 12
SCHEMA: Final = fastavro.parse_schema(
    {
        "type": "record",
        "name": "BenchRecord",
        "fields": [
            {"name": "number", "type": "long"},
            {"name": "sent_at", "type": "double"},
            {"name": "key", "type": "string"},
            {"name": "latency_seconds", "type": "double"},
            {"name": "text", "type": "string"},
        ],
    }
)


@dataclass(frozen=True)
class Data:
    """One workload: numbered records with a key and the latency of the model call that they stand for."""

    rows: list[tuple[int, str, float]]

    @classmethod
    def made(cls, count: int, keys: int = 2000, seed: int = 20261122) -> Data:
        """Keys with skew (the top key about 0.3 %), latency log-normal with median 120 ms and p95 280 ms."""
        chance = random.Random(seed)  # noqa: S311  # data of a benchmark
        weights = [1 / (number + 160) for number in range(keys)]
        chosen = chance.choices(range(keys), weights, k=count)
        sigma = math.log(280 / 120) / 1.6449
        return cls([(n, f"key-{key}", chance.lognormvariate(math.log(0.12), sigma)) for n, key in enumerate(chosen)])

    def ideal_seconds(self, slots: int) -> float:
        """No scheduler can be faster: all slots always busy, or the longest key one after the other."""
        of_key: dict[str, float] = {}
        for _, key, latency in self.rows:
            of_key[key] = of_key.get(key, 0.0) + latency
        longest = max(of_key.values())
        return max(sum(of_key.values()) / slots, longest)


class Broker:
    """Topics of one run."""

    def __init__(self, servers: str) -> None:
        self.servers = servers
        self.run = uuid4().hex[:8]

    def topic(self, name: str) -> str:
        """The run's own name of a topic."""
        return f"bench-{name}-{self.run}"

    def create(self, *names: str, partitions: int = PARTITIONS, **config: str) -> None:
        """Creates topics."""
        admin = AdminClient({"bootstrap.servers": self.servers})
        new = [NewTopic(self.topic(n), num_partitions=partitions, replication_factor=1, config=config) for n in names]
        for future in admin.create_topics(new).values():
            future.result()

    def delete(self, *names: str) -> None:
        """Deletes topics."""
        admin = AdminClient({"bootstrap.servers": self.servers})
        for future in admin.delete_topics([self.topic(name) for name in names]).values():
            future.result()

    def fill(self, data: Data) -> None:
        """Writes the data, about 700 bytes a record."""
        producer = Producer(
            {"bootstrap.servers": self.servers, "partitioner": "murmur2_random", "linger.ms": 20,
                "enable.idempotence": True,
             "queue.buffering.max.messages": 1_000_000}
        )  # fmt: skip
        text = "".join(random.Random(1).choices("abcdefghijklmnop ", k=640))  # noqa: S311  # filling
        for number, key, latency in data.rows:
            value = encode("", {"number": number, "sent_at": 0.0, "key": key, "latency_seconds": latency, "text": text})
            producer.produce(self.topic("in"), key=key, value=value)
            if number % 1000 == 0:
                producer.poll(0)
        if producer.flush(60):
            raise SystemExit("the broker did not take the data")

    def judge(self, data: Data, deadline_seconds: float = 60.0) -> dict[str, int]:
        """Reads the committed output: what is lost, double, or out of order within its key."""
        seen: Counter[int] = Counter()
        last: dict[str, int] = {}
        violations = 0
        for value in self._committed(deadline_seconds, len(data.rows)):
            record = decode("", value)
            seen[record["number"]] += 1
            violations += last.get(record["key"], -1) > record["number"]
            last[record["key"]] = record["number"]
        lost = sum(1 for number, _, _ in data.rows if number not in seen)
        return {"lost": lost, "duplicates": sum(seen.values()) - len(seen), "order_violations": violations}

    def _committed(self, deadline_seconds: float, count: int) -> list[bytes]:
        consumer = Consumer(
            {"bootstrap.servers": self.servers, "group.id": uuid4().hex, "isolation.level": "read_committed",
             "auto.offset.reset": "earliest"}
        )  # fmt: skip
        consumer.subscribe([self.topic("out")])
        found: list[bytes] = []
        deadline = time.monotonic() + deadline_seconds
        while time.monotonic() < deadline:
            found += [message.value() or b"" for message in consumer.consume(10_000, 0.5) if message.error() is None]
            if len(found) >= count:
                # Duplicates would follow.
                deadline = min(deadline, time.monotonic() + 1.0)
        consumer.close()
        return found

    def config(self, **extra: Any) -> EngineConfig:
        """Settings of an engine on this broker."""
        return EngineConfig(self.servers, f"bench-{self.run}", **extra)

    def processor(self, handler: Any, **extra: Any) -> Processor[Any]:
        """A processor from "in" to "out"."""
        return Processor(
            name="bench",
            inputs=[self.topic("in")],
            handler=handler,
            decode=decode,
            encode=encode,
            dead_letter=lambda failed: Emit(self.topic("dead"), "dead", failed.reason),
            **extra,
        )


def encode(_: str, value: Any) -> bytes:
    """Avro without a container, behind a header of five bytes."""
    buffer = BytesIO()
    buffer.write(b"\0\0\0\0\1")
    fastavro.schemaless_writer(buffer, SCHEMA, value)
    return buffer.getvalue()


def decode(_: str, data: bytes) -> Any:
    """The reverse."""
    stream = BytesIO(data)
    stream.seek(5)
    return fastavro.schemaless_reader(stream, SCHEMA, None)


def cpu_seconds() -> float:
    """CPU time of this process, librdkafka's threads included."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def peak_rss_mb() -> float:
    """Most memory that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def arguments(**numbers: int) -> Namespace:
    """The command line: a broker, and whole numbers with their defaults."""
    parser = ArgumentParser()
    parser.add_argument("--kafka", required=True, help="host:port of a broker that may be filled")
    for name, default in numbers.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=default)
    return parser.parse_args()


async def until(running: asyncio.Task[None], done: Callable[[], bool], every_seconds: float) -> None:
    """Waits for a figure to get there, or for the engine to end, whose error is raised."""
    while not done():
        if running.done():
            running.result()
        await asyncio.sleep(every_seconds)  # figures have no event


def tell(result: dict[str, Any]) -> None:
    """Prints the figures as JSON."""
    rounded = {name: round(value, 4) if isinstance(value, float) else value for name, value in result.items()}
    print(json.dumps(rounded, indent=2))  # noqa: T201  # the output
