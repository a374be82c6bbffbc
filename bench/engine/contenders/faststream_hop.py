"""FastStream with workers; they acknowledge a record before they handle it, which is the only way it has."""

from __future__ import annotations

import asyncio
import logging

from faststream import FastStream
from faststream.confluent import KafkaBroker
from faststream.confluent.annotations import KafkaMessage

from bench.engine.codec import decode, encode
from bench.engine.job import Began, Job


async def main(job: Job) -> None:
    """Runs until SIGTERM."""
    broker = KafkaBroker(
        job.servers,
        acks="all",
        linger_ms=5,
        log_level=logging.DEBUG,
        config={"partitioner": "murmur2_random", "isolation.level": "read_committed"},
    )
    publisher = broker.publisher(job.output)
    began = Began()

    @broker.subscriber(  # type: ignore[untyped-decorator]  # in an environment of its own
        job.input, group_id=job.group, auto_offset_reset="earliest", max_workers=job.in_flight, polling_interval=0.01
    )
    async def hop(value: bytes, message: KafkaMessage) -> None:
        began()
        record = decode(value)
        if job.waits:
            await asyncio.sleep(record["latency_seconds"])
        await publisher.publish(encode(record), key=message.raw_message.key(), no_confirm=True)

    await FastStream(broker).run()


if __name__ == "__main__":
    asyncio.run(main(Job.told()))
