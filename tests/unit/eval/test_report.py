"""The report needs nothing from outside and lets no text of a corpus become markup."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

from floodgate_eval.gate import Finding
from floodgate_eval.plots import bars, confusion_plot, reliability_plot, roc_plot
from floodgate_eval.report import render


def result() -> dict[str, Any]:
    figures = {"accuracy": 0.9, "confidence_intervals": {"accuracy": [0.8, 1.0]}}
    return {
        "task": "intent", "n": 10, "model": "<b>model</b>", "cost_usd": 0.0, "failed": 1,
        "agreement": 1.0, "repeats": 5,
        "latency_ms": {"call": {"p50": 1.0, "p95": 2.0}}, **figures,
        "by_language": {"en": {"n": 6, **figures}, "<nl>": {"n": 4, **figures}},
        "plots": {
            "roc": [[0.0, 0.0], [0.5, 0.9], [1.0, 1.0]],
            "reliability": [{"n": 5, "confidence": 0.75, "accuracy": 0.8}],
            "confusions": [{"truth": "a<b", "predicted": "c&d", "n": 3, "share": 0.3}],
        },
    }  # fmt: skip


def test_every_plot_is_well_formed() -> None:
    plots = result()["plots"]
    drawn = [
        roc_plot(plots["roc"]), reliability_plot(plots["reliability"]), confusion_plot(plots["confusions"]),
        bars([("<en>", 0.5, (0.4, 0.6), 10)], "accuracy"),
    ]  # fmt: skip
    for plot in drawn:
        assert ElementTree.fromstring(plot).tag == "svg"


def test_the_page_is_self_contained_and_escaped() -> None:
    page = render([result()], [Finding("own", "accuracy", 0.95, 0.9, failed=True, said="dropped & more")])
    assert not re.search(r'(?:src|href)="|https?://|<script|@import|url\(', page)
    assert "<b>model" not in page
    assert "<nl>" not in page
    assert "a&lt;b" in page
    assert "1 dropped" in page
    assert "dropped &amp; more" in page


def test_a_result_without_plots_is_shown_by_its_figures() -> None:
    plain = {**result(), "plots": {}, "by_language": {}}
    assert "0.900" in render([plain])
