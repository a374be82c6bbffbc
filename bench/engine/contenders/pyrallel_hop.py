"""pyrallel-consumer in key order; at least once. It has no producer, so outputs go through a plain one."""

from __future__ import annotations

import asyncio
import signal

from confluent_kafka import Producer
from pyrallel_consumer.config import KafkaConfig
from pyrallel_consumer.consumer import PyrallelConsumer
from pyrallel_consumer.dto import ExecutionMode, OrderingMode, WorkItem

from bench.engine.codec import decode, encode
from bench.engine.job import Began, Job


def settings(job: Job) -> KafkaConfig:
    """As many shards of keys as may be in flight several times over, and a queue that sees far ahead."""
    config = KafkaConfig(BOOTSTRAP_SERVERS=job.servers, CONSUMER_GROUP=job.group, dlq_enabled=False)
    parallel = config.parallel_consumer
    parallel.ordering_mode = OrderingMode.KEY_HASH
    parallel.worker_pool_size = 8 * job.in_flight
    parallel.queue_max_messages = 20_000
    parallel.execution.mode = ExecutionMode.ASYNC
    parallel.execution.max_in_flight = job.in_flight
    return config


async def main(job: Job) -> None:
    """Runs until SIGTERM."""
    producer = Producer(
        {
            "bootstrap.servers": job.servers,
            "partitioner": "murmur2_random",
            "linger.ms": 5,
            "queue.buffering.max.messages": 500_000,
        }
    )
    began, stopping = Began(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)

    async def hop(item: WorkItem) -> None:
        began()
        record = decode(item.payload)
        if job.waits:
            await asyncio.sleep(record["latency_seconds"])
        producer.produce(job.output, key=item.key, value=encode(record))

    consumer = PyrallelConsumer(settings(job), hop, job.input)
    await consumer.start()
    while not stopping.is_set():
        producer.poll(0)
        await asyncio.sleep(0.02)
    await consumer.stop()
    producer.flush()


if __name__ == "__main__":
    asyncio.run(main(Job.told()))
