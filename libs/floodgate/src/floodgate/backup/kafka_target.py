"""Restores a backup onto an empty cluster.

Records stand without gaps then, so offsets change; groups and their maps of finished offsets are translated. Some
things remember places (ids of dead letters, pulse's table): in topics that are not compacted a place is never given
a second time. They are filled up to the old end with records of aborted transactions, which nobody is shown, and
those are deleted again.

What was done stands in the offsets of one group: the same command goes on after it was killed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka.cimpl import NewTopic
from keyflow.errors import FatalError
from keyflow.kafka_errors import translated

from floodgate.backup.archive import Archive, Committed, Cut, Manifest, Stored
from floodgate.backup.kafka_cluster import TIMEOUT_SECONDS, Cluster, Place
from floodgate.backup.registry import Registry, put_back
from floodgate.backup.translating import moved
from floodgate.settings import READERS, KafkaSettings

_FILLED_AT_ONCE: Final = 100_000
"""Records in a transaction, which must not last for longer than a minute."""
_MAX_MESSAGE_BYTES: Final = 4_000_000
_LOOK_EVERY_SECONDS: Final = 0.05
_READY: Final = " ready"

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Restored:
    """What stands on the cluster now."""

    topics: int
    records: int
    written_now: int
    groups: int
    schemas_registered: int


class Restore:
    """Restores one.

    Args:
        settings: Where to; its group prefix has to be that of the backup.
        registry: Takes the schemas.
        archive: Where from.
        replication: Replicas of each topic.
        tell: Told what is done.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        registry: Registry,
        archive: Archive,
        *,
        replication: int = 1,
        tell: Progress = lambda _: None,
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._archive = archive
        self._replication = replication
        self._tell = tell
        self._cluster = Cluster(settings)
        self._marks = f"{settings.group_prefix}{READERS}restore"

    def run(self) -> Restored:
        """Restores it, or what is left of it.

        Raises:
            FatalError: The cluster is not empty, the backup is not whole, or Kafka refuses.
        """
        cut, manifest = self._archive.opened()
        with translated("restoring", group=self._marks):
            bases = self._begun(cut)
            registered = put_back(self._registry, cut.schemas, self._tell)
            bases = self._made_ready(cut, bases)
            written = self._write(cut, manifest, bases)
            for group, places in cut.groups.items():
                self._cluster.commit(group, self._translated(group, places, manifest, bases))
                self._tell(f"{group}: {len(places)} offsets")
            self._cluster.forget(self._marks)
        return Restored(len(cut.topics), manifest.records, written, len(cut.groups), registered)

    def _begun(self, cut: Cut) -> dict[Place, int]:
        """First offset of every partition that is ready; makes topics, and marks them as ours, on an empty cluster."""
        marks = self._cluster.committed(self._marks)
        if any(one.metadata.split(" ")[0] != cut.id for one in marks):
            raise FatalError(
                "another backup's restore was begun on this cluster: end that one, or begin with a new one"
            )
        wanted = [(topic, partition) for topic, partition, _ in cut.places()]
        if len(marks) < len(wanted):
            self._check_empty(cut)
            self._make_topics(cut)
            begun = [Committed(topic=topic, partition=p, offset=0, metadata=cut.id) for topic, p in wanted]
            self._cluster.commit(self._marks, begun)
        return {(one.topic, one.partition): one.offset for one in marks if one.metadata.endswith(_READY)}

    def _check_empty(self, cut: Cut) -> None:
        counts = self._cluster.counts()
        there = {name: counts[name] for name in cut.topics if name in counts}
        places = [(name, partition) for name, count in there.items() for partition in range(count)]
        used = sorted({topic for (topic, _), end in self._cluster.ends(places, committed=False).items() if end})
        if used:
            raise FatalError(f"{', '.join(used)}: not empty. A backup is restored onto an empty cluster only")
        if groups := sorted(self._cluster.groups()):
            raise FatalError(f"{', '.join(groups)}: groups that have offsets: the cluster is not empty")
        differing = sorted(name for name, count in there.items() if count != len(cut.topics[name].partitions))
        if differing:
            raise FatalError(f"{', '.join(differing)}: other partition counts than in the backup: delete these topics")

    def _make_topics(self, cut: Cut) -> None:
        counts = self._cluster.counts()
        new = [
            NewTopic(name, num_partitions=len(topic.partitions), replication_factor=self._replication,
                     config=topic.config)
            for name, topic in cut.topics.items()
            if name not in counts
        ]  # fmt: skip
        for future in (
            self._cluster.admin.create_topics(new, operation_timeout=TIMEOUT_SECONDS) if new else {}
        ).values():
            future.result()
        self._tell(f"{len(new)} topics made")

    def _made_ready(self, cut: Cut, ready: Mapping[Place, int]) -> dict[Place, int]:
        """Every partition's first offset: beyond the old end, where records may leave."""
        left = {(t, p): bounds.end for t, p, bounds in cut.places() if (t, p) not in ready}
        fill = {place: end for place, end in left.items() if not cut.topics[place[0]].compacted}
        bases = dict.fromkeys(left, 0) | self._filled(fill)
        self._cluster.delete_before({place: base for place, base in bases.items() if base})
        marks = [
            Committed(topic=t, partition=p, offset=base, metadata=cut.id + _READY) for (t, p), base in bases.items()
        ]
        self._cluster.commit(self._marks, marks)
        return {**ready, **bases}

    def _filled(self, wanted: Mapping[Place, int]) -> dict[Place, int]:
        """Fills partitions up to an offset at least; where they end then."""
        ends = self._cluster.ends(wanted, committed=False)
        short = {place: end for place, end in wanted.items() if ends[place] < end}
        if not short:
            return self._settled(wanted)
        producer = self._producer({"transactional.id": f"{self._settings.group_prefix}restore"})
        producer.init_transactions(TIMEOUT_SECONDS)
        for place, end in short.items():
            at = ends[place]
            while at < end:
                count = min(_FILLED_AT_ONCE, end - at)
                _abort(producer, place, count)
                at += count + 1
        self._tell(f"{len(short)} partitions filled up to where they ended")
        return self._settled(wanted)

    def _settled(self, places: Iterable[Place]) -> dict[Place, int]:
        """Where partitions end once the marker of every transaction is written, which comes after its end is told."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while (ends := self._cluster.ends(places, committed=True)) != self._cluster.ends(places, committed=False):
            if time.monotonic() > deadline:
                raise FatalError("transactions do not end: say the same again")
            time.sleep(_LOOK_EVERY_SECONDS)
        return ends

    def _producer(self, more: Mapping[str, Any]) -> Producer:
        limits = {"message.max.bytes": _MAX_MESSAGE_BYTES, "linger.ms": 20, "compression.type": "lz4"}
        return Producer({**self._settings.connection(), **limits, **more})

    def _write(self, cut: Cut, manifest: Manifest, bases: Mapping[Place, int]) -> int:
        writer = _Writer(self._producer({"enable.idempotence": True}))
        there = self._cluster.ends(bases, committed=False)
        try:
            for topic, partition, _ in cut.places():
                place, before = (topic, partition), writer.written
                for record in self._left(manifest, place, there[place] - bases[place]):
                    writer.write(place, record)
                writer.flush()
                if writer.written > before:
                    self._tell(f"{topic}/{partition}: {writer.written - before} records")
        finally:
            writer.flush()  # nothing is on its way when the same is said again
        self._check_counts(cut, manifest, bases)
        return writer.written

    def _left(self, manifest: Manifest, place: Place, done: int) -> Iterator[Stored]:
        for chunk in manifest.of(*place):
            if done < chunk.records:
                yield from self._archive.records(chunk)[max(done, 0) :]
            done -= chunk.records

    def _check_counts(self, cut: Cut, manifest: Manifest, bases: Mapping[Place, int]) -> None:
        ends = self._cluster.ends(bases, committed=True)
        for topic, partition, _ in cut.places():
            place = topic, partition
            wanted = bases[place] + sum(chunk.records for chunk in manifest.of(*place))
            if ends[place] != wanted:
                raise FatalError(
                    f"{topic}/{partition} ends at {ends[place]} and should at {wanted}: something else writes to this "
                    "cluster; begin again with an empty one"
                )

    def _translated(
        self, group: str, places: tuple[Committed, ...], manifest: Manifest, bases: Mapping[Place, int]
    ) -> Iterator[Committed]:
        for one in places:
            chunks = manifest.of(one.topic, one.partition)
            try:
                offset, metadata = moved(
                    one.offset, one.metadata, lambda at, of=chunks: self._archive.rank(of, at),  # type: ignore[misc]
                    bases[one.topic, one.partition],
                )  # fmt: skip
            except ValueError as error:
                raise FatalError(f"{group}, {one.topic}/{one.partition}: {error}") from error
            yield one.model_copy(update={"offset": offset, "metadata": metadata})


class _Writer:
    """Writes records and learns whether each arrived."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer
        self._failed: KafkaError | None = None
        self.written = 0

    def write(self, place: Place, record: Stored) -> None:
        topic, partition = place
        headers: Any = list(record.headers)
        while True:
            try:
                self._producer.produce(
                    topic, record.value, record.key, partition, on_delivery=self._delivered, headers=headers,
                    timestamp=record.timestamp_ms,
                )  # fmt: skip
                break
            except BufferError:
                self._producer.poll(0.1)
        self._producer.poll(0)
        self._check()

    def flush(self) -> None:
        if self._producer.flush(TIMEOUT_SECONDS * 2):
            raise FatalError("Kafka does not take the records: say the same again when it does")
        self._check()

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        if error is None:
            self.written += 1
        else:
            self._failed = self._failed or error

    def _check(self) -> None:
        if self._failed is not None:
            raise KafkaException(self._failed)


def _abort(producer: Producer, place: Place, count: int) -> None:
    """A transaction of empty records that is given up; all of them stand in the log."""
    topic, partition = place
    producer.begin_transaction()
    for _ in range(count):
        producer.produce(topic, b"", b"", partition)
        producer.poll(0)
    producer.flush(TIMEOUT_SECONDS * 2)  # what is not sent would be dropped
    producer.abort_transaction(TIMEOUT_SECONDS)
