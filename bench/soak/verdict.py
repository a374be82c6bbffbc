"""Whether something grows: a robust slope over the life of a process, against stated thresholds. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median
from typing import Final

MIN_SAMPLES: Final = 30
"""A shorter life says nothing: five minutes at a sample each 10 s."""
_Z_95: Final = 1.96


@dataclass(frozen=True, slots=True)
class Threshold:
    """What counts as growth: a slope that is surely steeper, and a rise over the run that is more than noise."""

    per_hour: float
    least: float


THRESHOLDS: Final[Mapping[str, Threshold]] = {
    "rss_mib": Threshold(per_hour=16.0, least=4.0),
    "files": Threshold(per_hour=4.0, least=2.0),
    "threads": Threshold(per_hour=2.0, least=1.0),
    "tasks": Threshold(per_hour=4.0, least=2.0),
}


@dataclass(frozen=True, slots=True)
class Trend:
    """One measure of one process.

    Attributes:
        per_hour: Theil and Sen's slope: the median of the slopes between every two samples.
        surely_per_hour: Lower end of its 95 % interval (Kendall's variance).
        rise: The slope times the time that was looked at.
    """

    service: str
    measure: str
    samples: int
    minutes: float
    middle: float
    per_hour: float
    surely_per_hour: float
    rise: float

    @property
    def grows(self) -> bool:
        """Whether it grows by the thresholds."""
        allowed = THRESHOLDS[self.measure]
        return self.surely_per_hour > allowed.per_hour and self.rise > allowed.least


def trend(service: str, measure: str, points: Sequence[tuple[float, float]]) -> Trend | None:
    """The trend of (seconds, value) points; None where there are too few."""
    count = len(points)
    if count < MIN_SAMPLES:
        return None
    slopes = sorted((b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(points, 2) if b[0] > a[0])
    spread = _Z_95 * math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    lowest = max(0, int((len(slopes) - spread) / 2))
    seconds = points[-1][0] - points[0][0]
    slope = median(slopes)
    return Trend(
        service=service,
        measure=measure,
        samples=count,
        minutes=round(seconds / 60, 1),
        middle=round(median(value for _, value in points), 1),
        per_hour=round(slope * 3600, 2),
        surely_per_hour=round(slopes[lowest] * 3600, 2),
        rise=round(slope * seconds, 2),
    )
