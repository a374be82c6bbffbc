"""Takes a backup: one instant at which nothing was under way, then every record that was committed until then.

Outputs, state and offsets of the services belong together as their transactions wrote them, but Kafka has no view of
all partitions at once. So offsets and ends are looked at twice: all of them only rise, and where two looks are alike
nothing moved between them. That needs a quiet moment. While the records are copied the services may go on.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from keyflow.errors import FatalError
from keyflow.kafka_errors import SignIn, translated

from floodgate.backup.archive import Archive, Bounds, Chunk, Committed, Cut, Manifest, Stored, TopicCut
from floodgate.backup.kafka_cluster import TIMEOUT_SECONDS, Cluster, Place
from floodgate.backup.registry import Registry, schemas_of
from floodgate.events.times import now_ms
from floodgate.events.topics import Topic
from floodgate.settings import KafkaSettings

_LOOK_EVERY_SECONDS: Final = 0.2
_READ_AT_ONCE: Final = 1000
_CHUNK_BYTES: Final = 4_000_000
_UNDER_WAY: Final = KafkaError.UNSTABLE_OFFSET_COMMIT
_SELF_HEALING: Final = "pulse"
"""It writes every second and counts each place once: its table may be newer than its offsets, as after a crash."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Look:
    """How things stood, the groups asked before the topics.

    Attributes:
        moving: Topics with a transaction that has not ended.
    """

    groups: Mapping[str, tuple[Committed, ...]]
    ends: Mapping[Place, int]
    moving: tuple[str, ...]


class Backup:
    """Takes one.

    Args:
        settings: Whose topics and groups.
        registry: Where their schemas are.
        topics: Which are kept.
        archive: Takes it.
        tell: Told what is done.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        registry: Registry,
        topics: Sequence[Topic],
        archive: Archive,
        tell: Progress = lambda _: None,
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._topics = {topic.name: topic for topic in topics}
        self._archive = archive
        self._tell = tell
        self._cluster = Cluster(settings)
        healing = {name for name, topic in self._topics.items() if set(topic.writers) == {_SELF_HEALING}}
        self._still = set(self._topics) - healing

    def create(self, wait_seconds: float) -> Manifest:
        """Takes a backup, or goes on with one whose compacted topics are there.

        Args:
            wait_seconds: For a quiet moment.

        Raises:
            FatalError: There was none, the target holds a whole backup, or Kafka cannot be read.
        """
        if self._archive.is_whole():
            raise FatalError(f"{self._archive.where} holds a whole backup already: name another place")
        chunks: list[Chunk] = []
        with translated("reading for a backup"):
            cut = self._archive.begun()
            if cut is None:
                cut = self.cut(wait_seconds)
                chunks += self._copied(cut, compacted=True)
                self._archive.begin(cut)
            else:
                self._tell("goes on with what was begun")
                chunks += self._known(cut)
            chunks += self._copied(cut, compacted=False)
        return self._archive.close(cut, chunks)

    def cut(self, wait_seconds: float) -> Cut:
        """One instant at which nothing was under way."""
        deadline = time.monotonic() + wait_seconds
        counts = {name: count for name, count in self._cluster.counts().items() if name in self._topics}
        if not counts:
            raise FatalError("none of the declared topics is there: is this the cluster?")
        before = self._look(counts)
        while True:
            time.sleep(_LOOK_EVERY_SECONDS)
            after = self._look(counts)
            if before is not None and after is not None and self._quiet(before, after):
                self._tell("the cut is taken: services may go on")
                return self._cut(counts, after)
            if time.monotonic() > deadline:
                raise FatalError(
                    "there was no quiet moment: stop the services (SIGTERM; they end what is in flight), say the same "
                    "again, and start them when the cut is taken"
                )
            before = after

    def _look(self, counts: Mapping[str, int]) -> Look | None:
        """None while a commit is under way."""
        places = [(name, partition) for name, count in counts.items() for partition in range(count)]
        try:
            groups = self._cluster.groups()
        except KafkaException as error:
            if error.args[0].code() == _UNDER_WAY:
                return None
            raise
        ends = self._cluster.ends(places, committed=True)
        everything = self._cluster.ends(places, committed=False)
        moving = sorted({topic for (topic, partition), end in everything.items() if end != ends[topic, partition]})
        kept = {name: tuple(one for one in found if one.topic in counts) for name, found in groups.items()}
        return Look({name: found for name, found in kept.items() if found}, ends, tuple(moving))

    def _quiet(self, before: Look, after: Look) -> bool:
        return not self._still & set(after.moving) and self._seen(before) == self._seen(after)

    def _seen(self, look: Look) -> Any:
        """What must not move."""
        own = f"{self._settings.group_prefix}{_SELF_HEALING}"
        groups = {name: found for name, found in look.groups.items() if name != own}
        return groups, {place: end for place, end in look.ends.items() if place[0] in self._still}

    def _cut(self, counts: Mapping[str, int], look: Look) -> Cut:
        starts = self._cluster.starts(look.ends)
        topics = {
            name: TopicCut(
                config=self._topics[name].config(),
                avro=self._topics[name].record is not None,
                partitions=tuple(Bounds(start=starts[name, p], end=look.ends[name, p]) for p in range(count)),
            )
            for name, count in counts.items()
        }
        schemas = schemas_of(self._registry, counts)
        return Cut(id=uuid.uuid4().hex, at_ms=now_ms(), topics=topics, groups=dict(look.groups), schemas=schemas)

    def _known(self, cut: Cut) -> list[Chunk]:
        return [
            chunk
            for topic, partition, _ in cut.places()
            if cut.topics[topic].compacted
            for chunk in self._archive.chunks(cut, topic, partition)
        ]

    def _copied(self, cut: Cut, *, compacted: bool) -> Iterator[Chunk]:
        for topic, partition, bounds in cut.places():
            if cut.topics[topic].compacted != compacted or bounds.end <= bounds.start:
                continue
            there = self._archive.chunks(cut, topic, partition)
            yield from there
            start = there[-1].last + 1 if there else bounds.start
            count = 0
            for records in _batches(committed_between(self._settings, (topic, partition), start, bounds.end)):
                yield self._archive.write(cut, topic, partition, records)
                count += len(records)
            if count:
                self._tell(f"{topic}/{partition}: {count} records")


def committed_between(settings: KafkaSettings, place: Place, start: int, end: int) -> Iterator[Stored]:
    """The committed records of a partition from an offset up to another."""
    sign_in = SignIn()
    reader = {**settings.reader("backup"), "error_cb": sign_in, "auto.offset.reset": "earliest"}
    consumer = Consumer(reader)
    try:
        consumer.assign([TopicPartition(*place, start)])
        while start < end:
            for message in consumer.consume(_READ_AT_ONCE, 0.2):
                if message.error() is not None:
                    raise KafkaException(message.error())
                record = _stored(message)
                if record.offset < end:
                    yield record
            sign_in.check(TIMEOUT_SECONDS)
            # Positions tell the end: markers of transactions take offsets too.
            start = max(start, consumer.position([TopicPartition(*place)])[0].offset)
    finally:
        consumer.close()


def _stored(message: Message) -> Stored:
    headers: Any = message.headers() or ()
    offset: Any = message.offset()
    key: Any = message.key()
    return Stored(offset, message.timestamp()[1], key, message.value(), tuple(headers))


def _batches(records: Iterator[Stored]) -> Iterator[list[Stored]]:
    batch: list[Stored] = []
    size = 0
    for record in records:
        batch.append(record)
        size += len(record.key or b"") + len(record.value or b"") + 64
        if size >= _CHUNK_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
