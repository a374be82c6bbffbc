"""Loops over confluent-kafka: the usual poll loop, and the limit, which neither commits nor keeps anything.

The limit is what reading, decoding, encoding and writing cost by themselves; as "raw" it only moves the bytes.
"""

from __future__ import annotations

import time
from typing import Any

from confluent_kafka import Consumer, Producer

from bench.engine.codec import decode, encode
from bench.engine.job import Began, Job


def consumer_of(job: Job) -> Consumer:
    """Settings that all clients of this kind share."""
    consumer = Consumer(
        {
            "bootstrap.servers": job.servers,
            "group.id": job.group,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([job.input])
    return consumer


def producer_of(job: Job) -> Producer:
    """The same for writing; librdkafka waits for all replicas by default."""
    return Producer(
        {
            "bootstrap.servers": job.servers,
            "partitioner": "murmur2_random",
            "linger.ms": 5,
            "queue.buffering.max.messages": 500_000,
        }
    )


def limit(job: Job) -> None:
    """As fast as it goes."""
    consumer, producer, began = consumer_of(job), producer_of(job), Began()
    raw = job.options.get("raw", False)
    while True:
        for message in consumer.consume(1000, 0.1):
            began()
            value: Any = message.value()
            key: Any = message.key()
            producer.produce(job.output, key=key, value=value if raw else encode(decode(value)))
        producer.poll(0)


def loop(job: Job) -> None:
    """One record after the other, at least once: flushed, then committed, every second."""
    consumer, producer, began = consumer_of(job), producer_of(job), Began()
    committed = time.monotonic()
    while True:
        message = consumer.poll(0.1)
        if message is not None and message.error() is None:
            began()
            value: Any = message.value()
            record = decode(value)
            if job.waits:
                time.sleep(record["latency_seconds"])
            key: Any = message.key()
            producer.produce(job.output, key=key, value=encode(record))
        producer.poll(0)
        if time.monotonic() - committed > 1.0:
            producer.flush()
            if consumer.position(consumer.assignment()):
                consumer.commit(offsets=[p for p in consumer.position(consumer.assignment()) if p.offset >= 0])
            committed = time.monotonic()


if __name__ == "__main__":
    told = Job.told()
    (limit if told.options.get("limit") else loop)(told)
