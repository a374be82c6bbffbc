"""Faust (faust-streaming on aiokafka, whose partitioner is murmur2 already)."""

from __future__ import annotations

import asyncio
from typing import Any

import aiokafka

from bench.engine.codec import decode, encode
from bench.engine.job import Began, Job


class CommittedConsumer(aiokafka.AIOKafkaConsumer):  # type: ignore[misc]  # in an environment of its own
    """Faust reads uncommitted unless it writes in transactions, and has no setting for it."""

    def __init__(self, *topics: str, **settings: Any) -> None:
        super().__init__(*topics, **{**settings, "isolation_level": "read_committed"})


aiokafka.AIOKafkaConsumer = CommittedConsumer

import faust  # noqa: E402  # it takes the class above


def main(job: Job) -> None:
    """Runs until SIGTERM."""
    application = faust.App(
        job.group,
        broker=f"kafka://{job.servers}",
        key_serializer="raw",
        value_serializer="raw",
        consumer_auto_offset_reset="earliest",
        broker_commit_interval=1.0,
        producer_acks=-1,
        producer_linger=0.005,
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,
        store="memory://",
        datadir=f"{job.folder}/faust",
    )
    source = application.topic(job.input)
    target = application.topic(job.output)
    began = Began()

    @application.agent(source, concurrency=job.in_flight)  # type: ignore[untyped-decorator]  # as above
    async def hop(stream: Any) -> None:
        async for event in stream.events():
            began()
            record = decode(event.value)
            if job.waits:
                await asyncio.sleep(record["latency_seconds"])
            await target.send(key=event.key, value=encode(record))

    faust.Worker(application, loglevel="warn").execute_from_commandline()


if __name__ == "__main__":
    main(Job.told())
