"""Whose records are meant, how they are known in bytes, and by when Kafka has dropped them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from floodgate.events import edge_event_id

_SLACK: Final = timedelta(days=1)
"""Kafka looks for old segments every five minutes and removes the files a minute later."""
_NO_DATE: Final = "the newest value of its key"
_SUPERSEDED: Final = "older values, until Kafka cleans the log"
_FOR_EVER_MS: Final = 2**62
"""Kafka's default of max.compaction.lag.ms is the largest number that there is."""
_SHORTEST_ID: Final = 8
"""Ids from outside that are shorter stand in too many records that are somebody else's."""


@dataclass(frozen=True, slots=True)
class Person:
    """The ids by which a person's records are found.

    Attributes:
        contacts: Pseudonyms.
        conversations: Conversation ids with their channel.
        interactions: Interaction ids.
        outside: What the pseudonyms stand for, as (namespace, id); only known to whoever has their key.
    """

    contacts: frozenset[str] = frozenset()
    conversations: frozenset[str] = frozenset()
    interactions: frozenset[str] = frozenset()
    outside: frozenset[tuple[str, str]] = frozenset()

    @property
    def ids(self) -> frozenset[str]:
        """All that stand in records."""
        own = {name for _, name in self.outside if len(name) >= _SHORTEST_ID}
        return self.contacts | self.conversations | self.interactions | own

    def with_key(self, kind: str, key: str) -> Person:
        """The same person with the key of a record that names them; keys of other kinds say nothing."""
        if kind == "conversation_id":
            interaction = str(edge_event_id("interaction", key))
            return replace(
                self, conversations=self.conversations | {key}, interactions=self.interactions | {interaction}
            )
        if kind == "interaction_id":
            return replace(self, interactions=self.interactions | {key})
        return self


@dataclass(frozen=True, slots=True)
class Retention:
    """How a topic drops records.

    Attributes:
        retention_ms: None where it is compacted and keeps the newest of each key.
        segment_ms: How long a file is written to.
        compaction_ms: By when a superseded record is cleaned away at the latest, its tombstone included.
    """

    retention_ms: int | None
    segment_ms: int
    compaction_ms: int = _FOR_EVER_MS

    def gone_by(self, newest_ms: int) -> datetime | None:
        """When nothing is left of records up to this one.

        Its file goes by the newest record that shares it; in a compacted topic it has to be superseded.
        """
        left_ms = self.compaction_ms if self.retention_ms is None else self.retention_ms + self.segment_ms
        if left_ms >= _FOR_EVER_MS or (self.retention_ms is not None and self.retention_ms < 0):
            return None
        return datetime.fromtimestamp(newest_ms / 1000, UTC) + timedelta(milliseconds=left_ms) + _SLACK


@dataclass(slots=True)
class Place:
    """What stands in one place.

    Attributes:
        name: Topic, index, file or object, with the line where there is one.
        count: Records, documents, rows or lines that name the person.
        gone_by: When nothing is left; None when nobody can say.
        note: What it is, or what to do about it.
    """

    name: str
    count: int = 0
    gone_by: datetime | None = None
    note: str = ""

    def stays(self, now: datetime) -> bool:
        """Whether nothing removes it by itself, or should have done so already."""
        return self.gone_by is None or self.gone_by < now

    def facts(self) -> dict[str, str | int | None]:
        """As JSON."""
        date = self.gone_by.date().isoformat() if self.gone_by else None
        return {"place": self.name, "count": self.count, "gone_by": date, "note": self.note}


@dataclass(slots=True)
class Tally:
    """Counts what a topic holds of a person.

    Attributes:
        standing: In a compacted topic, the keys whose newest value names the person.
    """

    name: str
    retention: Retention
    newest_ms: int = 0
    count: int = 0
    standing: set[bytes] = field(default_factory=set)
    _theirs: set[bytes] = field(default_factory=set)

    def add(self, key: bytes | None, *, found: bool, at_ms: int) -> None:
        """Takes one record; in a compacted topic the newest of a key is what counts."""
        name = key or b""
        if self.retention.retention_ms is None:
            (self.standing.add if found else self.standing.discard)(name)
            found = found or name in self._theirs
            if found:
                self._theirs.add(name)
        if found:
            self.count += 1
            self.newest_ms = max(self.newest_ms, at_ms)

    def place(self) -> Place | None:
        """What stands there; None when nothing does."""
        if self.standing:
            return Place(self.name, len(self.standing), None, _NO_DATE)
        if not self.count:
            return None
        note = _SUPERSEDED if self.retention.retention_ms is None else "until the topic's retention"
        return Place(self.name, self.count, self.retention.gone_by(self.newest_ms), note)


@dataclass(frozen=True, slots=True)
class Sought:
    """What every place is searched for.

    Attributes:
        needles: Ids and given words.
        texts: What the person wrote, as far as topics still have it.
    """

    person: Person
    needles: Needles
    texts: tuple[str, ...] = ()


class Needles:
    """Finds ids and words in bytes, however they were written.

    An id counts where Avro put its length before it or nothing else goes on beside it, so that `intercom:12` is not
    found in `intercom:123`. Words count wherever they stand.

    Args:
        ids: Of the person.
        words: Of what they wrote, exactly as written.
    """

    def __init__(self, ids: Iterable[str], words: Iterable[str] = ()) -> None:
        parts = [_id_pattern(name) for name in sorted(ids)]
        parts += [re.escape(word.encode()) for word in sorted(set(words)) if word.strip()]
        self._pattern = re.compile(b"|".join(parts)) if parts else None

    def within(self, *values: bytes | None) -> bool:
        """Whether any of the values has one of them."""
        found = self._pattern
        return found is not None and any(value is not None and found.search(value) for value in values)


def _id_pattern(name: str) -> bytes:
    raw = name.encode()
    return b"(?:%b%b|(?<![A-Za-z0-9])%b(?![A-Za-z0-9]))" % (re.escape(_length(len(raw))), *[re.escape(raw)] * 2)


def _length(count: int) -> bytes:
    """Avro's zigzag varint."""
    left, out = count << 1, bytearray()
    while left > 0x7F:
        out.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes([*out, left])
