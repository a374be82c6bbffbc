"""Whether reading goes on, by what Kafka has and what was taken of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Place = tuple[str, int]
"""Topic and partition."""


@dataclass(frozen=True, slots=True)
class Stand:
    """How far one partition was read.

    Attributes:
        end: Where it ends for a reader of committed records.
        read: The consumer's position, beyond the markers of transactions.
        given: The offset after the last record that the consumer gave out; None before the first.
    """

    end: int
    read: int
    given: int | None


@dataclass(slots=True)
class Progress:
    """Watches how far each partition was taken: a silent consumer looks like a quiet topic to anyone else."""

    taken: dict[Place, int] = field(default_factory=dict)
    timestamp_ms: dict[Place, int] = field(default_factory=dict)
    stands: Mapping[Place, Stand] = field(default_factory=dict)
    _moved: dict[Place, tuple[int, int, float]] = field(default_factory=dict)

    def handled(self, place: Place, offset: int, timestamp_ms: int) -> None:
        """A record is done."""
        self.taken[place] = max(offset + 1, self.taken.get(place, 0))
        self.timestamp_ms[place] = max(timestamp_ms, self.timestamp_ms.get(place, 0))

    def watched(self, stands: Mapping[Place, Stand], now: float) -> None:
        """What Kafka says of the partitions that are read here; `now` is monotonic."""
        self.stands = dict(stands)
        for gone in set(self.taken) - set(stands):
            # Another process has it: what was taken here says nothing any more.
            del self.taken[gone], self.timestamp_ms[gone]
        lag, moved = self.lag(), {}
        for place, stand in stands.items():
            state = stand.read, self.taken.get(place, 0)
            *before, since = self._moved.get(place, (-1, -1, now))
            moved[place] = (*state, since if place in lag and tuple(before) == state else now)
        self._moved = moved

    def lag(self) -> dict[Place, int]:
        """What is left, by partition; markers behind the last record do not count."""
        left = {place: stand.end - self._at(place, stand) for place, stand in self.stands.items()}
        return {place: offsets for place, offsets in left.items() if offsets > 0}

    def _at(self, place: Place, stand: Stand) -> int:
        taken = self.taken.get(place, 0)
        # With all done that was given out, what was read beyond it holds no record.
        return stand.read if stand.given is None or taken >= stand.given else taken

    def stalled_seconds(self, now: float) -> float:
        """How long a partition has had something to read without moving; 0 when none waits."""
        return max((now - since for _, _, since in self._moved.values()), default=0.0)

    def watermark_ms(self, now_ms: int) -> int:
        """Whatever is older was counted: now, or the last record handled of the partition that is furthest behind."""
        return min([now_ms, *(self.timestamp_ms.get(place, 0) for place in self.lag())])
