"""The engine's one Kafka thread: everything that calls librdkafka runs here, in order.

`consumer_group_metadata()` has to be read in the consumer's own thread at every commit (cached metadata is stale
after a rebalance, and another thread starves beside `consume()`), so consumer and producer share one thread.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from keyflow.config import EngineConfig
from keyflow.errors import FatalError, RetryableError
from keyflow.kafka_errors import MISCONFIGURED, translated
from keyflow.offsets import OffsetTracker, decode
from keyflow.outbox import Outbox
from keyflow.restore import restored
from keyflow.table import Table
from keyflow.transaction import Transactions
from keyflow.types import Headers, Processor
from keyflow.work import Assignment, Item, Source

log = logging.getLogger(__name__)
S = TypeVar("S")

ORIGIN_TOPIC_HEADER: Final = "origin-topic"
"""Header of a redriven record: the input topic that it first came from."""

_METADATA_TIMEOUT_SECONDS: Final = 15.0
_TOPIC_PATIENCE_SECONDS: Final = 5.0
_ASSIGN_PATIENCE_SECONDS: Final = 60.0


@dataclass(slots=True)
class Polled(Generic[S]):
    """What one poll brought, in the order in which it has to be applied."""

    revoked: list[Assignment[S]] = field(default_factory=list)
    assigned: list[Assignment[S]] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)


class KafkaIO(Generic[S]):
    """Consumer and transactional producer of one engine. Every method but the constructor: Kafka thread only.

    Args:
        quiesce: Called before partitions are given back: returns once handlers have finished, or the time is up.
    """

    def __init__(
        self, processor: Processor[S], config: EngineConfig, outbox: Outbox, quiesce: Callable[[], None]
    ) -> None:
        self._config = config
        self._topics = [*processor.inputs, *([processor.redrive_topic] if processor.redrive_topic else [])]
        self._redrive_topic = processor.redrive_topic
        self._state = processor.state
        self._outbox = outbox
        self._quiesce = quiesce
        self._assignments: dict[int, Assignment[S]] = {}
        self._events: Polled[S] = Polled()
        self._failure: FatalError | None = None
        self._consumer: Consumer | None = None

    def connect(self) -> None:
        """Checks the topics, fences an earlier owner of this slot, and joins the group.

        Raises:
            FatalError: A topic is missing, or the partition counts of the inputs differ.
            RetryableError: The broker cannot be reached.
        """
        with translated("connecting to Kafka"):
            self._transactions = Transactions(self._config)
            self._check_topics()
            self._transactions.fence()
            self._consumer = Consumer(self._config.consumer())
            self._consumer.subscribe(
                self._topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
            )

    def _check_topics(self) -> None:
        wanted = [*self._topics, *([self._state.changelog] if self._state else [])]
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
            found = self._transactions.producer.list_topics(timeout=_METADATA_TIMEOUT_SECONDS).topics
            counts = {
                topic: len(found[topic].partitions) for topic in wanted if topic in found and not found[topic].error
            }
            if len(counts) == len(set(wanted)) or time.monotonic() > deadline:
                return counts
            time.sleep(0.2)

    def poll(self, max_records: int, timeout_seconds: float) -> Polled[S]:
        """Fetches records, returning as soon as there is one; rebalances happen inside.

        Raises:
            FatalError: The client cannot go on.
        """
        assert self._consumer is not None
        with translated("reading from Kafka"):
            # consume() would wait for a full batch or its time-out; poll() returns with the first record.
            first = self._consumer.poll(timeout_seconds) if timeout_seconds > 0 else None
            messages = self._consumer.consume(max(max_records - 1, 1), 0.0) if first or timeout_seconds <= 0 else []
        if self._failure is not None:
            raise self._failure
        polled, self._events = self._events, Polled()
        if first is not None:
            messages.insert(0, first)
        polled.items = self._accepted(messages)
        return polled

    def _accepted(self, messages: list[Message]) -> list[Item]:
        assignments: dict[Any, Assignment[S]] = dict(self._assignments)
        items = []
        for message in messages:
            error = message.error()
            if error is None:
                assignment = assignments.get(message.partition())
                if assignment is not None:
                    items.append(self._item(message, assignment))
            elif error.code() in MISCONFIGURED:
                raise FatalError(f"Kafka refuses to be read: {error.str()}")
            else:
                log.warning("keyflow.read_retry code=%s", error.name())
        return items

    def _item(self, message: Message, assignment: Assignment[S]) -> Item:
        source: Any = message.topic()
        topic = source
        # Without a deserializer key and value are bytes or None, whatever the signature says.
        key: Any = message.key()
        value: Any = message.value()
        pairs = message.headers()
        headers = _headers(pairs) if pairs else ()
        if source == self._redrive_topic:
            topic = dict(headers).get(ORIGIN_TOPIC_HEADER, b"").decode(errors="replace") or source
        return Item(
            assignment,
            source,
            message.offset(),
            topic,
            _as_text(key),
            key,
            value,
            headers or (),
            message.timestamp()[1],
        )

    def pause(self, partitions: Iterable[int], *, on: bool) -> None:
        """Stops fetching from partitions, or goes on."""
        assert self._consumer is not None
        wanted = set(partitions) & set(self._assignments)
        places = [TopicPartition(topic, partition) for partition in wanted for topic in self._topics]
        if not places:
            return
        with translated("pausing"):
            if on:
                self._consumer.pause(places)
            else:
                self._consumer.resume(places)

    def positions(self) -> dict[Source, int]:
        """Where reading stands: beyond the last record, and beyond transaction markers that follow it."""
        assert self._consumer is not None
        places = [TopicPartition(topic, partition) for partition in self._assignments for topic in self._topics]
        try:
            return {(p.topic, p.partition): p.offset for p in self._consumer.position(places) if p.offset >= 0}
        except KafkaException as error:
            log.warning("keyflow.position_retry code=%s", error.args[0].name())
            return {}

    def commit(self) -> tuple[int, float]:
        """Writes one transaction of what is ready: how many outcomes, and how long it took in seconds.

        Raises:
            RetryableError: The transaction was aborted; its outcomes are in the outbox still.
            FatalError: Another process has this slot, or the broker refuses for good.
        """
        assert self._consumer is not None
        batch = self._outbox.take()
        if not batch:
            return 0, 0.0
        began = time.monotonic()
        self._transactions.commit(batch, self._consumer)
        return self._outbox.mark_committed(), time.monotonic() - began

    def close(self) -> None:
        """Leaves the group."""
        if self._consumer is not None:
            self._consumer.close()

    # Rebalance callbacks run inside poll(), in this thread. An exception must not cross librdkafka.

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        try:
            committed = self._committed(consumer, partitions)
            fresh = self._assign(committed)
            if self._state is not None:
                known = {place.partition for place in committed if place.offset >= 0}
                tables: dict[int, Table[S]] = {item.partition: item.table for item in fresh if item.table is not None}
                restored(self._config, self._state.changelog, tables, {number: number in known for number in tables})
            consumer.assign([TopicPartition(place.topic, place.partition, place.offset) for place in committed])
            self._assignments = {item.partition: item for item in fresh}
            self._events.assigned += fresh
        except FatalError as error:
            self._failure = error
        except (KafkaException, ValueError) as error:
            self._failure = FatalError(f"taking partitions over failed: {error}")

    def _committed(self, consumer: Consumer, partitions: list[TopicPartition]) -> list[TopicPartition]:
        # Stable offsets: the call waits for a transaction of an earlier owner that is still open.
        deadline = time.monotonic() + _ASSIGN_PATIENCE_SECONDS
        while True:
            try:
                committed: list[TopicPartition] = consumer.committed(partitions, timeout=10.0)
            except KafkaException as error:
                if time.monotonic() > deadline:
                    raise
                log.warning("keyflow.committed_retry code=%s", error.args[0].name())
            else:
                return committed

    def _assign(self, committed: list[TopicPartition]) -> list[Assignment[S]]:
        found: dict[int, Assignment[S]] = {}
        for place in committed:
            table = None if self._state is None else Table(self._state)
            assignment = found.setdefault(place.partition, Assignment(place.partition, {}, table))
            start = max(place.offset, 0)
            assignment.trackers[place.topic] = OffsetTracker(start, decode(start, place.metadata or ""))
        return list(found.values())

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        try:
            self._quiesce()
            self.commit()
        except RetryableError as error:
            # The next owner handles those records again; nothing of them was written.
            log.warning("keyflow.revoke_commit_aborted reason=%s", error)
        except FatalError as error:
            self._failure = error
        self._let_go(consumer)

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        log.warning("keyflow.partitions_lost count=%d", len(partitions))
        self._let_go(consumer)

    def _let_go(self, consumer: Consumer) -> None:
        # The range assignor takes all partitions and gives them anew.
        for assignment in self._assignments.values():
            assignment.live = False
        self._events.revoked += self._assignments.values()
        self._events.assigned = [item for item in self._events.assigned if item.live]
        self._assignments = {}
        consumer.unassign()


def _headers(headers: Any) -> Headers:
    pairs = headers.items() if isinstance(headers, dict) else headers
    return tuple((name, _as_bytes(value) or b"") for name, value in pairs)


def _as_bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value


def _as_text(raw: bytes | None) -> str:
    try:
        return raw.decode() if raw else ""
    except UnicodeDecodeError:
        return ""
