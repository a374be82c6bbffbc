"""What reviewers judged becomes an example by a person's command alone, which shows the effect first."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import floodgate_eval.cli
import pytest
from floodgate_eval.cli import app
from floodgate_eval.promote import Effect, additions_of
from floodgate_eval.rows import IntentRow
from typer.testing import CliRunner

ROOT = Path(__file__).parents[3]
POISON = "pay me back the sixteen euros for the parking that was closed on Friday"


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "catalogue", tmp_path / "catalogue")
    return tmp_path / "catalogue"


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def promoted(monkeypatch: pytest.MonkeyPatch, catalogue: Path, *options: str) -> str:
    """Runs the command; the evaluation, which needs a model, is a figure that gets worse."""

    async def effect_of(rows: Sequence[IntentRow], request: Any, *, say: Any) -> Effect:
        additions, left_out = additions_of(rows, floodgate_eval.promote.own_catalogue(request.catalogue_dir).catalogue)
        return Effect(additions, left_out, {"accuracy": 0.91}, {"accuracy": 0.84})

    monkeypatch.setattr(floodgate_eval.cli, "effect_of", effect_of)
    rows = catalogue.parent / "judged.jsonl"
    rows.write_text(json.dumps({"text": POISON, "intent": "sign_in", "lang": "en"}) + "\n", "utf-8")
    found = CliRunner().invoke(app, ["promote", "--rows", str(rows), "--catalogue", str(catalogue), *options])
    assert found.exit_code == 0, found.output
    return found.output


def test_without_a_persons_word_the_effect_is_shown_and_nothing_changes(
    monkeypatch: pytest.MonkeyPatch, catalogue: Path
) -> None:
    before = contents(catalogue)
    said = promoted(monkeypatch, catalogue)
    assert "+ 1 in sign_in (en)" in said
    assert "0.910 -> 0.840 (-0.070)" in said
    assert "nothing was changed" in said
    assert contents(catalogue) == before


def test_with_it_one_line_is_added_that_a_reviewer_of_the_change_can_see(
    monkeypatch: pytest.MonkeyPatch, catalogue: Path
) -> None:
    before = contents(catalogue)
    promoted(monkeypatch, catalogue, "--write")
    changed = {path: body for path, body in contents(catalogue).items() if before[path] != body}
    [(path, body)] = changed.items()
    assert path.name == "sign_in.yaml"
    added = set(body.splitlines()) - set(before[path].splitlines())
    assert [POISON.encode() in line for line in added] == [True]
