"""Faust's Kafka driver, reading committed records only.

Faust sets `read_committed` only where it writes in transactions, and has no setting for it.
"""

from __future__ import annotations

from typing import ClassVar

import aiokafka
from faust.transport.drivers import aiokafka as driver


class _CommittedThread(driver.AIOKafkaConsumerThread):
    def _create_worker_consumer(self, transport: driver.Transport) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        # Taken up when the consumer starts; its constructor is Faust's.
        consumer._isolation_level = "read_committed"
        return consumer


class _CommittedConsumer(driver.Consumer):
    def _new_consumer_thread(self) -> driver.AIOKafkaConsumerThread:
        return _CommittedThread(self, loop=self.loop, beacon=self.beacon)


class CommittedTransport(driver.Transport):
    """aiokafka, reading committed records only."""

    Consumer: ClassVar[type] = _CommittedConsumer
