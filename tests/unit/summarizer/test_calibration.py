"""What calibration makes of an answer."""

from __future__ import annotations

from datetime import date

import pytest
from floodgate.catalogue.calibration import FeatureCalibration, NumberCalibration, SentimentCalibration
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from summarizer.domain.calibration import Judged, along, corrected, cut, mood, set_version

ABOUT = {"model": "nova", "prompt": "summarize@2", "fitted_on": date(2026, 11, 22)}
NOTHING = FeatureCalibration(**ABOUT)
JUDGED = st.builds(Judged, st.sampled_from(["positive", "neutral", "negative"]), st.floats(0, 1), st.floats(0, 1))


def calibration(**parts: object) -> FeatureCalibration:
    return FeatureCalibration(**ABOUT, **parts)


@given(JUDGED)
def test_a_calibration_that_says_nothing_leaves_what_validation_lets_pass(said: Judged) -> None:
    meant = corrected(said, NOTHING, language="nl", country="NL")
    assert meant.sentiment == said.sentiment
    assert meant.urgency == pytest.approx(said.urgency, abs=1e-4)


@given(JUDGED, st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=4), st.floats(-1, 1))
def test_numbers_stay_numbers_and_contradictions_stay_out(said: Judged, points: list, shift: float) -> None:
    curve = tuple(zip(sorted({x for x, _ in points}), sorted(y for _, y in points), strict=False))
    numbers = NumberCalibration(curve=curve, shift={"nl": shift})
    meant = corrected(said, calibration(urgency=numbers, csat=numbers), language="nl", country=None)
    assert 0 <= meant.urgency <= 1
    assert 0 <= meant.csat <= 1
    assert not (meant.sentiment == "positive" and meant.csat < 0.1)
    assert not (meant.sentiment == "negative" and meant.csat > 0.9)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=2))
def test_a_curve_never_turns_the_order_around(values: list[float]) -> None:
    low, high = sorted(values)
    curve = ((0.1, 0.0), (0.5, 0.6), (0.9, 0.6))
    assert along(low, curve) <= along(high, curve)


def test_a_language_in_a_country_comes_before_the_language() -> None:
    of = calibration(urgency=NumberCalibration(shift={"nl": 0.1, "nl-BE": -0.1}))
    said = Judged("neutral", 0.5, 0.5)
    found = [
        corrected(said, of, language=lang, country=c).urgency for lang, c in (("nl", "NL"), ("nl", "BE"), ("de", "DE"))
    ]
    assert found == [0.6, 0.4, 0.5]


def test_cuts_of_a_place_move_its_sentiment() -> None:
    of = calibration(sentiment=SentimentCalibration(of={"nl": (-0.1, 0.5)}))
    said = Judged("neutral", 0.2, 0.3)
    assert corrected(said, of, language="nl", country="NL").sentiment == "negative"
    assert corrected(said, of, language="en", country="GB").sentiment == "neutral"


def test_what_was_said_is_its_own_mood_without_cuts() -> None:
    for name in ("positive", "neutral", "negative"):
        assert cut(mood(Judged(name, 0.5, 0.5)), (-0.5, 0.5)) == name


def test_the_set_of_features_is_named_by_prompt_and_calibration() -> None:
    assert set_version("summarize@2", None) == "summarize@2"
    assert set_version("summarize@2", NOTHING) == f"summarize@2+{NOTHING.version}"
    assert set_version("summarize@3", NOTHING) == "summarize@3"
    other = calibration(urgency=NumberCalibration(shift={"nl": 0.1}))
    assert other.version != NOTHING.version
    assert NOTHING.model_copy(update={"fitted_on": date(2027, 1, 1)}).version == NOTHING.version


@pytest.mark.parametrize(
    "wrong",
    [
        {"urgency": {"curve": [[0.5, 0.6], [0.4, 0.7]]}},
        {"urgency": {"curve": [[0.4, 0.7], [0.5, 0.6]]}},
        {"sentiment": {"cuts": [0.5, -0.5]}},
        {"csat": {"shift": {"Dutch": 0.1}}},
    ],
)
def test_numbers_that_cannot_be_meant_are_refused(wrong: dict) -> None:
    with pytest.raises(ValidationError):
        FeatureCalibration(**ABOUT, **wrong)
