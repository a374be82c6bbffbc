"""`floodgate catalogue propose` as a whole, last month screened by the firewall's own handler and the local model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from floodgate.catalogue.source import UNFINISHED
from floodgate_eval.proposing.cli import propose_command
from typer.testing import CliRunner

pytestmark = pytest.mark.integration

OWN = Path(__file__).parents[3] / "catalogue"
WISHES = ("where is my parcel", "the parcel is late", "send me an invoice", "the invoice is wrong")
OPENINGS = ("hi", "hello there", "good morning", "please", "hey", "quick question", "sorry", "hello again", "dear team")


def test_an_export_becomes_a_draft_and_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    texts = [f"{opening}, {wish}" for wish in WISHES for opening in OPENINGS]
    lines = [
        json.dumps({"id": str(n), "created_at": 1_791_000_000, "source": {"body": text, "author": {"type": "user"}}})
        for n, text in enumerate(texts)
    ]
    (tmp_path / "export.jsonl").write_text("\n".join(lines))
    app = typer.Typer()
    app.command()(propose_command)
    arguments = ["--export", "export.jsonl", "--categories", "2", "--base", str(OWN), "--most", "8"]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    drafts = list((tmp_path / "proposed/catalogue/categories").glob("*.yaml"))
    assert len(drafts) == 2
    assert all(UNFINISHED in path.read_text() for path in drafts)
    page = (tmp_path / "proposed/report.html").read_text()
    assert "as the firewall would have seen it" in page
    assert "8 messages, by the draft" in page
