"""Every task on a few rows, through the command, against a local Bedrock server that the run starts and stops."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

ROOT = Path(__file__).parents[3]
CORPORA = ROOT / "eval/corpora"
KEYS = {
    "intent": {"accuracy", "macro_f1", "in_scope_accuracy", "oos_recall_at_15pct_in_scope_rejected"},
    "match": {"auroc", "mismatch_recall_at_5pct_false_alarms", "mismatch_recall_at_1pct_false_alarms", "recall"},
    "injection": {"recall", "false_positive_rate", "auroc"},
    "sentiment": {"accuracy", "macro_f1"},
    "urgency": {"recall", "false_positive_rate"},
    "privacy": {"recall", "precision"},
    "summary": {"rouge1", "rougeL", "unsupported_facts"},
}
EXAMPLES = [
    ("where is my parcel", "parcel"), ("my parcel has not arrived", "parcel"), ("track the parcel I sent", "parcel"),
    ("I want my money back", "refund"), ("please refund this purchase", "refund"), ("when is my refund paid", "refund"),
    ("how is the weather today", "weather"), ("will it rain tomorrow", "weather"), ("is it cold outside", "weather"),
]  # fmt: skip


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    # Nothing of a stack that may be up: the run must find its own server.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "FLOODGATE_"))}
    command = [sys.executable, "-m", "floodgate.cli.main", "eval", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280, check=False)


def servers() -> set[int]:
    found = set()
    for process in psutil.process_iter(["pid", "cmdline"]):
        line = " ".join(process.info["cmdline"] or ())
        if "floodgate_local.bedrock" in line and "floodgate-eval-" in line:
            found.add(process.info["pid"])
    return found


def measure(task: str, tmp_path: Path, *more: object) -> dict[str, Any]:
    out = tmp_path / f"{task}.json"
    done = run(task, "--test", CORPORA / f"{task}.jsonl", "--limit", 12, "--json", out, *more)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(out.read_text())
    return result


@pytest.mark.parametrize("task", sorted(KEYS))
def test_a_task_gives_its_figures_over_all_rows_and_by_language(task: str, tmp_path: Path) -> None:
    before = servers()
    result = measure(task, tmp_path)
    assert servers() <= before
    rows = 12 if task != "summary" else 10
    assert result["n"] == rows
    assert KEYS[task] - {"oos_recall_at_15pct_in_scope_rejected"} <= set(result)
    assert sum(found["n"] for found in result["by_language"].values()) == rows
    assert set(result["confidence_intervals"]) <= set(result)
    assert result["failed"] == 0
    if task != "privacy":
        assert "local model" in result["model"]
        assert result["latency_ms"]["call"]["p95"] > 0
        assert result["agreement"] == 1.0
        assert result["repeats"] == 5
        assert result["cost_usd"] > 0


def test_examples_alone_make_the_catalogue_and_repeats_agree(tmp_path: Path) -> None:
    examples, test, page = tmp_path / "examples.jsonl", tmp_path / "test.jsonl", tmp_path / "report.html"
    examples.write_text("\n".join(json.dumps({"text": text, "intent": intent}) for text, intent in EXAMPLES))
    asked = [("has my parcel arrived", "parcel"), ("refund me please", "refund"), ("qwerty zxcv", "oos")]
    test.write_text("\n".join(json.dumps({"text": text, "intent": intent}) for text, intent in asked))
    out = tmp_path / "out.json"
    done = run("intent", "--test", test, "--examples", examples, "--json", out, "--html", page, "--repeats", 3)
    assert done.returncode == 0, done.stderr
    result = json.loads(out.read_text())
    assert result["catalogue"]["temporary"]
    assert result["catalogue"]["categories"] == 3
    assert result["in_scope_accuracy"] == 1.0
    assert result["agreement"] == 1.0
    assert result["repeats"] == 3
    assert KEYS["intent"] <= set(result)
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_bad_row_is_one_line_with_its_place(tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"text": "a", "match": true}\n')
    done = run("match", "--test", bad)
    assert done.returncode == 1
    assert f"{bad}:1: chosen_category: is missing" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_gate_fails_on_a_drop_and_shows_it(tmp_path: Path) -> None:
    baseline, page = tmp_path / "baseline.json", tmp_path / "report.html"
    first = run("gate", "--baseline", baseline, "--only", "own/privacy", "--update", "--html", page)
    assert first.returncode == 0, first.stderr
    again = run("gate", "--baseline", baseline, "--only", "own/privacy", "--html", page)
    assert again.returncode == 0, again.stderr
    kept = json.loads(baseline.read_text())
    figures = kept["suites"]["own/privacy"]["figures"]
    # As if masking had been perfect on more than there is: what is measured now is a drop from it.
    figures["precision"] = {"value": figures["precision"]["value"] + 0.5, "interval": [1.4, 1.5]}
    baseline.write_text(json.dumps(kept))
    dropped = run("gate", "--baseline", baseline, "--only", "own/privacy", "--html", page)
    assert dropped.returncode == 1
    assert "1 dropped" in page.read_text(encoding="utf-8")
