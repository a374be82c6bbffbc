"""What travels inside the engine: an assigned partition, an item of work, what came of it, and a transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, NamedTuple, TypeVar

from keyflow.offsets import OffsetTracker
from keyflow.table import Table
from keyflow.types import Effect, FailedRecord, Headers

S = TypeVar("S")

Source = tuple[str, int]
"""Topic and partition."""

RECORD_OVERHEAD_BYTES: Final = 500
"""What a buffered record weighs in memory beside its value, about."""

HOUSEKEEPING: Final = ("expired", "position")
"""Kinds of outcomes that come of no record."""

FRAME_BYTES: Final = 100
"""What a written record weighs beside value, key and headers, at most."""


def text_of(raw: bytes | None) -> str:
    """A key as text; empty when there is none in UTF-8."""
    try:
        return raw.decode() if raw else ""
    except UnicodeDecodeError:
        return ""


@dataclass(slots=True, eq=False)
class Assignment(Generic[S]):
    """One partition number of all inputs, from the day it was assigned until it is taken away.

    Attributes:
        closing: The process stops or the partition is about to be taken away: nobody waits for an attempt to come.
        leaving: It is about to be taken away: the next owner runs the effects.
        live: False from the moment it is taken away: whatever is still finished for it is dropped.
        full_topics: Inputs whose offset map has little room left: the partition pauses.
    """

    partition: int
    trackers: dict[str, OffsetTracker]
    table: Table[S] | None = None
    closing: bool = False
    leaving: bool = False
    live: bool = True
    full_topics: set[str] = field(default_factory=set)
    buffered_bytes: int = 0

    @property
    def buffered(self) -> int:
        """Records fetched and not committed."""
        return sum(tracker.unfinished for tracker in self.trackers.values())


@dataclass(slots=True, eq=False)
class Item:
    """Work of one key: a fetched record, or an effect that a restored table says is pending (offset None).

    Attributes:
        source_topic: Topic it was read from.
        topic: Topic it belongs to; another one for a redriven record.
        key: Empty when the record has none in UTF-8.
    """

    assignment: Assignment[Any]
    source_topic: str
    offset: int | None
    topic: str
    key: str
    raw_key: bytes | None = None
    raw_value: bytes | None = None
    headers: Headers = ()
    timestamp_ms: int = 0
    effect: Effect | None = None

    @property
    def size_bytes(self) -> int:
        """What it weighs while it is buffered."""
        value = self.raw_value
        return RECORD_OVERHEAD_BYTES if value is None else len(value) + RECORD_OVERHEAD_BYTES

    def as_failed(self) -> FailedRecord:
        """The bytes as they stood, on their way to the dead letters."""
        offset = -1 if self.offset is None else self.offset
        raw_key = self.key.encode() if self.offset is None else self.raw_key
        return FailedRecord(
            self.source_topic,
            self.assignment.partition,
            offset,
            self.timestamp_ms,
            raw_key,
            self.raw_value,
            self.headers,
        )


def size_of(headers: Headers) -> int:
    """What headers weigh in a record, at most."""
    return sum(len(name) + len(value) + 8 for name, value in headers)


class Write(NamedTuple):
    """One record of a transaction; partition -1 leaves the choice to the partitioner."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    partition: int = -1

    @property
    def size_bytes(self) -> int:
        """What the broker will count, at most."""
        return len(self.key or b"") + len(self.value or b"") + size_of(self.headers) + FRAME_BYTES


@dataclass(slots=True, eq=False)
class Finished:
    """One outcome on its way into a transaction.

    Attributes:
        offset: The record's offset, which is finished with its first outcome; None for what follows its effect.
        kind: "outcome", "fallback" or "dead_letter", say, for the figures; those of `HOUSEKEEPING` do not count.
        waiter: Resolved once it is committed; an effect waits for it.
    """

    item: Item
    offset: int | None
    writes: list[Write]
    effect: Effect | None = None
    kind: str = "outcome"
    attempts: int = 1
    waiter: asyncio.Future[None] | None = None


@dataclass(slots=True)
class CommitBatch:
    """What one transaction carries: records to write, and offset and offset map by source."""

    writes: Sequence[Write] = ()
    offsets: dict[Source, tuple[int, str]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.offsets)
