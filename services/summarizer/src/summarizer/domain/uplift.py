"""What our features add to a model of something people know later, churn say. Pure; every draw is seeded.

A ridge-regularised logistic regression, out of fold, with and without our features; bootstrap intervals over labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Row = Mapping[str, Any]
NUMBERS: Final = ("urgency_score", "csat_indicator")
SETS: Final = ("sentiment", "primary_topic", "intent", "resolution_status")
OUTCOME: Final = "label_label"
_NOT_OWN: Final = frozenset({OUTCOME, "label_at"})
_FOLDS: Final = 5
_RIDGE: Final = 1.0
_STEPS: Final = 25
_RESAMPLES: Final = 400
_CURVE: Final = (25, 50, 100, 200, 400, 800, 1600, 3200)
_CURVE_DRAWS: Final = 8
_TEST_SHARE: Final = 0.3
_LEAST_LABELS: Final = 40
SEED: Final = 20261122


@dataclass(frozen=True, slots=True)
class Estimate:
    """An AUC, or a difference of two, with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Uplift:
    """What the features are worth.

    Attributes:
        known: Labels with a feature record at their moment.
        curve: Labels learned from, AUC without and with ours (means over draws).
        labels_needed: So many labels bring a model with ours to where all labels bring one without; None: not reached.
    """

    labels: int
    positive: int
    known: int
    own_columns: tuple[str, ...]
    without: Estimate
    with_ours: Estimate
    gain: Estimate
    curve: tuple[tuple[int, float, float], ...]
    labels_needed: int | None


def uplift(rows: Sequence[Row], *, seed: int = SEED) -> Uplift:
    """The uplift over labels joined as of their moments (`offline.as_of`); `label_label` is 0 or 1.

    Raises:
        ValueError: Too few labels, or all of one kind.
    """
    truth = np.array([_outcome(row) for row in rows])
    if len(rows) < _LEAST_LABELS or len(set(truth.tolist())) < 2 or min(truth.sum(), (1 - truth).sum()) < _FOLDS:
        raise ValueError(
            f"{len(rows)} labels, {int(truth.sum())} of them 1: at least {_LEAST_LABELS} are needed, "
            f"and {_FOLDS} of each kind"
        )
    own_names = tuple(sorted({name for row in rows for name in row if name.startswith("label_")} - _NOT_OWN))
    own = columns(rows, own_names)
    both = np.hstack([own, columns(rows, (*NUMBERS, *SETS))])
    scores = [_out_of_fold(matrix, truth, seed) for matrix in (own, both)]
    without, with_ours, gain = _estimates(scores[0], scores[1], truth, seed)
    curve = tuple(_curve(own, both, truth, seed))
    reached = next((count for count, _, ours in curve if ours >= without.value), None)
    return Uplift(
        len(rows), int(truth.sum()), sum("interaction_id" in row and "summary" in row for row in rows), own_names,
        without, with_ours, gain, curve, reached,
    )  # fmt: skip


def columns(rows: Sequence[Row], names: Sequence[str]) -> Floats:
    """Numbers standardised, with a mark where they are missing; everything else one column per value."""
    made: list[Floats] = []
    for name in names:
        values = [row.get(name) for row in rows]
        if all(isinstance(value, int | float) or value is None for value in values):
            numbers = np.array([np.nan if value is None else float(value) for value in values])
            missing = np.isnan(numbers)
            filled = np.where(missing, numbers[~missing].mean() if (~missing).any() else 0.0, numbers)
            spread = filled.std()
            made.append((filled - filled.mean()) / (spread or 1.0))
            made += [missing.astype(np.float64)] if missing.any() else []
        else:
            kinds = sorted({str(value) for value in values if value is not None})
            made += [np.array([str(value) == kind for value in values], dtype=np.float64) for kind in kinds]
    return np.column_stack(made) if made else np.zeros((len(rows), 0))


def auc(scores: Floats, truth: Floats) -> float:
    """Area under the ROC curve, ties counted half; 0.5 where one kind is missing."""
    positive = truth > 0
    count = int(positive.sum())
    if count in {0, len(truth)}:
        return 0.5
    _, place, sizes = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(sizes) - (sizes - 1) / 2)[place]
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * (len(truth) - count)))


def fitted(matrix: Floats, truth: Floats) -> Floats:
    """Weights of a logistic regression with an intercept, by Newton's method."""
    design = np.hstack([np.ones((len(matrix), 1)), matrix])
    penalty = np.full(design.shape[1], _RIDGE)
    penalty[0] = 1e-6
    weights = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        likely = _likely(design @ weights)
        slope = design.T @ (likely - truth) + penalty * weights
        curvature = (design.T * np.maximum(likely * (1 - likely), 1e-9)) @ design + np.diag(penalty)
        step = np.linalg.solve(curvature, slope)
        weights -= step
        if float(np.abs(step).max()) < 1e-8:
            break
    return weights


def scored(matrix: Floats, weights: Floats) -> Floats:
    """The log odds of rows."""
    return np.asarray(weights[0] + matrix @ weights[1:], dtype=np.float64)


def _likely(odds: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(odds, -30, 30))), dtype=np.float64)


def _outcome(row: Row) -> float:
    value = row.get(OUTCOME)
    if value not in {0, 1}:
        raise ValueError('a label needs "label": 0 or 1')
    return float(value)


def _out_of_fold(matrix: Floats, truth: Floats, seed: int) -> Floats:
    """Each row scored by a model of the other folds; each fold has its part of both kinds."""
    fold = np.zeros(len(truth), dtype=int)
    chance = np.random.default_rng(seed)
    for kind in (0.0, 1.0):
        places = chance.permutation(np.flatnonzero(truth == kind))
        fold[places] = np.arange(len(places)) % _FOLDS
    scores = np.zeros(len(truth))
    for number in range(_FOLDS):
        inside = fold == number
        scores[inside] = _likely(scored(matrix[inside], fitted(matrix[~inside], truth[~inside])))
    return scores


def _estimates(own: Floats, both: Floats, truth: Floats, seed: int) -> tuple[Estimate, Estimate, Estimate]:
    chance = np.random.default_rng(seed)
    draws = chance.integers(0, len(truth), size=(_RESAMPLES, len(truth)))
    pairs = np.array([(auc(own[draw], truth[draw]), auc(both[draw], truth[draw])) for draw in draws])
    values = (auc(own, truth), auc(both, truth))
    return (
        _estimate(values[0], pairs[:, 0]),
        _estimate(values[1], pairs[:, 1]),
        _estimate(values[1] - values[0], pairs[:, 1] - pairs[:, 0]),
    )


def _estimate(value: float, resampled: Floats) -> Estimate:
    low, high = np.percentile(resampled, (2.5, 97.5))
    return Estimate(round(value, 4), round(float(low), 4), round(float(high), 4))


def _curve(own: Floats, both: Floats, truth: Floats, seed: int) -> Iterator[tuple[int, float, float]]:
    """AUC on rows that took no part, by how many labels were learned from."""
    room = len(truth) - int(len(truth) * _TEST_SHARE)
    counts = [count for count in _CURVE if count < room] + [room]
    orders = [np.random.default_rng(seed + draw).permutation(len(truth)) for draw in range(_CURVE_DRAWS)]
    for count in counts:
        found = []
        for order in orders:
            test, learn = order[room:], order[:count]
            if 0 < truth[learn].sum() < count:
                found.append([auc(scored(m[test], fitted(m[learn], truth[learn])), truth[test]) for m in (own, both)])
        if found:
            without, ours = np.mean(found, axis=0)
            yield count, round(float(without), 4), round(float(ours), 4)
