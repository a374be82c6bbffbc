"""The cascade's validation: chosen on one half, judged on the other, and advice that can be taken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from floodgate_eval.cascade import Observed, found
from floodgate_eval.cascade_run import Validation, validate
from keyflow import FatalError


def observed(n: int, *, wrong_below: float, language: str = "en", cost_usd: float | None = 0.001) -> list[Observed]:
    """Certainties from 0 to 1; wrong below a bound."""
    return [
        Observed(f"{language}{number}", language, number / n, number / n >= wrong_below, cost_usd)
        for number in range(n)
    ]


def findings(rows: list[Observed], max_error: float = 0.03):
    told: list[str] = []
    return found(rows, max_error=max_error, audit_share=0.02, say=told.append), told


def test_the_threshold_is_the_lowest_that_keeps_to_the_bar():
    result, told = findings(observed(2_000, wrong_below=0.79))
    assert result["catalogue"] == {"certainty": {"en": 0.8}}
    english = result["by_language"]["en"]
    assert english["held_out"]["error"] == 0.0
    assert 0.15 < english["held_out"]["share"] < 0.25
    assert english["saved_usd_per_1000"] == pytest.approx(english["held_out"]["share"] * 0.98, abs=0.01)
    assert told == [f"en: {english['advice']}"]


def test_too_few_rows_switch_nothing_on():
    result, _ = findings(observed(60, wrong_below=0.1))
    assert result["catalogue"] == {"certainty": {}}
    assert result["by_language"]["en"]["advice"].startswith("off")


def test_a_classifier_that_is_wrong_everywhere_stays_off():
    result, _ = findings(observed(2_000, wrong_below=1.1))
    assert result["by_language"]["en"]["certainty"] is None


def test_each_language_is_judged_by_its_own_rows():
    rows = [*observed(2_000, wrong_below=0.5), *observed(2_000, wrong_below=1.1, language="sv")]
    result, _ = findings(rows)
    assert result["catalogue"] == {"certainty": {"en": 0.5}}


def test_nothing_is_said_of_money_where_no_model_was_asked():
    result, _ = findings(observed(2_000, wrong_below=0.5, cost_usd=None))
    assert result["by_language"]["en"]["saved_usd_per_1000"] is None


@pytest.mark.parametrize("asked", [Validation(), Validation(rows=(Path("a"),), since_hours=1.0)])
async def test_it_says_what_it_needs(asked):
    with pytest.raises(FatalError, match="--rows FILE"):
        await validate(asked, say=lambda _: None)


async def test_labelled_rows_are_compared_without_any_model(tmp_path):
    words = {"late": "parcel is late", "broken": "screen is broken"}
    examples = [{"text": f"my {text} {n}", "intent": intent} for intent, text in words.items() for n in range(8)]
    rows = [{"text": f"hello, the {text}", "intent": intent, "lang": "en"} for intent, text in words.items()]
    files = {"examples": examples, "rows": rows}
    for name, kept in files.items():
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in kept))
    asked = Validation(rows=(tmp_path / "rows",), examples=(tmp_path / "examples",), catalogue_dir=tmp_path / "none")
    result = await validate(asked, say=lambda _: None)
    assert (result["n"], result["against"]) == (2, "labels")
    assert sum(told["n"] for told in result["by_language"].values()) == 2
