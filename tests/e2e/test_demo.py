"""The demo as a test: everything in through the front doors, everything accounted for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.e2e
@pytest.mark.timeout(600)
def test_the_demo_accounts_for_every_message_and_interaction(tmp_path: Path) -> None:
    result = tmp_path / "demo.json"
    command = [sys.executable, "-m", "floodgate.cli.main", "demo", "--once", "--json", str(result)]
    env = {name: value for name, value in os.environ.items() if not name.startswith(("FLOODGATE_", "AWS_"))}
    env["FLOODGATE_STATE"] = str(tmp_path / "state")
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    report = json.loads(result.read_text(encoding="utf-8"))
    assert (report["lost"], report["duplicated"]) == (0, 0), report["problems"]
    assert report["messages_in"] >= 300
    assert sum(report["verdicts"].values()) == report["messages_in"]
    assert set(report["verdicts"]) == {"pass", "redirect", "automate", "escalate", "quarantine"}
    assert report["interactions_in"] >= 200
    assert report["features_valid"] == report["interactions_in"] - 4
    assert len(report["feature_languages"]) >= 10
    # Four broken lines and three broken records go in; nothing else may fail.
    assert report["dead_letters"] == 7, report["dead_letter_reasons"]
    assert all(reason.startswith("ingest: ") for reason in report["dead_letter_reasons"])
    assert report["without_retrieval"] <= report["messages_in"] // 5
    assert set(report["latency_ms"]) == {"ingest (HTTP)", "firewall", "agent", "summarizer", "delivery"}
    assert report["redirected_twice"]
    assert all("was redirected 2 times" in reason for reason in report["redirected_twice"].values())
    assert report["feedback"]["ok"] > 0
    assert report["shadow"]["judged_rows"] > 0
    assert 0 < report["shadow"]["marks"]["automated"]["lost"] <= report["shadow"]["decided_otherwise"]
    assert report["shadow"]["marks"]["urgent"]["lost"] == 0
    assert report["cases_resolved"] > 0
    assert report["cases_handed_over"] > 0
    assert report["replies_shown"] == report["replies_decided"]
    assert report["peak_rss_bytes"] < 3 * 2**30
    assert all("local model" in label for label in report["models"])
