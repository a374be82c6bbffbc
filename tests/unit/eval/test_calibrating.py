"""Fitting a calibration, and the page on which people label."""

from __future__ import annotations

import json
import random
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from floodgate.catalogue.calibration import FeatureCalibration
from floodgate_eval.calibrating.cli import as_yaml
from floodgate_eval.calibrating.fit import Pair, fit, rising
from floodgate_eval.calibrating.label import Desk
from floodgate_eval.calibrating.page import render
from floodgate_eval.calibrating.validate import applied, cross_validated, figures, parts_that_help
from floodgate_eval.rows import FeaturesRow, Labels, read_rows
from summarizer.domain.calibration import Judged

TODAY = date(2026, 11, 22)
ROW = {
    "interaction_id": "0b5c0b3c-6c58-4e0a-9f0e-0d5b5a1b2c3d",
    "language": "en",
    "country": "GB",
    "turns": [
        {"role": "customer", "text": "<script>alert(1)</script> write to anna@example.org"},
        {"role": "agent", "text": "Done."},
    ],
}


def pairs(language: str, count: int, *, off: float = 0.0, seed: int = 1) -> list[Pair]:
    """Rows of a model that says half of what is meant, one language `off` beside the others."""
    chance = random.Random(seed)  # a test's data
    found = []
    for _ in range(count):
        meant = chance.random()
        kind = "negative" if meant < 0.4 else "positive" if meant > 0.8 else "neutral"
        said = Judged("positive" if kind == "positive" else "neutral", meant / 2, meant)
        found.append(Pair(language, "GB", said, kind, min(max(meant + off, 0.0), 1.0), meant))
    return found


def fitted(rows: list[Pair]) -> FeatureCalibration:
    return fit(rows, model="m", prompt="p@1", today=TODAY)


def test_numbers_that_are_said_too_low_are_lifted():
    rows = pairs("en", 60)
    before, after = figures(applied(pairs("en", 40, seed=2), fitted(rows)))["all"]["urgency_mae"]
    assert after < before / 2


def test_a_mood_that_is_always_called_neutral_is_cut_where_people_cut_it():
    before, after = figures(applied(pairs("en", 40, seed=2), fitted(pairs("en", 60))))["all"]["sentiment_macro_f1"]
    assert after > before + 0.2


def test_a_language_gets_its_own_shift_the_more_the_more_rows_it_has():
    shifts = [fitted(pairs("en", 60) + pairs("nl", few, off=-0.2)).urgency.shift["nl"] for few in (6, 30)]
    assert shifts[1] < shifts[0] < 0


def test_few_rows_say_nothing():
    found = fitted(pairs("en", 4))
    assert (found.urgency.curve, found.urgency.shift, found.sentiment.cuts) == ((), {}, (-0.5, 0.5))


def test_the_curve_rises_whatever_the_rows_say():
    chance = random.Random(3)  # a test's data
    curve = rising([(chance.random(), chance.random()) for _ in range(80)])
    assert all(a[0] < b[0] and a[1] <= b[1] for a, b in pairwise(curve))


def test_rows_are_judged_by_what_was_fitted_without_them():
    rows = pairs("en", 30) + pairs("nl", 30, seed=5)
    compared = cross_validated(rows, seed=1)
    assert sorted(map(id, (one.pair for one in compared))) == sorted(map(id, rows))


def test_only_what_helps_for_sure_is_kept():
    noise = [Pair("en", "GB", Judged("neutral", 0.5, 0.5), "neutral", 0.5, 0.5) for _ in range(40)]
    assert parts_that_help(noise, seed=1) == frozenset()
    assert "urgency" in parts_that_help(pairs("en", 60), seed=1)


def test_the_file_gives_the_same_calibration_back():
    found = fitted(pairs("en", 60) + pairs("nl", 30, off=-0.2))
    assert FeatureCalibration.model_validate(yaml.safe_load(as_yaml(found))) == found


def test_the_report_says_before_and_after_and_escapes_its_words():
    rows = applied(pairs("en", 30), fitted(pairs("en", 60)))
    page = render([("<b>", rows, figures(rows))], "local & free")
    assert "&lt;b&gt;" in page
    assert "local &amp; free" in page
    assert page.count("<svg") == 4


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "drop.jsonl"
    other = {**ROW, "turns": [{"role": "customer", "text": "Where is my ticket?"}]}
    path.write_text("".join(json.dumps(row) + "\n" for row in (ROW, other)), encoding="utf-8")
    return path


def test_labels_are_kept_without_personal_data_and_can_be_read_as_rows(source: Path, tmp_path: Path):
    out = tmp_path / "labels.jsonl"
    desk = Desk(source, out)
    number, shown = desk.next() or pytest.fail("nothing to label")
    assert "anna@example.org" not in shown.words
    desk.keep(number, Labels(sentiment="negative", urgency=0.4))
    (row,) = read_rows([out], FeaturesRow)
    assert (row.labels.sentiment, row.labels.urgency, row.country) == ("negative", 0.4, "GB")
    assert "anna@example.org" not in out.read_text("utf-8")


def test_what_is_labelled_is_not_asked_again(source: Path, tmp_path: Path):
    out = tmp_path / "labels.jsonl"
    desk = Desk(source, out)
    desk.keep(0, Labels(sentiment="neutral"))
    desk.keep(1, None)
    assert desk.next() is None
    again = Desk(source, out)
    assert (again.left, again.total) == (1, 2)
    with pytest.raises(KeyError):
        desk.keep(0, Labels())
