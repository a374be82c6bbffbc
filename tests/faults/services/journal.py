"""What Kafka holds at the end: every committed record of every topic, and what the groups have committed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar
from uuid import uuid4

from confluent_kafka import Consumer, KafkaException, TopicPartition
from floodgate.events.topics import topics
from keyflow.offsets import decode

Place = tuple[str, int, int]
"""Topic, partition, offset."""
Source = tuple[str, int]

PROCESSORS: Final = (
    "ingest",
    "ingest-closed",
    "ingest-status",
    "firewall",
    "agent",
    "summarizer",
    "summarizer-store",
    "delivery",
)
_STAND_STILL_SECONDS: Final = 60.0

_Answer = TypeVar("_Answer")


def inputs_of(processor: str) -> tuple[str, ...]:
    """The topics that a processor reads, its redrive included and its state not."""
    state = f"support.{processor}.state"
    return tuple(name for name, topic in topics().items() if processor in topic.readers and name != state)


def changelogs() -> tuple[str, ...]:
    return tuple(name for name in topics() if name.endswith(".state"))


@dataclass(frozen=True, slots=True)
class Entry:
    """One committed record as it stands."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None

    @property
    def place(self) -> Place:
        return self.topic, self.partition, self.offset


@dataclass(slots=True)
class Journal:
    """Everything that was committed since the start, in the order of each partition."""

    entries: dict[str, list[Entry]] = field(default_factory=dict)
    begins: dict[Source, int] = field(default_factory=dict)
    ends: dict[Source, int] = field(default_factory=dict)

    def of(self, topic: str) -> Sequence[Entry]:
        return self.entries.get(topic, ())


class Reader:
    """Reads topics and committed offsets of one broker.

    Args:
        servers: Kafka's address.
        group_prefix: Of the services' groups.
    """

    def __init__(self, servers: str, group_prefix: str) -> None:
        self._servers = servers
        self._group_prefix = group_prefix

    def ends(self, names: Iterable[str]) -> dict[Source, int]:
        """The end of every partition, transactions under way included."""
        with self._consumer("read_uncommitted") as consumer:
            return {
                (name, number): _answered(partial(_end, consumer, name, number))
                for name in names
                for number in range(topics()[name].partitions)
            }

    def read(self, begins: Mapping[Source, int]) -> Journal:
        """All committed records from some offsets to the ends as they are now.

        Raises:
            AssertionError: Readers of committed records do not get to an end: a transaction was left without its
                marker.
        """
        journal = Journal(begins=dict(begins), ends=self.ends({name for name, _ in begins}))
        left = {source for source, end in journal.ends.items() if end > begins[source]}
        with self._consumer("read_committed") as consumer:
            consumer.assign([TopicPartition(name, number, begins[name, number]) for name, number in left])
            moved_at, at = time.monotonic(), -1
            while left:
                for message in consumer.consume(2_000, 0.2):
                    if message.error() is None:
                        entry = Entry(
                            str(message.topic()),
                            int(message.partition() or 0),
                            int(message.offset() or 0),
                            _bytes(message.key()),
                            _bytes(message.value()),
                        )
                        journal.entries.setdefault(entry.topic, []).append(entry)
                positions = consumer.position([TopicPartition(*source) for source in left])
                left -= {(p.topic, p.partition) for p in positions if p.offset >= journal.ends[p.topic, p.partition]}
                if (now_at := sum(p.offset for p in positions)) != at:
                    moved_at, at = time.monotonic(), now_at
                stuck = time.monotonic() - moved_at > _STAND_STILL_SECONDS
                assert not stuck, f"readers of committed records do not get to the end of {sorted(left)}"
        return journal

    def committed(self) -> dict[str, dict[Source, tuple[int, str]]]:
        """By processor: the committed offset and its map for every input partition; offset -1 where there is none."""
        return {name: self._committed(name) for name in PROCESSORS}

    def _committed(self, processor: str) -> dict[Source, tuple[int, str]]:
        places = [
            TopicPartition(name, number) for name in inputs_of(processor) for number in range(topics()[name].partitions)
        ]
        with self._consumer("read_committed", self._group_prefix + processor) as consumer:
            found = _answered(partial(_committed, consumer, places))
        return {(p.topic, p.partition): (p.offset, p.metadata or "") for p in found}

    def lag(self) -> dict[str, int]:
        """By processor: how many offsets lie above what is committed. Processors without lag are left out."""
        committed = self.committed()
        ends = self.ends({name for places in committed.values() for name, _ in places})
        lags = {
            processor: sum(max(0, ends[source] - max(offset, 0)) for source, (offset, _) in places.items())
            for processor, places in committed.items()
        }
        return {processor: lag for processor, lag in lags.items() if lag}

    def _consumer(self, isolation: str, group: str | None = None) -> _Closing:
        return _Closing(
            {
                "bootstrap.servers": self._servers,
                "group.id": group or f"audit-{uuid4().hex}",
                "isolation.level": isolation,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "log_level": 2,  # the broker is away on purpose
            }
        )


def _end(consumer: Consumer, topic: str, partition: int) -> int:
    return int(consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=20)[1])


def _committed(consumer: Consumer, places: list[TopicPartition]) -> list[TopicPartition]:
    """Raises what a single partition was refused with, too: without it a refusal would look like no commit."""
    found = consumer.committed(places, timeout=20)
    for place in found:
        if place.error is not None:
            raise KafkaException(place.error)
    return found


def _answered(ask: Callable[[], _Answer]) -> _Answer:
    """What a broker says; asks again while leaders and coordinators move, which follows a broker's end or its return.

    Raises:
        KafkaException: There was no answer in a minute; the last refusal.
    """
    until = time.monotonic() + _STAND_STILL_SECONDS
    while True:
        try:
            return ask()
        except KafkaException:
            if time.monotonic() > until:
                raise
            threading.Event().wait(0.5)


class _Closing:
    """A consumer as a context manager."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._consumer = Consumer(dict(config))

    def __enter__(self) -> Consumer:
        return self._consumer

    def __exit__(self, *_: object) -> None:
        self._consumer.close()


def unread(entries: Iterable[Entry], committed: Mapping[Source, tuple[int, str]]) -> list[Entry]:
    """Records that a restart would handle: above the committed offset and not in its map of finished ones."""
    finished = {source: list(decode(offset, metadata)) for source, (offset, metadata) in committed.items()}
    found = []
    for entry in entries:
        source = entry.topic, entry.partition
        above = entry.offset >= max(committed[source][0], 0)
        if above and not any(first <= entry.offset <= last for first, last in finished[source]):
            found.append(entry)
    return found


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
