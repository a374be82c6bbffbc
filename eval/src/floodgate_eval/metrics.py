"""Figures over labels and scores, with their uncertainty. Pure; every random draw is seeded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from floodgate.intervals import wilson
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Interval = tuple[float, float]

_RESAMPLES: Final = 400
_SEED: Final = 20261122
_BINS: Final = 10
_ROC_POINTS: Final = 60


@dataclass(frozen=True, slots=True)
class Figure:
    """A value with its 95 % interval."""

    value: float
    interval: Interval


def proportion(hits: Sequence[bool] | Bools) -> Figure | None:
    """A share of hits; None of nothing."""
    n = len(hits)
    if n == 0:
        return None
    count = int(np.sum(np.asarray(hits, dtype=bool)))
    return Figure(count / n, wilson(count, n))


def bootstrap(measure: Callable[[NDArray[np.int64]], float | None], n: int) -> Figure | None:
    """A figure over rows, with the percentile interval of seeded resamples.

    Args:
        measure: The figure of the rows with these positions; None where it cannot be told.
        n: How many rows there are.
    """
    value = measure(np.arange(n)) if n else None
    if value is None:
        return None
    draw = np.random.default_rng(_SEED)
    drawn = [measure(draw.integers(0, n, n)) for _ in range(_RESAMPLES)]
    known = [one for one in drawn if one is not None]
    if not known:
        return Figure(value, (value, value))
    low, high = np.quantile(known, (0.025, 0.975))
    return Figure(value, (float(low), float(high)))


def encoded(*columns: NDArray[Any]) -> tuple[NDArray[np.int64], ...]:
    """Labels as numbers, the same for the same label in every column."""
    _, codes = np.unique(np.concatenate(columns), return_inverse=True)
    return tuple(np.split(codes.astype(np.int64), np.cumsum([len(column) for column in columns])[:-1]))


def macro_f1(predicted: NDArray[np.int64], truth: NDArray[np.int64]) -> float | None:
    """Mean F1 over the labels (encoded) that occur in the truth."""
    if len(truth) == 0:
        return None
    size = int(max(predicted.max(), truth.max())) + 1
    hits = np.bincount(truth[predicted == truth], minlength=size)
    is_true, is_predicted = np.bincount(truth, minlength=size), np.bincount(predicted, minlength=size)
    occurs = is_true > 0
    return float(np.mean(2 * hits[occurs] / (is_true + is_predicted)[occurs]))


def auroc(scores: Floats, positive: Bools) -> float | None:
    """The probability that a positive scores above a negative, ties counted half; None without both kinds."""
    positives, n = int(np.sum(positive)), len(scores)
    if positives in {0, n}:
        return None
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    mean_rank = last - (counts - 1) / 2.0
    ranks = mean_rank[inverse]
    above = float(np.sum(ranks[positive])) - positives * (positives + 1) / 2.0
    return above / (positives * (n - positives))


def recall_at_false_alarms(scores: Floats, positive: Bools, rate: float) -> float | None:
    """The largest share of positives above a threshold that at most this share of negatives passes.

    Rows of one score pass together: a detector that answers in two values has but two thresholds.
    """
    positives = scores[positive]
    if np.all(positive) or len(positives) == 0:
        return None
    cut = cut_at_false_alarms(scores, positive, rate)
    return 1.0 if cut is None else float(np.mean(positives > cut))


def cut_at_false_alarms(scores: Floats, positive: Bools, rate: float) -> float | None:
    """The score above which at most this share of negatives lies; None where any score will do."""
    negatives = np.sort(scores[~positive])[::-1]
    allowed = int(np.floor(rate * len(negatives) + 1e-9))
    # Strictly above the first negative that may not pass.
    return float(negatives[allowed]) if allowed < len(negatives) else None


def calibration_error(confidence: Floats, correct: Bools) -> float | None:
    """Expected calibration error over ten equal bins."""
    n = len(confidence)
    if n == 0:
        return None
    return float(sum(b["n"] * abs(b["confidence"] - b["accuracy"]) for b in reliability(confidence, correct)) / n)


def reliability(confidence: Floats, correct: Bools) -> list[dict[str, Any]]:
    """Per bin of stated confidence: how many, the mean confidence, and how often it was right."""
    placed = np.minimum((np.clip(confidence, 0.0, 1.0) * _BINS).astype(int), _BINS - 1)
    return [
        {
            "n": int(np.sum(placed == number)),
            "confidence": float(np.mean(confidence[placed == number])),
            "accuracy": float(np.mean(correct[placed == number])),
        }
        for number in range(_BINS)
        if np.any(placed == number)
    ]


def roc(scores: Floats, positive: Bools) -> list[list[float]]:
    """(false alarms, recall) at the thresholds, at most sixty of them, from (0, 0) to (1, 1)."""
    if not np.any(positive) or np.all(positive):
        return []
    points = [[0.0, 0.0]]
    for threshold in np.unique(scores)[::-1]:
        passed = scores >= threshold
        points.append([float(np.mean(passed[~positive])), float(np.mean(passed[positive]))])
    step = max(1, -(-len(points) // _ROC_POINTS))
    return [*points[:-1:step], points[-1]]


def confusions(predicted: Sequence[str], truth: Sequence[str], most: int = 12) -> list[dict[str, Any]]:
    """The mistakes made most often, with the share of the true label's rows that they are."""
    of_label = Counter(truth)
    wrong = Counter((t, p) for t, p in zip(truth, predicted, strict=True) if t != p)
    return [
        {"truth": t, "predicted": p, "n": n, "share": n / of_label[t]}
        for (t, p), n in sorted(wrong.items(), key=lambda pair: (-pair[1], pair[0]))[:most]
    ]


def agreement(answers: Sequence[Sequence[str]]) -> float | None:
    """The share of rows to which every repeat gave the same answer."""
    if not answers:
        return None
    return sum(len(set(given)) == 1 for given in answers) / len(answers)


def percentiles_ms(seconds: Sequence[float]) -> dict[str, float]:
    """Median and 95th percentile in milliseconds."""
    if not seconds:
        return {}
    low, high = np.quantile(np.asarray(seconds) * 1000.0, (0.5, 0.95))
    return {"p50": round(float(low), 3), "p95": round(float(high), 3)}
