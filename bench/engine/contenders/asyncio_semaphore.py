"""Tasks behind a semaphore over confluent_kafka.aio: concurrent, in no order."""

from __future__ import annotations

import asyncio
from typing import Any

from confluent_kafka.aio import AIOConsumer, AIOProducer

from bench.engine.codec import decode, encode
from bench.engine.job import Began, Job


async def main(job: Job) -> None:
    """Runs until SIGTERM ends it."""
    # As they come, both wait up to a second for a batch of 1,000: 90 records a second.
    producer = AIOProducer(
        {"bootstrap.servers": job.servers, "partitioner": "murmur2_random", "linger.ms": 5},
        batch_size=200,
        buffer_timeout=0.02,
    )
    consumer = AIOConsumer(
        {
            "bootstrap.servers": job.servers,
            "group.id": job.group,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "enable.auto.commit": True,
        }
    )
    await consumer.subscribe([job.input])
    free, began, running = asyncio.Semaphore(job.in_flight), Began(), set()

    async def handle(message: Any) -> None:
        try:
            record = decode(message.value())
            if job.waits:
                await asyncio.sleep(record["latency_seconds"])
            await producer.produce(job.output, key=message.key(), value=encode(record))
        finally:
            free.release()

    while True:
        for message in await consumer.consume(500, 0.05):
            await free.acquire()
            began()
            task = asyncio.create_task(handle(message))
            running.add(task)
            task.add_done_callback(running.discard)


if __name__ == "__main__":
    asyncio.run(main(Job.told()))
