"""What calibration would do to interactions that it was not fitted on: figures before and after. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
from floodgate.catalogue.calibration import FeatureCalibration
from summarizer.domain.calibration import Judged, corrected

from floodgate_eval.calibrating.fit import PARTS, Pair, fit
from floodgate_eval.metrics import encoded, macro_f1

FOLDS: Final = 5
ALL: Final = "all"
_ANY_DAY: Final = date(2000, 1, 1)
_PLOT_BINS: Final = 5
_RESAMPLES: Final = 200
_SURE: Final = 0.95
_FIGURES: Final = {"sentiment": "sentiment_macro_f1", "urgency": "urgency_mae", "csat": "csat_mae"}


@dataclass(frozen=True, slots=True)
class Compared:
    """One row: what people say, what was said, and what calibration makes of it."""

    pair: Pair
    after: Judged


def parts_that_help(pairs: Sequence[Pair], *, seed: int) -> frozenset[str]:
    """The parts of a calibration that make rows better that it was not fitted on; the others stay as they were said.

    Better is what is better in nineteen of twenty resamples of the rows, so that chance keeps no cut.
    """
    compared = cross_validated(pairs, seed=seed)
    draws = np.random.default_rng(seed).integers(0, len(compared), size=(_RESAMPLES, len(compared)))
    wins = dict.fromkeys(PARTS, 0)
    for draw in draws:
        found = _figures([compared[position] for position in draw])
        for part, name in _FIGURES.items():
            before, after = found[name] or (0.0, 0.0)
            wins[part] += after > before if part == "sentiment" else after < before
    return frozenset(part for part, won in wins.items() if won >= _SURE * _RESAMPLES)


def cross_validated(pairs: Sequence[Pair], *, seed: int, parts: frozenset[str] = PARTS) -> list[Compared]:
    """Every row corrected by a calibration that was fitted on other rows; each fold takes a part of every language."""
    order = np.random.default_rng(seed).permutation(len(pairs))
    taken: dict[str, int] = {}
    fold = np.zeros(len(pairs), dtype=int)
    for position in order:
        language = pairs[position].language
        fold[position] = taken.get(language, 0) % FOLDS
        taken[language] = taken.get(language, 0) + 1
    found: list[Compared] = []
    for number in range(FOLDS):
        others = [pair for pair, at in zip(pairs, fold, strict=True) if at != number]
        calibration = fit(others, model="", prompt="", today=_ANY_DAY, parts=parts)
        found += applied([pair for pair, at in zip(pairs, fold, strict=True) if at == number], calibration)
    return found


def applied(pairs: Sequence[Pair], calibration: FeatureCalibration) -> list[Compared]:
    """Every row corrected by one calibration."""
    return [
        Compared(pair, corrected(pair.said, calibration, language=pair.language, country=pair.country))
        for pair in pairs
    ]


def figures(rows: Sequence[Compared]) -> dict[str, dict[str, Any]]:
    """Before and after, over all rows and by language."""
    found = {ALL: _figures(rows)}
    for language in sorted({row.pair.language for row in rows}):
        found[language] = _figures([row for row in rows if row.pair.language == language])
    return found


def _figures(rows: Sequence[Compared]) -> dict[str, Any]:
    told = [row for row in rows if row.pair.sentiment is not None]
    meant = [str(row.pair.sentiment) for row in told]
    return {
        "n": len(rows),
        "sentiment_macro_f1": [_f1([row.pair.said.sentiment for row in told], meant),
                               _f1([row.after.sentiment for row in told], meant)],
        "urgency_mae": _errors(rows, lambda pair: pair.urgency, lambda judged: judged.urgency),
        "csat_mae": _errors(rows, lambda pair: pair.csat, lambda judged: judged.csat),
    }  # fmt: skip


def _f1(said: Sequence[str], meant: Sequence[str]) -> float | None:
    if not meant:
        return None
    predicted, truth = encoded(np.array(said), np.array(meant))
    return round(float(macro_f1(predicted, truth) or 0.0), 4)


def _errors(
    rows: Sequence[Compared], meant: Callable[[Pair], float | None], of: Callable[[Judged], float]
) -> list[float] | None:
    known = [(row, value) for row in rows if (value := meant(row.pair)) is not None]
    if not known:
        return None
    before = np.mean([abs(of(row.pair.said) - value) for row, value in known])
    after = np.mean([abs(of(row.after) - value) for row, value in known])
    return [round(float(before), 4), round(float(after), 4)]


def reliability(rows: Sequence[Compared], name: str, *, after: bool) -> list[dict[str, Any]]:
    """Bins of what was said with the mean of what was meant, for `reliability_plot`."""
    known = [
        (getattr(row.after if after else row.pair.said, name), value)
        for row in rows
        if (value := getattr(row.pair, name)) is not None
    ]
    return list(_bins(known))


def _bins(known: Sequence[tuple[float, float]]) -> Iterator[dict[str, Any]]:
    for number in range(_PLOT_BINS):
        inside = [(s, m) for s, m in known if min(int(s * _PLOT_BINS), _PLOT_BINS - 1) == number]
        if inside:
            said, meant = np.mean(inside, axis=0)
            yield {"confidence": float(said), "accuracy": float(meant), "n": len(inside)}
