"""How far an engine is behind: offsets by topic, and the age of the oldest record that is not finished. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from keyflow.work import Assignment, Source


@dataclass(frozen=True, slots=True)
class Lag:
    """What is not finished yet.

    Attributes:
        offsets: By input topic, from the lowest unfinished offset to the end, over the partitions assigned here.
            Finished records above an unfinished one count still, and so do markers between them and what others
            have not committed yet.
        oldest_seconds: Age of the oldest record that was fetched and is not finished, by its Kafka timestamp; 0
            when there is none.
    """

    offsets: Mapping[str, int]
    oldest_seconds: float = 0.0

    @property
    def behind(self) -> bool:
        """Whether there is anything to do."""
        return any(self.offsets.values())


def measured(
    assignments: Iterable[Assignment[Any]],
    ends: Mapping[Source, tuple[int, int]],
    positions: Mapping[Source, int],
    now_ms: int,
) -> Lag:
    """The lag of what is assigned.

    Args:
        assignments: What is assigned.
        ends: Lowest and next offset of a partition, as far as known.
        positions: Where reading stands, beyond transaction markers that follow the last record.
        now_ms: Wall clock, milliseconds since the epoch.
    """
    offsets: Counter[str] = Counter()
    oldest_ms = now_ms
    for assignment in assignments:
        for topic, tracker in assignment.trackers.items():
            source = topic, assignment.partition
            low, end = ends.get(source, (0, 0))
            at = tracker.lowest_unfinished
            if not tracker.unfinished:
                at = max(at, positions.get(source, 0))
            offsets[topic] += max(end - max(at, low), 0)
            oldest_ms = min(oldest_ms, tracker.oldest_timestamp_ms or now_ms)
    return Lag(dict(offsets), (now_ms - oldest_ms) / 1000)
