"""A run as JSON: the figures by their names, each also by language, with intervals, cost and times beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from floodgate_eval.figures import Columns, figures_of, masked
from floodgate_eval.masking import Masked, covered
from floodgate_eval.metrics import Figure, confusions, cut_at_false_alarms, percentiles_ms, reliability, roc
from floodgate_eval.rows import PrivacyRow, Row, Task, UrgencyRow
from floodgate_eval.tasks import Answer, Asked, columns_of

_DIGITS: Final = 4


def result_of(task: Task, asked: Asked, about: Mapping[str, Any]) -> dict[str, Any]:
    """The result of a run.

    Args:
        task: What was measured.
        asked: What came of the rows.
        about: Model, catalogue and the like, as they shall stand in the result.
    """
    done = asked.run.done
    columns = columns_of(task, done)
    groups = sorted(set(columns["group"].tolist())) if done else []
    return {
        "task": task.value,
        "n": len(done),
        **_measured(task, columns, len(done)),
        "by_language": {
            group: {
                "n": int(np.sum(columns["group"] == group)),
                **_measured(task, masked(columns, columns["group"] == group), 1),
            }
            for group in groups
        },
        **_breakdown(task, done),
        "agreement": _rounded(asked.agreement),
        "repeats": len(asked.repeated[0]) if asked.repeated else 1,
        "failed": asked.failed,
        "failures": asked.failures,
        "stopped": asked.run.stopped,
        "cost_usd": round(sum(usage.cost_usd for usage in asked.usages), 6),
        "model_calls": sum(usage.calls for usage in asked.usages),
        "latency_ms": _latencies(asked),
        "rows_per_second": round(rate, 1) if (rate := asked.rows_per_second) else None,
        "model": next((usage.model_label for usage in asked.usages), None),
        **about,
        "thresholds": _thresholds(task, columns),
        "plots": _plots(task, columns),
    }


def _measured(task: Task, columns: Columns, n: int) -> dict[str, Any]:
    figures = figures_of(task, columns) if n else {}
    known = {name: figure for name, figure in figures.items() if figure is not None}
    values: dict[str, Any] = {name: _rounded(figure.value) for name, figure in known.items()}
    values["confidence_intervals"] = {name: _interval(figure) for name, figure in known.items()}
    return values


def _interval(figure: Figure) -> list[float]:
    return [round(bound, _DIGITS) for bound in figure.interval]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)


def _latencies(asked: Asked) -> dict[str, Any]:
    return {
        "call": percentiles_ms(asked.call_seconds),
        "call_alone": percentiles_ms(asked.alone_seconds),
        "own_work": percentiles_ms(asked.own_work.seconds),
        "own_work_cpu": percentiles_ms(asked.own_work.cpu_seconds),
        "search_in_memory": percentiles_ms(asked.own_work.search_seconds),
    }


def _thresholds(task: Task, columns: Columns) -> dict[str, Any]:
    """What to set in the catalogue for a rate of false alarms, by the rows measured."""
    if task not in {Task.MATCH, Task.INJECTION} or "score" not in columns or np.all(columns["positive"]):
        return {}
    cuts = {
        f"at_{rate:.0%}_false_alarms".replace("%", "pct"): cut_at_false_alarms(
            columns["score"], columns["positive"], rate
        )
        for rate in (0.05, 0.01)
    }
    if task is Task.MATCH:
        return {"belongs": {name: None if cut is None else round(1.0 - cut, _DIGITS) for name, cut in cuts.items()}}
    return {"misuse": {name: _rounded(cut) for name, cut in cuts.items()}}


def _plots(task: Task, columns: Columns) -> dict[str, Any]:
    plots: dict[str, Any] = {}
    if "stated" in columns:
        known = ~np.isnan(columns["stated"])
        plots["reliability"] = reliability(columns["stated"][known], columns["stated_right"][known])
    if "score" in columns:
        plots["roc"] = roc(columns["score"], columns["positive"])
    if "scope" in columns:
        plots["roc"] = roc(-columns["scope"], columns["truth"] == "oos")
    if task in {Task.INTENT, Task.SENTIMENT, Task.URGENCY, Task.FEATURES}:
        plots["confusions"] = confusions(columns["predicted"].tolist(), columns["truth"].tolist())
    return plots


def _breakdown(task: Task, done: Sequence[tuple[Row, Answer]]) -> dict[str, Any]:
    if task is Task.URGENCY:
        return {"by_kind": _urgent_kinds(done)}
    return {"by_kind": _masked_kinds(done)} if task is Task.PRIVACY else {}


def _urgent_kinds(done: Sequence[tuple[Row, Answer]]) -> dict[str, Any]:
    kinds: dict[str, list[bool]] = {}
    for row, answer in done:
        if isinstance(row, UrgencyRow) and not isinstance(answer, Masked) and hasattr(answer, "verdict"):
            kind = row.kind or ("urgent" if row.urgent else "not urgent")
            kinds.setdefault(kind, []).append(answer.verdict.urgent)
    return {
        kind: {"n": len(flags), "escalated": _rounded(float(np.mean(flags)))} for kind, flags in sorted(kinds.items())
    }


def _masked_kinds(done: Sequence[tuple[Row, Answer]]) -> dict[str, Any]:
    kinds: dict[str, list[bool]] = {}
    for row, answer in done:
        if isinstance(row, PrivacyRow) and isinstance(answer, Masked):
            for span in row.spans:
                kinds.setdefault(span.kind, []).append(covered(span.start, span.end, row.text, answer.ranges))
    return {kind: {"n": len(hits), "recall": _rounded(float(np.mean(hits)))} for kind, hits in sorted(kinds.items())}
