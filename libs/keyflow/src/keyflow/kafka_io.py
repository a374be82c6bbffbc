"""The engine's one Kafka thread: everything that calls librdkafka runs here, in order.

`consumer_group_metadata()` has to be read in the consumer's own thread at every commit (cached metadata is stale
after a rebalance, and another thread starves beside `consume()`), so consumer and producer share one thread.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from keyflow.config import EngineConfig
from keyflow.errors import FatalError, RetryableError
from keyflow.types import FailedRecord, Headers

log = logging.getLogger(__name__)

_METADATA_TIMEOUT_SECONDS: Final = 15.0
_TOPIC_PATIENCE_SECONDS: Final = 5.0
_RESTORE_DEADLINE_SECONDS: Final = 120.0
_RESTORE_BATCH: Final = 2000

Source = tuple[str, int]
"""Topic and partition."""


@dataclass(frozen=True, slots=True)
class Write:
    """One record of a transaction; partition -1 leaves the choice to the partitioner."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    partition: int = -1


@dataclass(frozen=True, slots=True)
class CommitBatch:
    """What one transaction carries, by the source that it comes from.

    Attributes:
        writes: Records to write; those of a source that was taken away are left out.
        offsets: Offset and offset map to commit, by source.
    """

    writes: Mapping[Source, list[Write]]
    offsets: Mapping[Source, tuple[int, str]]

    def __bool__(self) -> bool:
        return bool(self.offsets) or any(self.writes.values())


@dataclass(frozen=True, slots=True)
class Assigned:
    """A source that this process may now read: where it starts, and the changelog of its partition."""

    source: Source
    offset: int
    metadata: str


@dataclass(slots=True)
class Polled:
    """What one poll brought, in the order in which it has to be applied."""

    revoked: list[Source] = field(default_factory=list)
    assigned: list[Assigned] = field(default_factory=list)
    changelogs: dict[int, list[tuple[bytes, bytes | None]]] = field(default_factory=dict)
    records: list[FailedRecord] = field(default_factory=list)


