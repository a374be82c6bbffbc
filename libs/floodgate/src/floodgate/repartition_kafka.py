"""Asks Kafka how things stand, and gives topics their new partitions (`floodgate.repartition` says how)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Protocol

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions
from keyflow import FatalError
from keyflow.kafka_errors import SignIn, translated
from keyflow.reading import committed_records, partition_of
from keyflow.table import decode_entry

from floodgate.repartition import Facts, Subject
from floodgate.settings import KafkaSettings

_TIMEOUT_SECONDS: Final = 15.0
_MOVED_AT_ONCE: Final = 500
"""Keys in a transaction."""
_MAX_MESSAGE_BYTES: Final = 4_000_000


class Progress(Protocol):
    """Told what was done."""

    def __call__(self, line: str, /) -> None: ...


class Repartition:
    """Looks and acts. Connects on the first call.

    Args:
        settings: Whose groups and topics.
        subjects: The topics that share a number; those that are not there are passed over.
        target: The number.
    """

    def __init__(self, settings: KafkaSettings, subjects: Sequence[Subject], target: int) -> None:
        self._settings = settings
        self._subjects = {subject.name: subject for subject in subjects}
        self._target = target

    def look(self) -> Facts:
        """How things stand.

        Raises:
            FatalError: Kafka cannot be asked, or a changelog holds what is no entry.
        """
        with translated("asking Kafka for topics and groups"), _Open(self._settings) as kafka:
            counts = {name: n for name, n in kafka.counts().items() if name in self._subjects}
            facts = _groups(kafka, counts, self._target)
            misplaced, pending = self._compacted(counts)
            return Facts(
                target=self._target, counts=counts, misplaced=misplaced, pending=pending,
                open_topics=tuple(sorted(name for name in counts if kafka.has_open_transaction(name, counts[name]))),
                **facts,
            )  # fmt: skip

    def _compacted(self, counts: dict[str, int]) -> tuple[dict[str, int], dict[str, int]]:
        misplaced: dict[str, int] = {}
        pending: dict[str, int] = {}
        for name, count in counts.items():
            if not self._subjects[name].compacted:
                continue
            for partition in range(count):
                newest = self._newest(name, partition)
                moves = sum(partition_of(key, self._target) != partition for key in newest)
                misplaced[name] = misplaced.get(name, 0) + moves
                if self._subjects[name].holds_state:
                    waiting = sum(_is_pending(name, message) for message in newest.values())
                    pending[name] = pending.get(name, 0) + waiting
        return misplaced, pending

    def _newest(self, topic: str, partition: int) -> dict[bytes, Message]:
        """The newest record of each key that is not forgotten, the one written longest ago first."""
        found: dict[bytes, Message] = {}
        for message in committed_records(self._settings.reader("repartition"), topic, partitions=[partition]):
            key = message.key() or b""
            found.pop(key, None)
            if message.value() is not None:
                found[key] = message
        return found

    def apply(self, tell: Progress = lambda _: None) -> Facts:
        """Does it, or what is left of it; how things stand then.

        Raises:
            FatalError: It cannot be done now, or Kafka refuses; names why.
        """
        facts = self.look()
        if problems := facts.problems():
            raise FatalError("; ".join(problems))
        compacted = [name for name in facts.counts if self._subjects[name].compacted]
        with translated("changing partitions"), _Open(self._settings) as kafka:
            kafka.grow([name for name in compacted if name in facts.growing], self._target, tell)
            for name in compacted:
                self._move(name, tell)
            kafka.grow([name for name in facts.growing if name not in compacted], self._target, tell)
            after = self.look()
            for group, places in after.uncommitted.items():
                kafka.commit_beginning(group, places)
                tell(f"{group}: begins at 0 in {len(places)} new partitions")
        last = self.look()
        if not last.done or not last.drained:
            raise FatalError(
                "something wrote while partitions changed: "
                f"{'; '.join(last.problems()) or 'keys are not in their place'}. Stop it and say the same again"
            )
        return last

    def _move(self, topic: str, tell: Progress) -> None:
        """Each key's newest entry to where the new count has it; both writes or none."""
        with translated("moving state", transactional_id=f"{self._settings.group_prefix}repartition"):
            producer = _producer(self._settings)
            moved = 0
            for partition in range(self._target):
                moves = [m for key, m in self._newest(topic, partition).items()
                         if partition_of(key, self._target) != partition]  # fmt: skip
                for batch in _batches(moves):
                    producer.begin_transaction()
                    for message in batch:
                        _move_one(producer, topic, message, self._target)
                    producer.commit_transaction(_TIMEOUT_SECONDS)
                    moved += len(batch)
                    tell(f"{topic}: {moved} keys moved")


def _move_one(producer: Producer, topic: str, message: Message, target: int) -> None:
    key: Any = message.key()
    headers: Any = message.headers() or []
    producer.produce(
        topic, message.value(), key, partition_of(key, target), headers=headers, timestamp=message.timestamp()[1]
    )
    origin: Any = message.partition()
    producer.produce(topic, None, key, origin)
    producer.poll(0)


def _batches(messages: Sequence[Message]) -> Iterator[Sequence[Message]]:
    for at in range(0, len(messages), _MOVED_AT_ONCE):
        yield messages[at : at + _MOVED_AT_ONCE]


def _is_pending(topic: str, message: Message) -> bool:
    try:
        return decode_entry(message.value() or b"").effect is not None
    except ValueError as error:
        raise FatalError(f"{topic}/{message.partition()}/{message.offset()}: not an entry of a changelog") from error


