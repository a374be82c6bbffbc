"""The figures of whole feature records. Pure; a figure is left out where nobody labelled what it needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from floodgate_eval.metrics import Figure, bootstrap, encoded, macro_f1, proportion

Columns = Mapping[str, NDArray[Any]]


def feature_figures(columns: Columns) -> dict[str, Figure | None]:
    """In the order in which they are shown."""
    personal = int(np.sum(columns["personal"]))
    return {
        "sentiment_macro_f1": _macro_f1(columns["sentiment"], columns["sentiment_truth"]),
        "topic_accuracy": _accuracy(columns["predicted"], columns["truth"]),
        "resolution_accuracy": _accuracy(columns["resolution"], columns["resolution_truth"]),
        "rouge1": _mean(columns["rouge1"]),
        "rougeL": _mean(columns["rougeL"]),
        "rouge1_template": _mean(columns["rouge1_template"]),
        "rougeL_template": _mean(columns["rougeL_template"]),
        "urgency_mae": _mean(columns["urgency_error"]),
        "csat_mae": _mean(columns["csat_error"]),
        "fact_coverage": _share(columns["facts_covered"], columns["facts"]),
        "unsupported_facts": _mean(columns["unsupported"]),
        "personal_data_in_summaries": Figure(float(personal), (float(personal), float(personal))),
        "valid": proportion(columns["valid"]),
        "intent_accuracy": _accuracy(columns["intent"], columns["intent_truth"]),
        "language_accuracy": _accuracy(columns["language"], np.where(columns["language_truth"] == "und", "",
                                                                      columns["language_truth"])),
        "too_short_share": proportion(columns["too_short"]),
    }  # fmt: skip


def _accuracy(said: NDArray[Any], meant: NDArray[Any]) -> Figure | None:
    known = meant != ""
    return proportion((said == meant)[known])


def _macro_f1(said: NDArray[Any], meant: NDArray[Any]) -> Figure | None:
    known = meant != ""
    if not np.any(known):
        return None
    predicted, truth = encoded(said[known], meant[known])
    return bootstrap(lambda rows: macro_f1(predicted[rows], truth[rows]), len(truth))


def _mean(values: NDArray[Any]) -> Figure | None:
    known = values.astype(np.float64)
    known = known[~np.isnan(known)]
    return bootstrap(lambda rows: float(np.mean(known[rows])), len(known))


def _share(part: NDArray[Any], whole: NDArray[Any]) -> Figure | None:
    def measure(rows: NDArray[np.int64]) -> float | None:
        total = float(np.sum(whole[rows]))
        return float(np.sum(part[rows])) / total if total else None

    return bootstrap(measure, len(whole))
