"""The books of completeness: what came in against what came out, per hour and source. Pure.

Every interaction must end as a feature record or a dead letter; the same content again needs no second record.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from floodgate.events import DeadLetter, Interaction, Summary

from summarizer.domain.features import content_hash

SERVICE: Final = "summarizer"
BATCHED: Final = "support.summarizer.batch"
_HOUR_MS: Final = 3_600_000
_MOST_NAMED: Final = 20


@dataclass(frozen=True, slots=True)
class Grace:
    """How long an interaction may take, online and by batch inference."""

    online_seconds: float = 180.0
    batch_seconds: float = 26 * 3600.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One hour of one source.

    Attributes:
        open: Not yet out, and not late either.
        late: Not out although the grace is over: a gap.
        refused: Dead letters of what never became an interaction.
    """

    hour: datetime
    source: str
    interactions: int
    records: int
    dead_letters: int
    repeated: int
    open: int
    late: int
    refused: int = 0


@dataclass(slots=True)
class _In:
    source: str
    at_ms: int
    fingerprint: tuple[str, str]


@dataclass(slots=True)
class Ledger:
    """Takes in what stands on the topics, in any order.

    Attributes:
        origins: Where interactions and dead letters came from, up to the line: `s3://bucket/key`.
    """

    _in: dict[UUID, _In] = field(default_factory=dict)
    _records: set[UUID] = field(default_factory=set)
    _dead: set[str] = field(default_factory=set)
    _refused: dict[UUID, tuple[int, str]] = field(default_factory=dict)
    _batched: set[UUID] = field(default_factory=set)
    origins: set[str] = field(default_factory=set)

    def take(self, key: str, value: object, at_ms: int, topic: str = "") -> None:
        """One committed record, with the time at which Kafka has it; the same again changes nothing."""
        match value:
            case Interaction() if topic == BATCHED:
                self._batched.add(value.event_id)
            case Interaction():
                fingerprint = (str(value.interaction_id), content_hash(value))
                self._in[value.event_id] = _In(value.source, at_ms, fingerprint)
                self.origins.add(_object_of(value.origin))
            case Summary():
                if value.causation_id is not None:
                    self._records.add(value.causation_id)
            case DeadLetter() if value.service == SERVICE:
                self._dead.add(key)
            case DeadLetter() if value.origin_topic.startswith("s3://"):
                self._refused[value.event_id] = (at_ms // _HOUR_MS, "s3")
                self.origins.add(_object_of(value.origin_topic))

    def forget(self, before_ms: int) -> None:
        """Closes the books of what came before a moment."""
        old = [event for event, entry in self._in.items() if entry.at_ms < before_ms]
        for event in old:
            del self._in[event]
        self._records.difference_update(old)
        self._batched.difference_update(old)
        self._refused = {event: place for event, place in self._refused.items() if place[0] >= before_ms // _HOUR_MS}

    def entries(self, now_ms: int, grace: Grace) -> list[Entry]:
        """The books, oldest hour first.

        Args:
            now_ms: The time that lateness is measured at.
            grace: How long an interaction may take.
        """
        done = {self._in[event].fingerprint for event in self._records if event in self._in}
        counts: dict[tuple[int, str], dict[str, int]] = {}
        for event, entry in self._in.items():
            kind = self._kind(event, entry, done, self._late_before_ms(event, now_ms, grace))
            hour = counts.setdefault((entry.at_ms // _HOUR_MS, entry.source), {})
            hour[kind] = hour.get(kind, 0) + 1
        refused = Counter(self._refused.values())
        return [
            Entry(
                datetime.fromtimestamp(hour * 3600, UTC), source, sum(found.values()), found.get("record", 0),
                found.get("dead", 0), found.get("repeated", 0), found.get("open", 0), found.get("late", 0),
                refused[hour, source],
            )
            for (hour, source) in sorted({*counts, *refused})
            for found in [counts.get((hour, source), {})]
        ]  # fmt: skip

    def late(self, now_ms: int, grace: Grace) -> list[str]:
        """Ids of some interactions of which nothing came, oldest first."""
        return [identifier for _, identifier in self._late(now_ms, grace)[:_MOST_NAMED]]

    def oldest_late_ms(self, now_ms: int, grace: Grace) -> int | None:
        """When the oldest interaction of which nothing came was written; None where nothing is missing."""
        return min((at_ms for at_ms, _ in self._late(now_ms, grace)), default=None)

    def _late(self, now_ms: int, grace: Grace) -> list[tuple[int, str]]:
        done = {self._in[event].fingerprint for event in self._records if event in self._in}
        return sorted(
            (entry.at_ms, entry.fingerprint[0])
            for event, entry in self._in.items()
            if self._kind(event, entry, done, self._late_before_ms(event, now_ms, grace)) == "late"
        )

    def _late_before_ms(self, event: UUID, now_ms: int, grace: Grace) -> float:
        return now_ms - 1000 * (grace.batch_seconds if event in self._batched else grace.online_seconds)

    def _kind(self, event: UUID, entry: _In, done: set[tuple[str, str]], late_before_ms: float) -> str:
        if event in self._records:
            return "record"
        if entry.fingerprint in done:
            return "repeated"
        if entry.fingerprint[0] in self._dead:
            return "dead"
        return "late" if entry.at_ms < late_before_ms else "open"


def without_outcome(objects: Iterable[tuple[str, datetime]], ledger: Ledger, before: datetime) -> list[str]:
    """Dropped objects of which nothing came, neither an interaction nor a dead letter.

    Args:
        objects: Addresses with the times they were written.
        ledger: What came.
        before: Younger objects are not judged yet.
    """
    return sorted(address for address, written in objects if written < before and address not in ledger.origins)


def _object_of(origin: str | None) -> str:
    """`s3://bucket/key` of `s3://bucket/key:17`."""
    address, _, line = (origin or "").rpartition(":")
    return address if line.isdigit() else origin or ""
