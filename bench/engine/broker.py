"""Topics of one run, and what can be seen of them from outside."""

from __future__ import annotations

import itertools
import time
from typing import Any, Final
from uuid import uuid4

from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec
from confluent_kafka.cimpl import NewTopic

from bench.engine.codec import decode, encode
from bench.engine.data import Data
from bench.engine.judge import Judge

PARTITIONS: Final = 12
# A broker that has just started, and one that stops at the end of the run, are no news.
QUIET: Final = {"log_level": 0}
_TIMEOUT_SECONDS: Final = 60.0


class Broker:
    """A broker on which this run may make and delete topics of its own.

    Attributes:
        partitions: How many each topic was made with.
    """

    def __init__(self, servers: str) -> None:
        self.servers = servers
        self.run = uuid4().hex[:8]
        self._admin = self._new_admin()
        self.partitions: dict[str, int] = {}
        self._numbers = itertools.count()

    def _new_admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.servers, **QUIET})

    def create(self, *names: str, partitions: int = PARTITIONS) -> list[str]:
        """Creates topics and returns their full names."""
        full = [f"bench-{self.run}-{next(self._numbers):03d}-{name}" for name in names]
        new = [NewTopic(name, num_partitions=partitions, replication_factor=1) for name in full]
        for future in self._admin.create_topics(new).values():
            future.result(_TIMEOUT_SECONDS)
        # What the broker says of them now may not be known everywhere in it yet.
        self.partitions.update(dict.fromkeys(full, partitions))
        for name in full:
            self.committed_ends(name)
        return full

    def delete(self, *full: str) -> None:
        """Deletes topics; also those that a contender made beside them for itself."""
        there = self._admin.list_topics(timeout=_TIMEOUT_SECONDS).topics
        doomed = [name for name in there if any(topic in name for topic in full)]
        if doomed:
            for future in self._admin.delete_topics(doomed).values():
                try:
                    future.result(_TIMEOUT_SECONDS)
                except KafkaException as error:
                    # The listing was old: it is gone already.
                    if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                        raise

    def clear(self) -> None:
        """Deletes all topics of this run that are left."""
        self.delete(f"bench-{self.run}-")

    def fill(self, topic: str, data: Data) -> None:
        """Writes the data.

        Raises:
            RuntimeError: The broker did not take all of it.
        """
        producer = Producer(
            {
                "bootstrap.servers": self.servers,
                **QUIET,
                "partitioner": "murmur2_random",
                "linger.ms": 20,
                "enable.idempotence": True,
                "queue.buffering.max.messages": 200_000,
            }
        )
        for record in data.records():
            value, key = encode(record), record["key"]
            while True:
                try:
                    producer.produce(topic, key=key, value=value)
                    break
                except BufferError:
                    producer.poll(0.1)
            if record["number"] % 1000 == 0:
                producer.poll(0)
        if producer.flush(_TIMEOUT_SECONDS):
            raise RuntimeError("the broker did not take the data")

    def committed_ends(self, topic: str) -> dict[int, int]:
        """By partition, how far a read-committed reader could read now."""
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        spec = {TopicPartition(topic, number): latest for number in range(self.partitions[topic])}
        deadline = time.monotonic() + _TIMEOUT_SECONDS
        while True:
            futures = self._admin.list_offsets(
                spec, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=_TIMEOUT_SECONDS
            )
            try:
                return {where.partition: future.result().offset for where, future in futures.items()}
            except KafkaException:
                if time.monotonic() > deadline:
                    raise
                # A new topic's leaders are not known at once, and the client goes on to believe that there are none.
                time.sleep(0.05)
                self._admin = self._new_admin()


class CommittedReader:
    """Reads committed output in a client of its own and hands it to a judge.

    Attributes:
        bound: What lies at or above these offsets is judged, but not counted in `within`.
        within: First outputs below the bound.
        last_offsets: By partition, the last first output.
    """

    def __init__(self, broker: Broker, topic: str, judge: Judge) -> None:
        self.judge = judge
        self.bound: dict[int, int] | None = None
        self.within = 0
        self.last_offsets: dict[int, int] = {}
        self._consumer = Consumer(
            {
                "bootstrap.servers": broker.servers,
                **QUIET,
                "group.id": uuid4().hex,
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
            }
        )
        self._consumer.assign([TopicPartition(topic, number, 0) for number in range(broker.partitions[topic])])

    def read(self, quiet_seconds: float) -> None:
        """Reads until every record was seen, or nothing came for a while, or for a minute."""
        began = heard = time.monotonic()
        while not self.judge.complete and heard - began < _TIMEOUT_SECONDS:
            if self.take(0.05):
                heard = time.monotonic()
            elif time.monotonic() - heard > quiet_seconds:
                return

    def take(self, timeout_seconds: float) -> int:
        """Reads what is there and returns how many records that were."""
        messages: list[Any] = self._consumer.consume(5000, timeout_seconds)
        for message in messages:
            if message.error() is None:
                self._took(message.partition(), message.offset(), decode(message.value()))
        return len(messages)

    def _took(self, partition: int, offset: int, record: dict[str, Any]) -> None:
        if self.judge.saw(record["number"], record["key"]):
            self.last_offsets[partition] = offset
            self.within += self.bound is None or offset < self.bound[partition]

    def close(self) -> None:
        """Lets go of the client."""
        self._consumer.close()
