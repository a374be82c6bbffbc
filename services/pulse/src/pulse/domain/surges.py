"""Whether an hour is out of the ordinary, against the same hour of earlier days. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import median
from typing import Final

_MAD_TO_SIGMA: Final = 1.4826
_SIGMAS: Final = 4.0

FEWEST_DAYS: Final = 3
"""With less history nothing is called a surge."""

LEAST: Final[Mapping[str, int]] = {
    "verdicts.urgent": 5,
    "dead_letters": 5,
    "verdicts.wrong_path": 10,
    "cost_usd": 1_000_000_000,
}
"""What is watched, and what an hour has to reach before it can be a surge (costs in billionths of a dollar)."""


@dataclass(frozen=True, slots=True)
class Surge:
    """An hour that is out of the ordinary.

    Attributes:
        usual: Median of the same hour of earlier days.
        threshold: What was exceeded.
    """

    value: int
    usual: float
    threshold: float
    days: int


def surge(figure: str, value: int, earlier: Sequence[int]) -> Surge | None:
    """The surge that this hour is, if it is one.

    The threshold is the median and four robust deviations: of the median absolute deviation, but no less than chance
    alone would give a count that rare. One bad day in the history does not raise it, as it would a mean.

    Args:
        figure: One of `LEAST`.
        value: This hour so far: a part that exceeds what whole hours reach is enough.
        earlier: The same hour of earlier days.
    """
    if len(earlier) < FEWEST_DAYS:
        return None
    usual = median(earlier)
    spread = _MAD_TO_SIGMA * median(abs(each - usual) for each in earlier)
    # Costs are no counts: there chance is taken as that of cents.
    unit = 10_000_000 if figure.startswith("cost") else 1
    threshold = max(LEAST[figure] - 1, usual + _SIGMAS * max(spread, sqrt(usual * unit)))
    return Surge(value, usual, threshold, len(earlier)) if value > threshold else None
