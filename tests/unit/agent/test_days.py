"""Days without their year, seen from Sunday 22 November 2026."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from agent.domain.days import read_near_day
from agent.domain.localise import MONTHS
from agent.domain.model import SlotSpec, SlotType
from agent.domain.slots import Choice, read_slot, validate
from hypothesis import given
from hypothesis import strategies as st

SUNDAY = date(2026, 11, 22)
DATE = SlotSpec(type=SlotType.DATE, description="the day of the concert")


@pytest.mark.parametrize(
    ("language", "text", "day"),
    [
        ("en", "3 December", "2026-12-03"),
        ("en", "on December 3rd please", "2026-12-03"),
        ("en", "Thursday 3 December", "2026-12-03"),
        ("de", "am 3. Dezember", "2026-12-03"),
        ("de", "am 3.12.", "2026-12-03"),
        ("fr", "le 1er décembre", "2026-12-01"),
        ("es", "el 3 de diciembre", "2026-12-03"),
        ("pl", "3 grudnia", "2026-12-03"),
        ("cs", "3. prosince", "2026-12-03"),
        ("pt", "a 3 de dezembro", "2026-12-03"),
        ("sv", "den 3 december", "2026-12-03"),
        ("it", "il 3 dicembre", "2026-12-03"),
        ("nl", "3/12", "2026-12-03"),
        ("nl", "15 januari", "2027-01-15"),
        ("en", "30 October", "2026-10-30"),
        ("en", "tomorrow", "2026-11-23"),
        ("nl", "overmorgen", "2026-11-24"),
        ("fr", "après-demain", "2026-11-24"),
        ("es", "pasado mañana", "2026-11-24"),
        ("pt", "depois de amanhã", "2026-11-24"),
        ("sv", "i morgon", "2026-11-23"),
        ("cs", "zítra", "2026-11-23"),
        ("pl", "jutro", "2026-11-23"),
        ("it", "domani sera", "2026-11-23"),
        ("de", "gestern", "2026-11-21"),
        ("fr", "aujourd'hui", "2026-11-22"),
        ("en", "next Friday", "2026-11-27"),
        ("de", "nächsten Freitag", "2026-11-27"),
        ("fr", "vendredi prochain", "2026-11-27"),
        ("pl", "w przyszły piątek", "2026-11-27"),
        ("it", "venerdì", "2026-11-27"),
        ("pt", "sexta-feira", "2026-11-27"),
        ("cs", "v pátek", "2026-11-27"),
        ("sv", "på fredag", "2026-11-27"),
    ],
)
def test_a_day_that_can_be_only_one(language, text, day):
    assert read_near_day(text, language, SUNDAY) == day


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "22 May"),  # half a year away on either side
        ("en", "3/12"),  # March or December
        ("en", "Sunday"),  # today, or in a week
        ("en", "last Friday"),  # of this week, or of the week before
        ("en", "3 or 4 December"),
        ("en", "30 February"),
        ("en", "whenever"),
        ("de", "am Morgen"),
        ("es", "por la mañana"),
        ("pt", "a segunda"),
        ("nl", "2 kaartjes"),
    ],
)
def test_a_day_that_can_be_two_or_none_is_asked_back(language, text):
    assert read_near_day(text, language, SUNDAY) is None


OFFERED = [Choice(day, label) for day, label in (
    ("2026-12-23", "23 December 2026"), ("2026-12-24", "24 December 2026"), ("2027-06-29", "29 June 2027"),
)]  # fmt: skip


@pytest.mark.parametrize(
    ("language", "text", "day"),
    [
        ("en", "24 December", "2026-12-24"),
        ("en", "the 24th please", "2026-12-24"),
        ("fr", "le 24", "2026-12-24"),
        ("de", "am 24. Dezember", "2026-12-24"),
        ("nl", "24/12", "2026-12-24"),
        ("pl", "może w czwartek", "2026-12-24"),  # not the coming Thursday, but the one that is offered
        ("cs", "29. června 2027", "2027-06-29"),
        ("it", "giovedì 24", "2026-12-24"),
        ("es", "el primero", "2026-12-23"),
        ("sv", "den sista", "2027-06-29"),
        ("pt", "25 de dezembro", "2026-12-25"),  # the question says that there are no seats on it
        ("en", "tomorrow", "2026-11-23"),
        ("en", "last Friday", None),
        ("en", "3 or 4 December", None),
        ("en", "the 30th", None),
        ("en", "2 Dec", None),
    ],
)
def test_a_day_among_those_that_are_offered(language, text, day):
    assert read_slot(DATE, text, language, OFFERED, SUNDAY) == day


def test_the_model_can_read_no_day_but_an_offered_one():
    assert validate(DATE, "2026-12-24", OFFERED) == "2026-12-24"
    assert validate(DATE, "2026-12-25", OFFERED) is None


def test_next_friday_said_on_a_monday_is_asked_back():
    assert read_near_day("next Friday", "en", SUNDAY + timedelta(days=1)) is None
    assert read_near_day("Friday", "en", SUNDAY + timedelta(days=1)) == "2026-11-27"


def test_a_year_that_is_written_decides():
    assert read_slot(DATE, "3 December 2025", "en", today=SUNDAY) == "2025-12-03"
    assert read_slot(DATE, "in 2025, 3 December", "en", today=SUNDAY) is None


def test_without_the_day_of_the_message_nothing_is_taken_for_a_day():
    assert read_slot(DATE, "tomorrow", "en") is None


@given(st.sampled_from(sorted(MONTHS)), st.integers(0, 730), st.integers(-119, 119))
def test_a_near_day_is_read_in_every_language_whenever_it_is_written(language, after, ahead):
    today = SUNDAY + timedelta(days=after)
    day = today + timedelta(days=ahead)
    text = f"{day.day} {MONTHS[language][day.month - 1]}"
    assert read_near_day(text, language, today) == day.isoformat()
