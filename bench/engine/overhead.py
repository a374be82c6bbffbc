"""What the engine costs: a handler that does nothing, beside a tight loop that reads, decodes, encodes and writes.

Both read the same topic in this process, one after the other, several rounds in turn; the ratios are what counts.
"""

from __future__ import annotations

import asyncio
import time
from statistics import median
from typing import Any
from uuid import uuid4

from common import Broker, Data, arguments, cpu_seconds, decode, encode, peak_rss_mb, tell, until
from confluent_kafka import Consumer, Producer
from keyflow import Emit, Engine, Outcome, Record, Tools


class Nothing:
    """Writes what it reads."""

    def __init__(self, out: str) -> None:
        self.out = out

    async def handle(self, record: Record, state: Any, tools: Tools) -> Outcome[Any]:
        """One output per input, and nothing to wait for."""
        return Outcome((Emit(self.out, record.key, record.value),))


async def engine_round(broker: Broker, count: int) -> tuple[float, float]:
    """Seconds and CPU seconds from the first record to the last commit."""
    engine = Engine(broker.processor(Nothing(broker.topic("out"))), broker.config())
    running = asyncio.create_task(engine.run())
    status = engine.status
    await until(running, lambda: bool(status.finished), 0.001)
    began, cpu = time.monotonic(), cpu_seconds()
    await until(running, lambda: status.finished["outcome"] >= count and not status.buffered, 0.01)
    took = time.monotonic() - began, cpu_seconds() - cpu
    engine.stop()
    await running
    return took


def loop_round(broker: Broker, count: int) -> tuple[float, float]:
    """The limit: no order, no transaction, no offsets."""
    consumer = Consumer(
        {"bootstrap.servers": broker.servers, "group.id": uuid4().hex, "auto.offset.reset": "earliest",
         "enable.auto.commit": False}
    )  # fmt: skip
    producer = Producer(
        {"bootstrap.servers": broker.servers, "partitioner": "murmur2_random", "linger.ms": 5,
         "queue.buffering.max.messages": 1_000_000}
    )  # fmt: skip
    consumer.subscribe([broker.topic("in")])
    done, began, cpu, out = 0, 0.0, 0.0, broker.topic("loop")
    while done < count:
        messages = consumer.consume(1000, 0.1)
        if messages and not done:
            began, cpu = time.monotonic(), cpu_seconds()
        for message in messages:
            value: Any = message.value()
            key: Any = message.key()
            producer.produce(out, key=key, value=encode("", decode("", value)))
        done += len(messages)
        producer.poll(0)
    producer.flush()
    took = time.monotonic() - began, cpu_seconds() - cpu
    consumer.close()
    return took


def main() -> None:
    """Runs the rounds."""
    args = arguments(records=200_000, rounds=3)
    ours, loops, verdicts = [], [], []
    data = Data.made(args.records)
    for _ in range(args.rounds):
        broker = Broker(args.kafka)
        broker.create("in", "out", "loop", "dead")
        broker.fill(data)
        ours.append(asyncio.run(engine_round(broker, args.records)))
        loops.append(loop_round(broker, args.records))
        verdicts.append(broker.judge(data))
        broker.delete("in", "out", "loop", "dead")
    micro = 1e6 / args.records
    tell(
        {
            "workload": "overhead",
            "records": args.records,
            "rounds": args.rounds,
            "engine_records_per_second": args.records / median(row[0] for row in ours),
            "loop_records_per_second": args.records / median(row[0] for row in loops),
            "engine_cpu_us_per_record": median(row[1] for row in ours) * micro,
            "loop_cpu_us_per_record": median(row[1] for row in loops) * micro,
            "speed_ratio": median(loop[0] / own[0] for own, loop in zip(ours, loops, strict=True)),
            "cpu_ratio": median(own[1] / loop[1] for own, loop in zip(ours, loops, strict=True)),
            "peak_rss_mb": peak_rss_mb(),
            **{name: sum(verdict[name] for verdict in verdicts) for name in verdicts[0]},
        }
    )


if __name__ == "__main__":
    main()
