"""The gate fails on a real drop and on nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from floodgate_eval.gate import baseline_of, compare, fingerprint, reached, read_baseline, unwritten
from floodgate_eval.suites import read_suites
from keyflow import FatalError


def result(value: float, interval: tuple[float, float], figure: str = "accuracy", corpus: str = "c") -> dict[str, Any]:
    return {
        "task": "intent", "n": 100, "model": "m", "corpus": corpus,
        figure: value, "confidence_intervals": {figure: list(interval)},
    }  # fmt: skip


def kept(*arguments: Any, **named: Any) -> dict[str, Any]:
    found: dict[str, Any] = baseline_of({"own": result(*arguments, **named)})["suites"]["own"]
    return found


def test_a_drop_whose_intervals_lie_apart_fails() -> None:
    (finding,) = compare("own", result(0.70, (0.66, 0.74)), kept(0.80, (0.76, 0.84)), tolerance=0.5)
    assert finding.failed
    assert "do not overlap" in finding.said


def test_a_drop_within_the_noise_and_the_tolerance_passes() -> None:
    (finding,) = compare("own", result(0.79, (0.70, 0.88)), kept(0.80, (0.71, 0.89)), tolerance=0.03)
    assert not finding.failed
    assert finding.said == "worse by 0.010"


def test_a_drop_beyond_the_tolerance_fails_though_the_intervals_overlap() -> None:
    (finding,) = compare("own", result(0.75, (0.65, 0.85)), kept(0.80, (0.71, 0.89)), tolerance=0.03)
    assert finding.failed
    assert "tolerance" in finding.said


def test_a_rise_never_fails() -> None:
    (finding,) = compare("own", result(0.95, (0.94, 0.96)), kept(0.80, (0.76, 0.84)))
    assert not finding.failed
    assert finding.said.startswith("better")


def test_more_false_alarms_are_a_drop() -> None:
    figure = "false_positive_rate"
    (worse,) = compare("own", result(0.10, (0.08, 0.12), figure), kept(0.02, (0.01, 0.03), figure))
    (better,) = compare("own", result(0.01, (0.0, 0.02), figure), kept(0.10, (0.08, 0.12), figure))
    assert worse.failed
    assert not better.failed


def test_a_figure_that_is_gone_and_a_corpus_that_changed_fail() -> None:
    (gone,) = compare("own", result(0.9, (0.8, 1.0), "recall"), kept(0.9, (0.8, 1.0)))
    (changed,) = compare("own", result(0.9, (0.8, 1.0), corpus="other"), kept(0.9, (0.8, 1.0)))
    assert gone.failed
    assert changed.failed
    assert "--update" in changed.said


def test_a_suite_that_the_baseline_does_not_know_passes_and_says_so() -> None:
    (finding,) = compare("own", result(0.1, (0.0, 0.2)), None)
    assert not finding.failed
    assert "not in the baseline" in finding.said


def test_a_baseline_that_is_none_is_told(tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    assert read_baseline(file) == {}
    file.write_text("[]")
    with pytest.raises(FatalError, match="--update"):
        read_baseline(file)


def test_the_fingerprint_follows_the_content(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text("one")
    before = fingerprint([file])
    assert fingerprint([file]) == before
    file.write_text("two")
    assert fingerprint([file]) != before


def test_a_figure_below_what_the_suite_asks_for_fails() -> None:
    (low,) = reached("da", result(0.79, (0.7, 0.9)), {"accuracy": 0.8})
    (enough,) = reached("da", result(0.80, (0.7, 0.9)), {"accuracy": 0.8})
    assert low.failed
    assert not enough.failed


def test_a_suite_whose_rows_are_not_written_fails(tmp_path: Path) -> None:
    (tmp_path / "da.jsonl").write_text('{"text": "[TODO] x", "intent": "a"}\n{"text": "fine", "intent": "a"}\n')
    (tmp_path / "suites.yaml").write_text("suites:\n  da/intent: {task: intent, test: [da.jsonl]}\n")
    [prepared], _ = read_suites(tmp_path / "suites.yaml")
    assert prepared.unwritten == 1
    assert unwritten(prepared.name, prepared.unwritten).failed
