"""What one stateful hop adds at a steady rate: from just before the write until a read-committed reader has it."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any
from uuid import uuid4

from common import Broker, arguments, cpu_seconds, decode, encode, tell, until
from confluent_kafka import Consumer, Producer
from keyflow import Emit, Engine, Outcome, Record, StateSpec, Tools


class Counting:
    """Counts the records of each key."""

    def __init__(self, out: str) -> None:
        self.out = out

    async def handle(self, record: Record, state: int | None, tools: Tools) -> Outcome[int]:
        """One output and one state per input."""
        return Outcome((Emit(self.out, record.key, record.value),), (state or 0) + 1)


class Reader:
    """Reads committed output in a thread of its own and notes how old each record is."""

    def __init__(self, broker: Broker) -> None:
        self.milliseconds: list[float] = []
        self._stop = threading.Event()
        self._consumer = Consumer(
            {
                "bootstrap.servers": broker.servers,
                "group.id": uuid4().hex,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
            }
        )
        self._consumer.subscribe([broker.topic("out")])
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            message = self._consumer.poll(0.1)
            value: Any = message.value() if message is not None and message.error() is None else None
            if value is not None:
                self.milliseconds.append((time.time() - decode("", value)["sent_at"]) * 1000)
        self._consumer.close()

    def close(self) -> None:
        """Ends the thread."""
        self._stop.set()
        self._thread.join()


def feed(broker: Broker, count: int, per_second: int) -> None:
    """Writes at a steady rate, without lingering."""
    producer = Producer({"bootstrap.servers": broker.servers, "partitioner": "murmur2_random", "linger.ms": 0})
    began = time.monotonic()
    for number in range(count):
        time.sleep(max(began + number / per_second - time.monotonic(), 0))
        key = f"key-{number % 100}"
        value = {"number": number, "sent_at": time.time(), "key": key, "latency_seconds": 0.0, "text": "x" * 640}
        producer.produce(broker.topic("in"), key=key, value=encode("", value))
        producer.poll(0)
    producer.flush(20)


async def measured(broker: Broker, count: int, per_second: int) -> dict[str, float]:
    """Runs the engine beside the feed; CPU is the whole process with feed and reader."""
    state = StateSpec(broker.topic("state"), lambda number: str(number).encode(), int)
    engine = Engine(broker.processor(Counting(broker.topic("out")), state=state), broker.config())
    reader = Reader(broker)
    running = asyncio.create_task(engine.run())
    await until(running, lambda: engine.status.assigned > 0, 0.05)
    warm = per_second * 2
    await asyncio.to_thread(feed, broker, warm, per_second)
    await until(running, lambda: len(reader.milliseconds) >= warm, 0.05)
    began, cpu, commits = time.monotonic(), cpu_seconds(), engine.status.commits
    await asyncio.to_thread(feed, broker, count, per_second)
    await until(running, lambda: len(reader.milliseconds) >= warm + count, 0.05)
    seconds, cpu = time.monotonic() - began, cpu_seconds() - cpu
    commits = engine.status.commits - commits
    idle_cpu, idle = cpu_seconds(), time.monotonic()
    await asyncio.sleep(5)
    idle_cpu, idle = cpu_seconds() - idle_cpu, time.monotonic() - idle
    engine.stop()
    await running
    reader.close()
    ages = sorted(reader.milliseconds[warm:])
    return {
        "p50_ms": ages[len(ages) // 2],
        "p99_ms": ages[len(ages) * 99 // 100],
        "cores_with_feed_and_reader": cpu / seconds,
        "commits_per_second": commits / seconds,
        "commit_ms": engine.status.commit_seconds / max(engine.status.commits, 1) * 1000,
        "idle_cores": idle_cpu / idle,
    }


def main() -> None:
    """One run over four partitions."""
    args = arguments(records=3000, per_second=200)
    broker = Broker(args.kafka)
    broker.create("in", "out", "dead", "state", partitions=4)
    figures = asyncio.run(measured(broker, args.records, args.per_second))
    broker.delete("in", "out", "dead", "state")
    tell({"workload": "latency", "records_per_second": args.per_second, **figures})


if __name__ == "__main__":
    main()
