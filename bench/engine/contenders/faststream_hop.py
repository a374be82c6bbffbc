"""FastStream with workers; they acknowledge a record before they handle it, which is the only concurrent way it has."""

from __future__ import annotations

import asyncio
from typing import Any

from faststream import FastStream
from faststream.kafka import KafkaBroker

from bench.engine.codec import decode, encode
from bench.engine.job import Began, Job


async def keyed(message: Any) -> tuple[bytes, Any]:
    """The handler's argument: key and record."""
    return message.raw_message.key, decode(message.body)


async def main(job: Job) -> None:
    """Runs until SIGTERM."""
    # Without validation of types: what comes in was decoded by its schema.
    broker = KafkaBroker(job.servers, acks="all", linger_ms=5, apply_types=False, logger=None)
    publisher = broker.publisher(job.output)
    began = Began()

    @broker.subscriber(  # type: ignore[untyped-decorator]  # in an environment of its own
        job.input,
        group_id=job.group,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        max_workers=job.in_flight,
        decoder=keyed,
    )
    async def hop(keyed_record: tuple[bytes, Any]) -> None:
        began()
        key, record = keyed_record
        if job.waits:
            await asyncio.sleep(record["latency_seconds"])
        await publisher.publish(encode(record), key=key, no_confirm=True)

    await FastStream(broker).run()


if __name__ == "__main__":
    asyncio.run(main(Job.told()))
