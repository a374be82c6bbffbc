"""The engine's one Kafka thread: everything that calls librdkafka runs here, in order.

`consumer_group_metadata()` has to be read in the consumer's own thread at every commit (cached metadata is stale
after a rebalance, and another thread starves beside `consume()`), so consumer and producer share one thread.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Set
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from keyflow.config import EngineConfig
from keyflow.errors import FatalError
from keyflow.follow import Bounds, Follower
from keyflow.kafka_errors import MISCONFIGURED, SignIn, denied, slot_taken, translated
from keyflow.outbox import Outbox
from keyflow.rebalance import Rebalancer, Workers
from keyflow.transaction import Transactions
from keyflow.types import Headers, Processor
from keyflow.work import Assignment, Finished, Item, Source, text_of

log = logging.getLogger(__name__)
S = TypeVar("S")

ORIGIN_TOPIC_HEADER: Final = "origin-topic"
"""Header of a redriven record: the input topic that it first came from."""

_METADATA_TIMEOUT_SECONDS: Final = 15.0
_TOPIC_PATIENCE_SECONDS: Final = 5.0
_LEAVE_SECONDS: Final = 2.0
_FOLLOW_POLL_SECONDS: Final = 0.005
_HELD_RECORDS: Final = 500
_REJOIN_SECONDS: Final = 20.0
_TURNED_AWAY_SECONDS: Final = 30.0
"""So long a running engine is turned away before it ends: a broker that starts again may not know its users yet."""


@dataclass(slots=True)
class Polled(Generic[S]):
    """What one poll brought, in the order in which it has to be applied."""

    revoked: list[Assignment[S]] = field(default_factory=list)
    assigned: list[Assignment[S]] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)


class KafkaIO(Generic[S]):
    """Consumer and transactional producer of one engine. Every method but the constructor: Kafka thread only.

    Args:
        workers: Those who handle records.
        committed: Told of commits that were written while partitions came or went, in the Kafka thread.

    Attributes:
        paused: Partitions from which the engine wants nothing for now.
    """

    def __init__(
        self,
        processor: Processor[S],
        config: EngineConfig,
        outbox: Outbox,
        workers: Workers,
        committed: Callable[[list[Finished], float], None],
    ) -> None:
        self._config = config
        self._topics = [*processor.inputs, *([processor.redrive_topic] if processor.redrive_topic else [])]
        self._names = {topic: topic for topic in self._topics}
        self._redrive_topic = processor.redrive_topic
        self._state = processor.state
        changelogs = [processor.state.changelog] if processor.state else []
        self._written = list(dict.fromkeys([*processor.outputs, *changelogs]))
        self._outbox = outbox
        self._rebalancer: Rebalancer[S] = Rebalancer(
            self._topics,
            processor.state,
            config,
            workers,
            lambda: committed(*self.commit()),
            end_forgotten=self._end_forgotten,
        )
        self._assignments = self._rebalancer.assignments
        self._consumer: Consumer | None = None
        self._sign_in = SignIn()
        self._rejoined_at = -_REJOIN_SECONDS
        self._bounds: Bounds | None = None
        self._follower: Follower | None = None
        self._followed = frozenset(processor.followed)
        self.paused: Set[int] = frozenset()
        # Partitions in which many records wait for a followed topic.
        self._crowded: set[int] = set()
        strange = self._followed.difference(processor.inputs)
        if strange:
            raise ValueError(f"{processor.name}: followed topics are inputs too: add {', '.join(sorted(strange))}")

    def connect(self) -> None:
        """Checks the topics, fences an earlier owner of this slot, and joins the group.

        Raises:
            FatalError: A topic is missing, or the partition counts of the inputs differ.
            AccessDeniedError: Kafka does not let us in, or not have what we need.
            RetryableError: The broker cannot be reached.
        """
        with translated("connecting to Kafka", transactional_id=self._config.transactional_id):
            self._transactions = Transactions(self._config)
            self._check_topics()
            self._transactions.fence()
            if self._followed:
                self._bounds = Bounds(self._config)
                self._follower = Follower(self._followed, self._bounds, self._positions_of)
            self._join()

    def _join(self) -> None:
        self._consumer = Consumer({**self._config.consumer(), "error_cb": self._sign_in})
        callbacks = self._rebalancer
        self._consumer.subscribe(
            self._topics,
            on_assign=callbacks.on_assign,
            on_revoke=callbacks.on_revoke,
            on_lost=callbacks.on_lost,
        )

    def _check_topics(self) -> None:
        wanted = [*self._topics, *([self._state.changelog] if self._state else [])]
        counts = self._partition_counts(wanted)
        missing = [topic for topic in wanted if topic not in counts]
        for topic in missing:
            self._check_allowed(topic)
        if missing:
            raise FatalError(f"topic {', '.join(missing)} does not exist: create the topics first")
        if len(set(counts.values())) > 1:
            shown = ", ".join(f"{topic}={count}" for topic, count in sorted(counts.items()))
            raise FatalError(f"inputs and changelog need the same number of partitions, but have {shown}")

    def _check_allowed(self, topic: str) -> None:
        # Among all topics one that we may not see is not there; asked for by name, the broker says why.
        found = self._transactions.sign_in.topics(
            self._transactions.producer, topic, seconds=_METADATA_TIMEOUT_SECONDS
        ).get(topic)
        refused = found and found.error and denied(found.error, "connecting to Kafka", topic=topic)
        if refused:
            raise refused

    def _partition_counts(self, wanted: list[str]) -> dict[str, int]:
        # A topic that was created a moment ago may take a moment to be known to every broker.
        deadline = time.monotonic() + _TOPIC_PATIENCE_SECONDS
        while True:
            producer = self._transactions.producer
            found = self._transactions.sign_in.topics(producer, seconds=_METADATA_TIMEOUT_SECONDS)
            counts = {
                topic: len(found[topic].partitions) for topic in wanted if topic in found and not found[topic].error
            }
            if len(counts) == len(set(wanted)) or time.monotonic() > deadline:
                return counts
            time.sleep(0.2)

    def poll(self, max_records: int, timeout_seconds: float, together_seconds: float = 0.0) -> Polled[S]:
        """Fetches records, returning as soon as there is one; rebalances happen inside.

        Args:
            max_records: At most so many.
            timeout_seconds: How long to wait for the first.
            together_seconds: From now on, how long others are waited for after the first.

        Raises:
            FatalError: The client cannot go on.
        """
        assert self._consumer is not None
        if self._follower is not None and self._follower.partitions:
            # A followed topic may be read to its end without a record: only transaction markers came.
            timeout_seconds = min(timeout_seconds, _FOLLOW_POLL_SECONDS)
        with translated("reading from Kafka"):
            # consume() would wait for a full batch or its time-out; poll() returns with the first record.
            until = time.monotonic() + together_seconds
            first = self._consumer.poll(timeout_seconds) if timeout_seconds > 0 else None
            messages = []
            if first or timeout_seconds <= 0:
                messages = self._consumer.consume(max(max_records - 1, 1), max(until - time.monotonic(), 0.0))
        self._sign_in.check(_TURNED_AWAY_SECONDS)
        if self._rebalancer.failure is not None:
            raise self._rebalancer.failure
        self._rebalancer.tell_incomplete()
        polled = Polled(*self._rebalancer.changes())
        # What comes is not paused, whatever it was before.
        self.paused -= {changed.partition for changed in (*polled.revoked, *polled.assigned)}
        if first is not None:
            messages.insert(0, first)
        polled.items = self._accepted(messages)
        if self._follower is not None:
            self._follow(polled, self._follower)
        return polled

    def _follow(self, polled: Polled[S], follower: Follower) -> None:
        gone = {assignment.partition for assignment in polled.revoked}
        follower.forget(gone)
        for assignment in polled.assigned:
            follower.assigned({(topic, assignment.partition): t.start for topic, t in assignment.trackers.items()})
        before = self._crowded - gone
        polled.items = follower.admit(polled.items)
        self._crowded = {number for number in follower.partitions if follower.held(number) >= _HELD_RECORDS}
        # What waits is bounded: the followed topics alone are read on.
        self._switch(before ^ self._crowded)

    def _positions_of(self, sources: Iterable[Source]) -> dict[Source, int]:
        assert self._consumer is not None
        places = [TopicPartition(topic, partition) for topic, partition in sources if partition in self._assignments]
        try:
            return {(p.topic, p.partition): p.offset for p in self._consumer.position(places) if p.offset >= 0}
        except KafkaException as error:
            log.warning("keyflow.position_retry code=%s", error.args[0].name())
            return {}

    def _accepted(self, messages: list[Message]) -> list[Item]:
        assignments: dict[Any, Assignment[S]] = dict(self._assignments)
        items = []
        for message in messages:
            error = message.error()
            if error is None:
                assignment = assignments.get(message.partition())
                if assignment is not None:
                    items.append(self._item(message, assignment))
            elif error.code() == KafkaError._FATAL:
                self._lost_place(error.str())
                break  # the others are of the client that is gone
            elif error.code() in MISCONFIGURED:
                refused = denied(error, "reading", topic=message.topic() or "", group=self._config.group_id)
                raise refused or FatalError(f"Kafka refuses to be read: {error.str()}")
            else:
                log.warning("keyflow.read_retry code=%s", error.name())
        return items

    def _item(self, message: Message, assignment: Assignment[S]) -> Item:
        # Every message brings its topic's name anew.
        source = topic = self._names[message.topic() or ""]
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
            text_of(key),
            key,
            value,
            headers or (),
            message.timestamp()[1],
        )

    def pause(self, partitions: Set[int]) -> None:
        """Fetches from all partitions but these."""
        changed = self.paused ^ partitions
        self.paused = partitions
        self._switch(changed)

    def _switch(self, partitions: Iterable[int]) -> None:
        """Pauses or resumes what should be, of the inputs of these partitions."""
        assert self._consumer is not None
        pause: list[TopicPartition] = []
        resume: list[TopicPartition] = []
        for partition in self._assignments.keys() & set(partitions):
            for topic in self._topics:
                crowded = partition in self._crowded and topic not in self._followed
                stop = crowded or partition in self.paused
                (pause if stop else resume).append(TopicPartition(topic, partition))
        with translated("pausing"):
            if pause:
                self._consumer.pause(pause)
            if resume:
                self._consumer.resume(resume)

    def positions(self) -> dict[Source, int]:
        """Where reading stands: beyond the last record, and beyond transaction markers that follow it."""
        waiting = self._follower.partitions if self._follower is not None else ()
        # Records that wait were read already, and are not finished.
        settled = [partition for partition in self._assignments if partition not in waiting]
        return self._positions_of([(topic, partition) for partition in settled for topic in self._topics])

    def ends(self) -> dict[Source, tuple[int, int]]:
        """Lowest and next offset of each partition, as the last fetch from it said: nobody is asked."""
        assert self._consumer is not None
        found: dict[Source, tuple[int, int]] = {}
        for place in ((topic, partition) for partition in self._assignments for topic in self._topics):
            # Only figures hang on it: an error is as good as not known.
            with suppress(KafkaException):
                low, end = self._consumer.get_watermark_offsets(TopicPartition(*place), cached=True)
                if end >= 0:
                    found[place] = max(low, 0), end
        return found

    def commit(self) -> tuple[list[Finished], float]:
        """Writes one transaction of what is ready: which outcomes, and how long it took in seconds.

        Raises:
            RetryableError: The transaction was aborted; its outcomes are in the outbox still.
            FatalError: Another process has this slot, or the broker refuses for good.
        """
        assert self._consumer is not None
        batch = self._outbox.take()
        if not batch:
            return [], 0.0
        began = time.monotonic()
        self._transactions.commit(batch, self._consumer)
        return self._outbox.mark_committed(), time.monotonic() - began

    def _end_forgotten(self, consumer: Consumer) -> None:
        try:
            counts = self._partition_counts(self._written)
        except KafkaException as error:  # nobody answers at all: then it is no transaction that holds us up
            log.warning("keyflow.forgotten_retry code=%s", error.args[0].name())
            return
        places = [(topic, partition) for topic, count in counts.items() for partition in range(count)]
        self._transactions.end_forgotten(places, self._topics[0], consumer)

    def _lost_place(self, reason: str) -> None:
        """The client is done for. After an absence of the broker that may be the answer to our own second request to
        join, so a fenced member joins once more; if another process has the slot, it is fenced again and ends.
        """
        # librdkafka says that it cannot go on, and why only in words.
        if "group.instance.id" not in reason and "instance ID" not in reason:
            raise FatalError(f"reading ended: {reason}")
        now = time.monotonic()
        if now - self._rejoined_at < _REJOIN_SECONDS:
            raise slot_taken(self._config.transactional_id)
        self._rejoined_at = now
        log.warning("keyflow.rejoin slot=%s", self._config.transactional_id)
        with translated("joining the group again"):
            self._close_consumer()
            self._join()

    def close(self) -> None:
        """Leaves the group, or keeps its place for the restart (`leave_on_stop`)."""
        if self._consumer is None:
            return
        if self._config.leave_on_stop and self._config.group_protocol == "classic":
            self._leave(self._consumer)
        self._close_consumer()
        if self._bounds is not None:
            self._bounds.close()

    def _close_consumer(self) -> None:
        assert self._consumer is not None
        try:
            self._consumer.close()
        except KafkaException as error:
            # All is committed or dropped by now: the group waits for the end of the session, no more.
            log.warning("keyflow.close_failed code=%s", error.args[0].name())

    def _leave(self, consumer: Consumer) -> None:
        # close() alone keeps a static member's place until its session ends; to unsubscribe gives it back at once.
        deadline = time.monotonic() + _LEAVE_SECONDS
        with suppress(KafkaException):
            consumer.unsubscribe()
            while consumer.memberid() and time.monotonic() < deadline:
                consumer.poll(0.01)


def _headers(headers: Any) -> Headers:
    pairs = headers.items() if isinstance(headers, dict) else headers
    return tuple((name, _as_bytes(value) or b"") for name, value in pairs)


def _as_bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
