"""Quix Streams, at least once or exactly once."""

from __future__ import annotations

import time
from typing import Any

from quixstreams import Application, State

from bench.engine.codec import decode, encode
from bench.engine.job import Began, Job


def main(job: Job) -> None:
    """Runs until SIGTERM."""
    application = Application(
        broker_address=job.servers,
        consumer_group=job.group,
        auto_offset_reset="earliest",
        processing_guarantee=job.options["guarantee"],
        commit_interval=job.options["commit_interval"],
        consumer_extra_config={"isolation.level": "read_committed"},
        producer_extra_config={"partitioner": "murmur2_random", **job.options.get("producer", {})},
        consumer_poll_timeout=job.options.get("poll_timeout", 1.0),
        state_dir=f"{job.folder}/state",
        loglevel="WARNING",
        auto_create_topics=True,
    )
    began = Began()

    def hop(value: bytes) -> bytes:
        began()
        record = decode(value)
        if job.waits:
            time.sleep(record["latency_seconds"])
        return encode(record)

    def counting(value: bytes, state: State) -> bytes:
        began()
        state.set("count", state.get("count", 0) + 1)
        return encode(decode(value))

    source = application.topic(job.input, value_deserializer="bytes", key_deserializer="bytes")
    target = application.topic(job.output, value_serializer="bytes", key_serializer="bytes")
    frame: Any = application.dataframe(source)
    frame = frame.apply(counting, stateful=True) if job.state else frame.apply(hop)
    frame.to_topic(target)
    application.run()


if __name__ == "__main__":
    main(Job.told())
