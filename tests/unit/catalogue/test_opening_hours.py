"""When a team is there, and what a user who waits is told."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from floodgate.catalogue import Team, load_catalogue
from floodgate.opening_hours import WEEKDAYS, opening_of, waiting_text
from pydantic import ValidationError

from tests.unit.agent.conftest import CATALOGUE, LANGUAGES

OFFICE = dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), ("09:00-12:30", "13:30-17:00"))


def team(**changes: object) -> Team:
    said = {
        "id": "tickets", "title": "Tickets", "intercom_team_id": "1", "owner": "o", "review_by": date(2027, 1, 1),
        "time_zone": "Europe/Amsterdam", "hours": OFFICE,
    } | changes  # fmt: skip
    return Team.model_validate(said)


def utc(day: int, hour: int, minute: int = 0, month: int = 11) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "is_open", "back"),
    [
        (utc(23, 8), True, None),  # Monday 09:00 in Amsterdam
        (utc(23, 7, 59), False, "2026-11-23T09:00:00+01:00"),
        (utc(23, 12), False, "2026-11-23T13:30:00+01:00"),
        (utc(23, 16), False, "2026-11-24T09:00:00+01:00"),
        (utc(20, 17), False, "2026-11-23T09:00:00+01:00"),  # Friday evening
    ],
)
def test_a_team_is_there_within_its_hours_and_zone(at, is_open, back):
    found = opening_of(team(), at)
    assert found.is_open is is_open
    assert (found.back_at.isoformat() if found.back_at else None) == back


def test_the_clock_change_moves_nothing_on_the_teams_own_clock():
    before, after = datetime(2026, 10, 23, 16, tzinfo=UTC), datetime(2026, 10, 25, 16, tzinfo=UTC)
    assert opening_of(team(), before).back_at == opening_of(team(), after).back_at
    assert opening_of(team(), after).back_at.isoformat() == "2026-10-26T09:00:00+01:00"


def test_nobody_is_there_on_a_holiday():
    closed = team(holidays=(date(2026, 11, 23), date(2026, 11, 24)))
    assert opening_of(closed, utc(23, 9)).back_at.isoformat() == "2026-11-25T09:00:00+01:00"


def test_a_team_without_hours_says_nothing_about_them():
    assert opening_of(team(hours={}), utc(22, 3)).is_open is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"time_zone": "Europe/Atlantis"}, {"hours": {"mon": ("17:00-09:00",)}}, {"hours": {"mon": ("9-17",)}},
        {"hours": {"mon": ("09:00-13:00", "12:00-17:00")}}, {"hours": {"someday": ("09:00-17:00",)}}, {"capacity": 0},
    ],
)  # fmt: skip
def test_hours_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ValidationError):
        team(**wrong)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_closed_team_says_until_when_in_every_language(language):
    catalogue = load_catalogue(CATALOGUE)
    said = waiting_text(catalogue, "tickets", utc(22, 12), language)
    assert f"{WEEKDAYS[language][0]} 09:00" in said
    assert "{" not in said


def test_further_away_the_day_has_its_date():
    closed = team(holidays=tuple(date(2026, 11, day) for day in range(23, 31)))
    catalogue = load_catalogue(CATALOGUE).model_copy(update={"teams": (closed,)})
    assert "until Tuesday 1/12 09:00" in waiting_text(catalogue, "tickets", utc(22, 12), "en")


def test_a_busy_team_says_how_many_wait_and_an_idle_one_nothing():
    catalogue = load_catalogue(CATALOGUE).model_copy(update={"teams": (team(capacity=3),)})
    assert "3 conversations wait before yours" in waiting_text(catalogue, "tickets", utc(23, 9), "en", waiting=3)
    assert waiting_text(catalogue, "tickets", utc(23, 9), "en", waiting=2) == ""
    assert waiting_text(catalogue, "gone", utc(22, 9), "en") == ""