def _producer(settings: KafkaSettings) -> Producer:
    """One at a time: whoever starts another fences this one."""
    producer = Producer(
        {
            **settings.connection(),
            "transactional.id": f"{settings.group_prefix}repartition",
            "message.max.bytes": _MAX_MESSAGE_BYTES,
        }
    )
    producer.init_transactions(_TIMEOUT_SECONDS)
    return producer


class _Open:
    """Clients of one look or change."""

    def __init__(self, settings: KafkaSettings) -> None:
        self.settings = settings
        self._sign_in = SignIn()
        self.admin = AdminClient(settings.connection())
        reader = settings.reader("repartition")
        self._ends = Consumer({**reader, "error_cb": self._sign_in})
        self._all_ends = Consumer({**reader, "isolation.level": "read_uncommitted"})

    def __enter__(self) -> _Open:
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()
        self._all_ends.close()

    def counts(self) -> dict[str, int]:
        found = self._sign_in.topics(self._ends, seconds=_TIMEOUT_SECONDS)
        return {name: len(topic.partitions) for name, topic in found.items() if topic.error is None}

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """First offset and the end of what is committed."""
        found: tuple[int, int] = self._ends.get_watermark_offsets(
            TopicPartition(topic, partition), timeout=_TIMEOUT_SECONDS
        )
        return found

    def has_open_transaction(self, topic: str, count: int) -> bool:
        for partition in range(count):
            place = TopicPartition(topic, partition)
            if (
                self._all_ends.get_watermark_offsets(place, timeout=_TIMEOUT_SECONDS)[1]
                > self.bounds(topic, partition)[1]
            ):
                return True
        return False

    def has_records(self, topic: str, partition: int, start: int) -> bool:
        """Whether a committed record stands from there on: what ends a transaction takes offsets too."""
        low, end = self.bounds(topic, partition)
        start = max(low, start)
        if start >= end:
            return False
        self._ends.assign([TopicPartition(topic, partition, start)])
        try:
            return self._reads_something(TopicPartition(topic, partition), end)
        finally:
            self._ends.unassign()

    def _reads_something(self, place: TopicPartition, end: int) -> bool:
        while True:
            for message in self._ends.consume(1, 1.0):
                if message.error() is not None:
                    raise KafkaException(message.error())
                return True
            if self._ends.position([place])[0].offset >= end:
                return False
            self._sign_in.check(_TIMEOUT_SECONDS)

    def groups(self) -> dict[str, dict[tuple[str, int], int]]:
        """Committed offsets of this site's groups."""
        listed = self.admin.list_consumer_groups(request_timeout=_TIMEOUT_SECONDS).result().valid
        names = sorted(each.group_id for each in listed if each.group_id.startswith(self.settings.group_prefix))
        found = {}
        for name in names:
            asked = [ConsumerGroupTopicPartitions(name)]
            answer = self.admin.list_consumer_group_offsets(asked, request_timeout=_TIMEOUT_SECONDS)[name].result()
            places = answer.topic_partitions or ()
            found[name] = {(place.topic, place.partition): place.offset for place in places if place.offset >= 0}
        return found

    def members(self, group: str) -> int:
        asked = self.admin.describe_consumer_groups([group], request_timeout=_TIMEOUT_SECONDS)
        return len(asked[group].result().members)

    def grow(self, topics: Sequence[str], target: int, tell: Progress) -> None:
        for topic in topics:
            self.admin.create_partitions([NewPartitions(topic, target)])[topic].result()
            self._await_count(topic, target)
            tell(f"{topic}: {target} partitions")

    def _await_count(self, topic: str, target: int) -> None:
        # Brokers learn of new partitions one after the other.
        deadline = time.monotonic() + _TIMEOUT_SECONDS
        while self.counts().get(topic) != target:
            if time.monotonic() > deadline:
                raise FatalError(f"{topic}: its new partitions do not show: say the same again")
            time.sleep(0.05)

    def commit_beginning(self, group: str, places: Sequence[tuple[str, int]]) -> None:
        wanted = [TopicPartition(topic, partition, 0) for topic, partition in places]
        asked = [ConsumerGroupTopicPartitions(group, wanted)]
        answer = self.admin.alter_consumer_group_offsets(asked, request_timeout=_TIMEOUT_SECONDS)[group].result()
        for place in answer.topic_partitions:
            if place.error is not None:
                raise KafkaException(place.error)


def _groups(kafka: _Open, counts: dict[str, int], target: int) -> dict[str, Any]:
    """What the groups say of these topics."""
    members: dict[str, int] = {}
    behind: dict[str, tuple[str, ...]] = {}
    uncommitted: dict[str, tuple[tuple[str, int], ...]] = {}
    for group, offsets in kafka.groups().items():
        read = sorted({topic for topic, _ in offsets} & set(counts))
        if not read:
            continue
        members[group] = kafka.members(group)
        left = [topic for topic in read if _is_behind(kafka.has_records, topic, counts[topic], offsets)]
        if left:
            behind[group] = tuple(left)
        lacking = [(topic, p) for topic in read for p in range(counts[topic]) if (topic, p) not in offsets]
        # Before the topics grew a group may lack an offset where nothing ever came; that is settled with the rest.
        uncommitted[group] = tuple(lacking) if all(counts[topic] == target for topic in read) else ()
    return {"members": members, "behind": behind, "uncommitted": uncommitted}


def _is_behind(
    has_records: Callable[[str, int, int], bool], topic: str, count: int, offsets: dict[tuple[str, int], int]
) -> bool:
    return any(has_records(topic, partition, offsets.get((topic, partition), 0)) for partition in range(count))
