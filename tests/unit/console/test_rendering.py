"""Numbers, times and texts as the pages show them."""

from __future__ import annotations

import pytest
from console.domain.words import visible
from console.http.rendering import ago, environment, moment, money, percent


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "–"), (0.0, "0%"), (1.0, "100%"), (0.997, "99.7%"), (0.017, "1.7%"), (0.336, "34%")]
)
def test_shares_near_nothing_and_near_all_keep_a_digit(value: float | None, shown: str) -> None:
    assert percent(value) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(None, "–"), (0.2, "under 1 s"), (41, "41 s"), (90, "1.5 min"), (40_000, "11 h")]
)
def test_time_spans_are_short(seconds: float | None, shown: str) -> None:
    assert ago(seconds) == shown


def test_small_sums_of_money_are_not_nothing() -> None:
    assert (money(0.00009), money(1234.5), money(0), money(None)) == ("$0.00009", "$1,234.50", "$0.00", "–")


def test_times_are_utc() -> None:
    assert moment("2026-03-02T10:00:00+01:00") == moment(1_772_442_000_000) == "02 Mar 09:00:00"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\n\ttext, \u05e9\u05dc\u05d5\u05dd, 👍🏽", "plain\n\ttext, \u05e9\u05dc\u05d5\u05dd, 👍🏽"),
        ("a\u202eb", "a\\u202eb"),
        ("\x00", "\\u0000"),
        ("half \ud83d", "half \\ud83d"),
        ("\U000e0041", "\\udb40\\udc41"),
    ],
)
def test_unseen_characters_are_shown_as_json_writes_them(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_every_template_escapes_what_it_shows() -> None:
    templates = environment()
    assert templates.autoescape is True
    for name in templates.list_templates(extensions=["html"]):
        source, _, _ = templates.loader.get_source(templates, name)  # type: ignore[union-attr]
        assert "|safe" not in source
        assert "<style" not in source
        assert " style=" not in source
        assert " onclick=" not in source