class KafkaIO:
    """Consumer and transactional producer of one engine. Every method but the constructor: Kafka thread only."""

    def __init__(
        self,
        config: EngineConfig,
        topics: Iterable[str],
        changelog: str | None,
        last_batch: Callable[[], CommitBatch],
    ) -> None:
        self._config = config
        self._topics = list(topics)
        self._changelog = changelog
        self._last_batch = last_batch
        self._assigned: set[Source] = set()
        self._events = Polled()
        self._failure: Exception | None = None

    def connect(self) -> None:
        """Checks the topics, fences an earlier owner of this slot, and joins the group.

        Raises:
            FatalError: A topic is missing, or the partition counts of the inputs differ.
            RetryableError: The broker cannot be reached.
        """
        with translated("connecting to Kafka"):
            self._producer = Producer(self._config.producer())
            self._check_topics()
            self._producer.init_transactions(30.0)
            self._consumer = Consumer(self._config.consumer())
            self._consumer.subscribe(
                self._topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
            )

    def _check_topics(self) -> None:
        wanted = [*self._topics, *([self._changelog] if self._changelog else [])]
        counts = self._partition_counts(wanted)
        missing = [topic for topic in wanted if topic not in counts]
        if missing:
            raise FatalError(f"topic {', '.join(missing)} does not exist: create the topics first")
        if len(set(counts.values())) > 1:
            shown = ", ".join(f"{topic}={count}" for topic, count in sorted(counts.items()))
            raise FatalError(f"inputs and changelog need the same number of partitions, but have {shown}")

    def _partition_counts(self, wanted: list[str]) -> dict[str, int]:
        # A topic that was created a moment ago may take a moment to be known to every broker.
        deadline = time.monotonic() + _TOPIC_PATIENCE_SECONDS
        while True:
            found = self._producer.list_topics(timeout=_METADATA_TIMEOUT_SECONDS).topics
            counts = {
                topic: len(found[topic].partitions) for topic in wanted if topic in found and not found[topic].error
            }
            if len(counts) == len(set(wanted)) or time.monotonic() > deadline:
                return counts
            time.sleep(0.2)

    def poll(self, max_records: int, timeout_seconds: float) -> Polled:
        """Fetches records; rebalances happen inside.

        Raises:
            FatalError: The client cannot go on.
        """
        with translated("reading from Kafka"):
            messages = self._consumer.consume(max_records, timeout_seconds)
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        polled, self._events = self._events, Polled()
        for message in messages:
            error = message.error()
            if error is None:
                polled.records.append(_as_record(message))
            elif error.code() in _MISCONFIGURED:
                raise FatalError(f"Kafka refuses to be read: {error.str()}")
            else:
                log.warning("keyflow.read_retry code=%s", error.name())
        return polled

    def pause(self, sources: Iterable[Source]) -> None:
        """Stops fetching from sources that are assigned."""
        self._consumer.pause([TopicPartition(*source) for source in sources if source in self._assigned])

    def resume(self, sources: Iterable[Source]) -> None:
        """Goes on fetching."""
        self._consumer.resume([TopicPartition(*source) for source in sources if source in self._assigned])

    def commit(self, batch: CommitBatch) -> float:
        """Writes one transaction: outputs, state, dead letters and offsets. Seconds that it took.

        Raises:
            RetryableError: The transaction was aborted: try the same batch again.
            FatalError: Another process has this slot, or the broker refuses for good.
        """
        began = time.monotonic()
        offsets = [
            TopicPartition(topic, partition, offset, metadata)
            for (topic, partition), (offset, metadata) in batch.offsets.items()
            if (topic, partition) in self._assigned
        ]
        writes = [write for source, items in batch.writes.items() if source in self._assigned for write in items]
        if not offsets and not writes:
            return 0.0
        try:
            self._producer.begin_transaction()
            for write in writes:
                self._produce(write)
            self._producer.send_offsets_to_transaction(offsets, self._consumer.consumer_group_metadata(), 10.0)
            self._commit_transaction()
        except KafkaException as error:
            self._abort(error.args[0])
        return time.monotonic() - began

    def _produce(self, write: Write) -> None:
        kwargs: dict[str, Any] = {} if write.partition < 0 else {"partition": write.partition}
        while True:
            try:
                self._producer.produce(
                    write.topic, value=write.value, key=write.key, headers=list(write.headers), **kwargs
                )
            except BufferError:
                self._producer.poll(0.1)
            else:
                return

    def _commit_transaction(self) -> None:
        # A retriable error (a time-out, say) leaves the outcome open: the same call has to be repeated.
        for attempt in range(5):
            try:
                self._producer.commit_transaction(10.0)
            except KafkaException as error:
                if not error.args[0].retriable() or attempt == 4:
                    raise
            else:
                return

    def _abort(self, error: KafkaError) -> None:
        if error.code() == KafkaError._FENCED or error.code() in _FENCED:
            raise FatalError(
                f"another process uses the slot {self._config.transactional_id!r}: give every instance its own"
            )
        if error.fatal():
            raise FatalError(f"the transaction failed for good: {error.str()}")
        with translated("aborting a transaction"):
            self._producer.abort_transaction(15.0)
        raise RetryableError(f"the transaction was aborted: {error.name()}")

    def close(self) -> None:
        """Leaves the group."""
        self._consumer.close()

    # Rebalance callbacks run inside consume(), in this thread. An exception must not cross librdkafka.

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        try:
            committed = consumer.committed(partitions, timeout=30.0)
            for place in committed:
                self._events.assigned.append(
                    Assigned((place.topic, place.partition), place.offset, place.metadata or "")
                )
            if self._changelog is not None:
                wanted = {place.partition for place in committed} - set(self._events.changelogs)
                self._events.changelogs.update(self._restore(wanted))
            consumer.assign([TopicPartition(p.topic, p.partition, p.offset) for p in committed])
            self._assigned = {(place.topic, place.partition) for place in committed}
        except (KafkaException, FatalError) as error:
            self._failure = (
                error if isinstance(error, FatalError) else FatalError(f"assignment failed: {error.args[0].str()}")
            )

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        try:
            self.commit(self._last_batch())
        except RetryableError as error:
            # The next owner handles those records again; nothing of them was written.
            log.warning("keyflow.revoke_commit_aborted reason=%s", error)
        except FatalError as error:
            self._failure = error
        self._let_go(consumer, partitions)

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._let_go(consumer, partitions)

    def _let_go(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        gone = [(place.topic, place.partition) for place in partitions]
        self._assigned -= set(gone)
        self._events.revoked.extend(gone)
        self._events.assigned = [item for item in self._events.assigned if item.source not in set(gone)]
        consumer.unassign()

    def _restore(self, partitions: set[int]) -> dict[int, list[tuple[bytes, bytes | None]]]:
        if self._changelog is None or not partitions:
            return {}
        began = time.monotonic()
        consumer = Consumer(self._config.restorer())
        found: dict[int, list[tuple[bytes, bytes | None]]] = {partition: [] for partition in partitions}
        try:
            ends = {
                partition: consumer.get_watermark_offsets(TopicPartition(self._changelog, partition), timeout=10.0)
                for partition in partitions
            }
            left = {partition for partition, (low, high) in ends.items() if high > low}
            consumer.assign([TopicPartition(self._changelog, partition, ends[partition][0]) for partition in left])
            while left:
                if time.monotonic() - began > _RESTORE_DEADLINE_SECONDS:
                    raise FatalError(f"restoring {self._changelog} took over {_RESTORE_DEADLINE_SECONDS:.0f} s")
                for message in consumer.consume(_RESTORE_BATCH, 0.1):
                    if message.error() is None:
                        record = _as_record(message)
                        found[record.partition].append((record.raw_key or b"", record.raw_value))
                # Positions, not records, tell the end: transaction markers take offsets too.
                for place in consumer.position([TopicPartition(self._changelog, partition) for partition in left]):
                    if place.offset >= ends[place.partition][1]:
                        left.discard(place.partition)
        finally:
            consumer.close()
        count = sum(len(items) for items in found.values())
        log.info(
            "keyflow.restored topic=%s records=%d seconds=%.2f",
            self._changelog,
            count,
            time.monotonic() - began,
        )
        return found


def _as_record(message: Message) -> FailedRecord:
    """A fetched message with its bytes as they stand; it becomes a dead letter when it cannot be handled."""
    headers = message.headers() or []
    pairs = list(headers.items()) if isinstance(headers, dict) else list(headers)
    return FailedRecord(
        topic=str(message.topic()),
        partition=int(message.partition() or 0),
        offset=int(message.offset() or 0),
        timestamp_ms=message.timestamp()[1],
        raw_key=_as_bytes(message.key()),
        raw_value=_as_bytes(message.value()),
        headers=tuple((name, _as_bytes(value) or b"") for name, value in pairs),
    )


def _as_bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value


_FENCED: Final = {
    KafkaError.PRODUCER_FENCED,
    KafkaError.INVALID_PRODUCER_EPOCH,
    KafkaError.INVALID_PRODUCER_ID_MAPPING,
}
_MISCONFIGURED: Final = {
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.SASL_AUTHENTICATION_FAILED,
}


class translated:
    """Turns librdkafka's errors into ours, in one place."""

    def __init__(self, doing: str) -> None:
        self._doing = doing

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, KafkaException):
            return
        cause = error.args[0]
        message = f"{self._doing} failed: {cause.str()}"
        if cause.fatal() or cause.code() in _FENCED | _MISCONFIGURED:
            raise FatalError(message) from error
        raise RetryableError(message) from error
