"""When a team is there, and what a user who waits for it is honestly told. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final, get_args
from zoneinfo import ZoneInfo

from floodgate.catalogue.models import Catalogue, Team, Weekday

CLOSED: Final = "waiting_closed"
BUSY: Final = "waiting_busy"
_DAYS: Final[tuple[str, ...]] = get_args(Weekday)
_LOOK_AHEAD_DAYS: Final = 30
_SOON: Final = timedelta(days=6)
"""Further away, the name of a weekday alone would be taken for the next one."""

# As they stand after "until".
WEEKDAYS: Final[Mapping[str, tuple[str, ...]]] = {
    language: tuple(names.split())
    for language, names in {
        "nl": "maandag dinsdag woensdag donderdag vrijdag zaterdag zondag",
        "fr": "lundi mardi mercredi jeudi vendredi samedi dimanche",
        "es": "lunes martes miércoles jueves viernes sábado domingo",
        "pl": "poniedziałku wtorku środy czwartku piątku soboty niedzieli",
        "en": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
        "de": "Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag",
        "it": "lunedì martedì mercoledì giovedì venerdì sabato domenica",
        "pt": "segunda-feira terça-feira quarta-feira quinta-feira sexta-feira sábado domingo",
        "sv": "måndag tisdag onsdag torsdag fredag lördag söndag",
        "cs": "pondělí úterý středy čtvrtka pátku soboty neděle",
    }.items()
}


@dataclass(frozen=True, slots=True)
class Opening:
    """Whether a team is there.

    Attributes:
        is_open: None where it has no hours.
        back_at: When a closed team is there again, in its own zone; None when that is not known.
    """

    is_open: bool | None = None
    back_at: datetime | None = None


def opening_of(team: Team, at: datetime) -> Opening:
    """Whether a team is there at a moment, and when it is again."""
    if not team.hours:
        return Opening()
    here = at.astimezone(ZoneInfo(team.time_zone))
    for begins, ends in _spans(team, here):
        if begins <= here < ends:
            return Opening(is_open=True)
        if begins > here:
            return Opening(is_open=False, back_at=begins)
    return Opening(is_open=False)


def waiting_text(catalogue: Catalogue, team_id: str | None, at: datetime, language: str, waiting: int = 0) -> str:
    """What a user is told about the wait; empty when nothing is known that they should know.

    Args:
        catalogue: Teams and texts.
        team_id: Who has the case.
        at: Now.
        language: Of the user.
        waiting: Conversations that wait for the team already.
    """
    team = next((team for team in catalogue.teams if team.id == team_id), None)
    if team is None:
        return ""
    opening = opening_of(team, at)
    if opening.is_open is False and opening.back_at is not None:
        when = _when(opening.back_at, at, language)
        return _text(catalogue, CLOSED, language).replace("{when}", when)
    if team.capacity is not None and waiting >= team.capacity:
        return _text(catalogue, BUSY, language).replace("{count}", str(waiting))
    return ""


def _when(back_at: datetime, at: datetime, language: str) -> str:
    name = WEEKDAYS.get(language, WEEKDAYS["en"])[back_at.weekday()]
    if back_at - at <= _SOON:
        return f"{name} {back_at:%H:%M}"
    form = "{}.{}." if language in {"de", "pl", "cs"} else "{}/{}"
    return f"{name} {form.format(back_at.day, back_at.month)} {back_at:%H:%M}"


def _text(catalogue: Catalogue, template: str, language: str) -> str:
    texts = next((one.texts for one in catalogue.templates if one.id == template), {})
    return texts.get(language) or texts.get(catalogue.default_language, "")


def _spans(team: Team, here: datetime) -> Iterator[tuple[datetime, datetime]]:
    for ahead in range(_LOOK_AHEAD_DAYS):
        day = here.date() + timedelta(days=ahead)
        if day in team.holidays:
            continue
        for span in team.hours.get(_DAYS[day.weekday()], ()):  # type: ignore[call-overload]  # one of Weekday
            begins, ends = (datetime.combine(day, time.fromisoformat(text), here.tzinfo) for text in span.split("-"))
            yield begins, ends
