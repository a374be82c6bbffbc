"""Per task: what is read off every row, and the figures over all rows or over those of one language. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from floodgate_eval.feature_figures import feature_figures
from floodgate_eval.metrics import (
    Bools,
    Figure,
    Floats,
    auroc,
    bootstrap,
    calibration_error,
    encoded,
    macro_f1,
    proportion,
    recall_at_false_alarms,
)
from floodgate_eval.rows import OUT_OF_SCOPE, Task

Columns = Mapping[str, NDArray[Any]]
Figures = dict[str, Figure | None]

_REJECTED_IN_SCOPE: Final = 0.15


def figures_of(task: Task, columns: Columns) -> Figures:
    """The figures of a task over some rows; None where the rows cannot tell."""
    return _FIGURES[task](columns)


def masked(columns: Columns, mask: Bools) -> dict[str, NDArray[Any]]:
    """The columns of some rows."""
    return {name: values[mask] for name, values in columns.items()}


def _intent(columns: Columns) -> Figures:
    truth, predicted = columns["truth"], columns["predicted"]
    inside = truth != OUT_OF_SCOPE
    scope, outside = columns["scope"], ~inside
    right = truth == predicted
    found: Figures = {
        "accuracy": proportion(right),
        "macro_f1": _macro_f1(predicted, truth),
        "in_scope_accuracy": proportion(right[inside]),
    }
    if np.any(outside) and np.any(inside):
        found |= {
            "oos_recall": proportion(right[outside]),
            "oos_recall_at_15pct_in_scope_rejected": _at(-scope, outside, _REJECTED_IN_SCOPE),
            "auroc": _auroc(-scope, outside),
        }
    return found | {"calibration_error": _calibration(columns)}


def _match(columns: Columns) -> Figures:
    wrong, score = columns["positive"], columns["score"]
    return {
        "accuracy": proportion(columns["flagged"] == wrong),
        "auroc": _auroc(score, wrong),
        "mismatch_recall_at_5pct_false_alarms": _at(score, wrong, 0.05),
        "mismatch_recall_at_1pct_false_alarms": _at(score, wrong, 0.01),
        **_flags(columns),
        "calibration_error": _calibration(columns),
    }


def _injection(columns: Columns) -> Figures:
    attack, score = columns["positive"], columns["score"]
    return {
        **_flags(columns),
        "accuracy": proportion(columns["flagged"] == attack),
        "auroc": _auroc(score, attack),
        "quarantined_false_positive_rate": proportion(columns["quarantined"][~attack]),
        "calibration_error": _calibration(columns),
    }


def _urgency(columns: Columns) -> Figures:
    urgent = columns["positive"]
    return {
        **_flags(columns),
        "accuracy": proportion(columns["flagged"] == urgent),
        "auroc": _auroc(columns["score"], urgent),
    }


def _sentiment(columns: Columns) -> Figures:
    truth, predicted = columns["truth"], columns["predicted"]
    return {
        "accuracy": proportion(truth == predicted),
        "macro_f1": _macro_f1(predicted, truth),
    }


def _privacy(columns: Columns) -> Figures:
    """Over rows; a row counts as often as it has spans."""
    gold, masked_spans = columns["gold"], columns["gold_masked"]
    found, right = columns["found"], columns["found_right"]
    return {
        "recall": _ratio(masked_spans, gold),
        "precision": _ratio(right, found),
        "restored": proportion(columns["restored"]),
    }


def _summary(columns: Columns) -> Figures:
    return {
        "rouge1": _mean(columns["rouge1"]),
        "rougeL": _mean(columns["rougeL"]),
        "unsupported_facts": _mean(columns["unsupported"]),
        "unsupported_share": proportion(columns["unsupported"] > 0),
    }


def _macro_f1(predicted: NDArray[Any], truth: NDArray[Any]) -> Figure | None:
    said, meant = encoded(predicted, truth)
    return bootstrap(lambda rows: macro_f1(said[rows], meant[rows]), len(meant))


def _flags(columns: Columns) -> Figures:
    positive, flagged = columns["positive"], columns["flagged"]
    return {"recall": proportion(flagged[positive]), "false_positive_rate": proportion(flagged[~positive])}


def _at(score: Floats, positive: Bools, rate: float) -> Figure | None:
    return bootstrap(lambda rows: recall_at_false_alarms(score[rows], positive[rows], rate), len(score))


def _auroc(score: Floats, positive: Bools) -> Figure | None:
    return bootstrap(lambda rows: auroc(score[rows], positive[rows]), len(score))


def _calibration(columns: Columns) -> Figure | None:
    stated, right = columns["stated"], columns["stated_right"]
    known = ~np.isnan(stated)
    stated, right = stated[known], right[known]
    return bootstrap(lambda rows: calibration_error(stated[rows], right[rows]), len(stated))


def _mean(values: Floats) -> Figure | None:
    return bootstrap(lambda rows: float(np.mean(values[rows])), len(values))


def _ratio(part: Floats, whole: Floats) -> Figure | None:
    def measure(rows: NDArray[np.int64]) -> float | None:
        total = float(np.sum(whole[rows]))
        return float(np.sum(part[rows])) / total if total else None

    return bootstrap(measure, len(whole))


_FIGURES: Final[Mapping[Task, Callable[[Columns], Figures]]] = {
    Task.INTENT: _intent,
    Task.MATCH: _match,
    Task.INJECTION: _injection,
    Task.URGENCY: _urgency,
    Task.SENTIMENT: _sentiment,
    Task.PRIVACY: _privacy,
    Task.SUMMARY: _summary,
    Task.FEATURES: feature_figures,
}
