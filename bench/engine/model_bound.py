"""Handlers that wait as long as a model call: how near the engine comes to the ideal, in order and exactly once."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from common import Broker, Data, arguments, cpu_seconds, peak_rss_mb, tell, until
from keyflow import Emit, Engine, Outcome, Record, Tools


class Waiting:
    """Waits for the record's own latency, then writes it on."""

    def __init__(self, out: str) -> None:
        self.out = out
        self.began = 0.0

    async def handle(self, record: Record, state: Any, tools: Tools) -> Outcome[Any]:
        """One output per input."""
        self.began = self.began or time.monotonic()
        await asyncio.sleep(record.value["latency_seconds"])
        return Outcome((Emit(self.out, record.key, record.value),))


async def measured(broker: Broker, count: int, in_flight: int) -> tuple[float, float]:
    """Seconds and CPU seconds from the first call to the last commit."""
    handler = Waiting(broker.topic("out"))
    engine = Engine(broker.processor(handler), broker.config(max_in_flight=in_flight))
    running = asyncio.create_task(engine.run())
    status = engine.status
    await until(running, lambda: handler.began > 0, 0.005)
    cpu = cpu_seconds()
    await until(running, lambda: status.finished["outcome"] >= count and not status.buffered, 0.01)
    took = time.monotonic() - handler.began, cpu_seconds() - cpu
    engine.stop()
    await running
    return took


def main() -> None:
    """One run."""
    args = arguments(records=20_000, in_flight=256)
    data = Data.made(args.records)
    broker = Broker(args.kafka)
    broker.create("in", "out", "dead")
    broker.fill(data)
    seconds, cpu = asyncio.run(measured(broker, args.records, args.in_flight))
    rss = peak_rss_mb()
    verdict = broker.judge(data)
    broker.delete("in", "out", "dead")
    tell(
        {
            "workload": "model_bound",
            "in_flight": args.in_flight,
            "records_per_second": args.records / seconds,
            "ideal_records_per_second": args.records / data.ideal_seconds(args.in_flight),
            "of_ideal": data.ideal_seconds(args.in_flight) / seconds,
            **verdict,
            "cpu_seconds_per_1000": cpu / args.records * 1000,
            "peak_rss_mb": rss,
        }
    )


if __name__ == "__main__":
    main()
