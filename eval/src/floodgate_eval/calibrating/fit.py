"""Fits a calibration: what was said beside what people say. Pure, and plain numbers come out.

Urgency and satisfaction follow one rising curve (isotonic regression to medians, in blocks of enough rows, straight
between them) and a shift for each place; sentiment is cut on one scale of mood. A place's own numbers are drawn towards
the common ones, the more the fewer rows it has: `PRIOR_ROWS` rows of its own count as much as all others together.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import product
from typing import Final, TypeVar

import numpy as np
from floodgate.catalogue.calibration import FeatureCalibration, NumberCalibration, SentimentCalibration
from summarizer.domain.calibration import Judged, along, cut, mood

PRIOR_ROWS: Final = 20
_LEAST_BLOCK: Final = 8
_LEAST_PLACE: Final = 5
_IDENTITY: Final = (-0.5, 0.5)
_DIGITS: Final = 3
_CUTS: Final = tuple(product(np.arange(-1.0, 0.001, 0.05).round(2), np.arange(0.0, 1.001, 0.05).round(2)))
# A cut has to earn its distance from where it was: half a unit of mood costs one row and a half in a hundred.
_DISTANCE_COST: Final = 0.03
PARTS: Final = frozenset({"sentiment", "urgency", "csat"})
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Pair:
    """One labelled interaction: what the model said and what people say; None where they say nothing."""

    language: str
    country: str | None
    said: Judged
    sentiment: str | None
    urgency: float | None
    csat: float | None

    @property
    def places(self) -> tuple[str, ...]:
        """The language, and the language in the country."""
        return (self.language, f"{self.language}-{self.country}") if self.country else (self.language,)


def fit(
    pairs: Sequence[Pair], *, model: str, prompt: str, today: date, parts: frozenset[str] = PARTS
) -> FeatureCalibration:
    """The calibration of some rows; what too few rows speak for stays as it is said, and what is no part of `parts`."""
    urgency = [(pair, pair.said.urgency, pair.urgency) for pair in pairs if pair.urgency is not None]
    csat = [(pair, pair.said.csat, pair.csat) for pair in pairs if pair.csat is not None]
    return FeatureCalibration(
        model=model,
        prompt=prompt,
        fitted_on=today,
        rows=dict(sorted(Counter(pair.language for pair in pairs).items())),
        sentiment=_sentiment([pair for pair in pairs if pair.sentiment is not None and "sentiment" in parts]),
        urgency=_number(urgency if "urgency" in parts else ()),
        csat=_number(csat if "csat" in parts else ()),
    )


def _number(rows: Sequence[tuple[Pair, float, float]]) -> NumberCalibration:
    curve = rising([(said, meant) for _, said, meant in rows])
    left: defaultdict[str, list[float]] = defaultdict(list)
    for pair, said, meant in rows:
        for place in pair.places:
            left[place].append(meant - along(said, curve))
    shift = {place: round(_shrunk(off), _DIGITS) for place, off in _enough(left)}
    return NumberCalibration(curve=curve, shift={place: by for place, by in shift.items() if by})


def _shrunk(off: Sequence[float]) -> float:
    """How far a place is off, drawn towards nothing."""
    return float(np.median(off)) * len(off) / (len(off) + PRIOR_ROWS)


def rising(points: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """Isotonic regression by pooling adjacent violators, in blocks of at least eight rows; their medians as points."""
    if len(points) < 2 * _LEAST_BLOCK:
        return ()
    blocks: list[list[tuple[float, float]]] = []
    for point in sorted(points):
        # Rows that said the same belong together.
        if blocks and (len(blocks[-1]) < _LEAST_BLOCK or blocks[-1][-1][0] == point[0]):
            blocks[-1].append(point)
        else:
            blocks.append([point])
        blocks = _pooled(blocks)
    if len(blocks) > 1 and len(blocks[-1]) < _LEAST_BLOCK:
        blocks[-2:] = [blocks[-2] + blocks[-1]]
    # Nothing and everything keep their meaning, so that what few rows said is not flattened. Two blocks may round to
    # the same place: then one point is enough.
    middles: dict[float, float] = {0.0: 0.0, 1.0: 1.0}
    for block in _pooled(blocks):
        said, meant = (round(float(value), _DIGITS) for value in np.median(block, axis=0))
        middles[said] = meant
    return tuple(sorted(middles.items()))


def _pooled(blocks: list[list[tuple[float, float]]]) -> list[list[tuple[float, float]]]:
    while len(blocks) > 1 and _middle(blocks[-2]) > _middle(blocks[-1]):
        blocks[-2:] = [blocks[-2] + blocks[-1]]
    return blocks


def _middle(block: Sequence[tuple[float, float]]) -> float:
    return float(np.median([meant for _, meant in block]))


def _sentiment(pairs: Sequence[Pair]) -> SentimentCalibration:
    if len(pairs) < 2 * _LEAST_BLOCK:
        return SentimentCalibration()
    kinds = Counter(pair.sentiment for pair in pairs)
    weights = np.array([len(pairs) / (len(kinds) * kinds[pair.sentiment]) for pair in pairs])
    wrong = np.array([[cut(mood(pair.said), cuts) != pair.sentiment for pair in pairs] for cuts in _CUTS])
    losses = wrong * weights
    common = _best(losses.mean(axis=1), _IDENTITY)
    of: dict[str, tuple[float, float]] = {}
    members: defaultdict[str, list[int]] = defaultdict(list)
    for position, pair in enumerate(pairs):
        for place in pair.places:
            members[place].append(position)
    for place, rows in _enough(members):
        own = losses[:, rows].sum(axis=1) + PRIOR_ROWS * losses.mean(axis=1)
        chosen = _best(own / (len(rows) + PRIOR_ROWS), common)
        if chosen != common:
            of[place] = chosen
    return SentimentCalibration(cuts=common, of=of)


def _best(losses: np.ndarray[tuple[int, ...], np.dtype[np.float64]], near: tuple[float, float]) -> tuple[float, float]:
    """The cuts of the least loss; of several the nearest to those that hold without a reason."""
    away = np.array([abs(low - near[0]) + abs(high - near[1]) for low, high in _CUTS])
    low, high = _CUTS[int(np.argmin(losses + _DISTANCE_COST * away))]
    return float(low), float(high)


def _enough(of_place: Mapping[str, list[V]]) -> Iterable[tuple[str, list[V]]]:
    """Places with rows enough; a country only where its language has other countries as well."""
    for place, rows in sorted(of_place.items()):
        language = place[:2]
        alone = place != language and len(rows) == len(of_place[language])
        if len(rows) >= _LEAST_PLACE and not alone:
            yield place, rows
