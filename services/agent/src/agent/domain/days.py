"""Days written without their year, seen from the day on which they were written. What can be two is asked back."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Final

from agent.domain.localise import MONTHS
from agent.domain.words import fold

NEAR: Final = timedelta(days=120)
"""Within this of today a day and month have one year that is meant; further away both years may be."""
_SHORTEST_MONTH: Final = 3
_DAY_MONTH: Final = re.compile(r"(?<![\d.,/])(\d{1,2})(?:/(\d{1,2})(?![\d./])|\.\s?(\d{1,2})\.(?!\d))")

# Folded: lower case, no accents. The longer phrase first, for it may hold the shorter one.
_NEAR_DAYS: Final[Mapping[str, Mapping[str, int]]] = {
    "nl": {"overmorgen": 2, "eergisteren": -2, "vandaag": 0, "morgen": 1, "gisteren": -1},
    "fr": {"apres demain": 2, "avant hier": -2, "aujourdhui": 0, "demain": 1, "hier": -1},
    "es": {"pasado manana": 2, "anteayer": -2, "hoy": 0, "manana": 1, "ayer": -1},
    "pl": {"pojutrze": 2, "przedwczoraj": -2, "dzisiaj": 0, "dzis": 0, "jutro": 1, "wczoraj": -1},
    "en": {"day after tomorrow": 2, "day before yesterday": -2, "today": 0, "tomorrow": 1, "yesterday": -1},
    "de": {"ubermorgen": 2, "vorgestern": -2, "heute": 0, "morgen": 1, "gestern": -1},
    "it": {"dopodomani": 2, "altro ieri": -2, "oggi": 0, "domani": 1, "ieri": -1},
    "pt": {"depois de amanha": 2, "anteontem": -2, "hoje": 0, "amanha": 1, "ontem": -1},
    "sv": {"i overmorgon": 2, "i forrgar": -2, "idag": 0, "i dag": 0, "imorgon": 1, "i morgon": 1, "igar": -1,
           "i gar": -1},
    "cs": {"pozitri": 2, "predevcirem": -2, "dnes": 0, "zitra": 1, "vcera": -1},
}  # fmt: skip
_MORNING: Final = re.compile(r"\b(la|am|jeden|heute|diesen|guten|goede) (manana|morgen)\b")
_WEEKDAYS: Final[Mapping[str, tuple[str, ...]]] = {
    language: tuple(forms.split())
    for language, forms in {
        "nl": "maandag dinsdag woensdag donderdag vrijdag zaterdag zondag",
        "fr": "lundi mardi mercredi jeudi vendredi samedi dimanche",
        "es": "lunes martes miercoles jueves viernes sabado domingo",
        "pl": "poniedzial(?:ek|ku) wtor(?:ek|ku) srod[aey] czwart(?:ek|ku) piat(?:ek|ku) sobot[aey] niedziel[aei]",
        "en": "monday tuesday wednesday thursday friday saturday sunday",
        "de": "montag dienstag mittwoch donnerstag freitag (?:samstag|sonnabend) sonntag",
        "it": "lunedi martedi mercoledi giovedi venerdi sabato domenica",
        "pt": "segunda\\sfeira terca\\sfeira quarta\\sfeira quinta\\sfeira sexta\\sfeira sabado domingo",
        "sv": "mandag tisdag onsdag torsdag fredag lordag sondag",
        "cs": "pondeli uter(?:y|ek|ka) stred[auy] ctvrt(?:ek|ka) pat(?:ek|ku) sobot[auy] nedel[ei]",
    }.items()
}
_NEXT: Final = re.compile(
    r"\b(volgende|prochaine?|proxim[oa]|que viene|nastepn\w+|przyszl\w+|next|nachste[nr]?|prossim[oa]|nasta|pristi)\b"
)
_LAST: Final = re.compile(
    r"\b(vorige|afgelopen|derniere?|passee?|pasad[oa]|zeszl\w+|ubiegl\w+|last|letzte[nr]?|vergangene[nr]?|scors[oa]|"
    r"passad[oa]|forra|minul\w+)\b"
)


def read_near_day(text: str, language: str, today: date) -> str | None:
    """The only day in a text that names no year, as 2026-12-24; None when it is not there or not clear."""
    folded = fold(text)
    languages = (language, "en") if language in MONTHS and language != "en" else ("en",)
    found = {*_named(folded, languages, today), *_numeric(text, language, today)}
    # "Friday 3 December": the date says it; the name of the day alone only where there is no date.
    found = found or {*_near(folded, languages, today)} or {*_weekdays(folded, languages, today)}
    day = found.pop() if len(found) == 1 else None
    return day.isoformat() if day is not None else None


def read_offered_day(text: str, language: str, offered: Sequence[str]) -> str | None:
    """The only one of the offered days (as 2026-12-24) with the weekday, or the day of the month, that a text names."""
    folded = fold(text)
    if _names_month(folded, language) or _LAST.search(folded):
        return None
    weekdays = set(_named_weekdays(folded, language))
    numbers = {int(found) for found in re.findall(r"(?<!\d)\d{1,2}(?!\d)", text)}
    days = [date.fromisoformat(day) for day in offered]
    found = [day for day in days if (weekdays or numbers) and weekdays <= {day.weekday()} and numbers <= {day.day}]
    return found[0].isoformat() if len(found) == 1 else None


def names_a_day(text: str, language: str) -> bool:
    """Whether a text says something of a day, clear or not: so that "last Friday" is not the last one of a list."""
    folded = fold(text)
    in_figures = re.search(r"\d", text) is not None
    return in_figures or _names_month(folded, language) or any(True for _ in _named_weekdays(folded, language))


def _names_month(folded: str, language: str) -> bool:
    months = [fold(month) for code in {language, "en"} & MONTHS.keys() for month in MONTHS[code]]
    return any(len(word) >= _SHORTEST_MONTH and month.startswith(word) for word in folded.split() for month in months)


def _named_weekdays(folded: str, language: str) -> Iterator[int]:
    for code in {language, "en"} & _WEEKDAYS.keys():
        yield from (number for number, form in enumerate(_WEEKDAYS[code]) if re.search(rf"\b{form}\b", folded))


def _named(folded: str, languages: tuple[str, ...], today: date) -> Iterator[date | None]:
    for code in languages:
        for month, name in enumerate(MONTHS[code], start=1):
            spelt = re.escape(fold(name))
            before = rf"\b(\d{{1,2}})(?:st|nd|rd|th|er|e)?(?: de| of)? {spelt}\b(?!(?: de)? \d)"
            after = rf"\b{spelt} (\d{{1,2}})(?:st|nd|rd|th)?\b(?! \d{{4}})"
            if re.search(rf"\b\d{{1,2}} (?:\w{{1,6}} )?\d{{1,2}}(?: de| of)? {spelt}\b", folded):
                yield None  # "3 or 4 December"
            for day in {*re.findall(before, folded), *(re.findall(after, folded) if code == "en" else ())}:
                yield _nearest(int(day), month, today)


def _numeric(text: str, language: str, today: date) -> Iterator[date | None]:
    for first, slashed, dotted in _DAY_MONTH.findall(text):
        day, month = int(first), int(slashed or dotted)
        if language == "en" and day != month and day <= 12:
            yield None  # 3/12 may be March or December
        elif month <= 12:
            yield _nearest(day, month, today)


def _nearest(day: int, month: int, today: date) -> date | None:
    """The year that is meant; None where there is no such day, or more than one is as likely."""
    found = []
    for year in (today.year - 1, today.year, today.year + 1):
        try:
            found.append(date(year, month, day))
        except ValueError:
            continue
    near = [candidate for candidate in found if abs(candidate - today) <= NEAR]
    return near[0] if len(near) == 1 else None


def _near(folded: str, languages: tuple[str, ...], today: date) -> Iterator[date]:
    left = _MORNING.sub(" ", folded)
    for code in languages:
        for phrase, days in _NEAR_DAYS[code].items():
            left, times = re.subn(rf"\b{phrase}\b", " ", left)
            if times:
                yield today + timedelta(days=days)


def _weekdays(folded: str, languages: tuple[str, ...], today: date) -> Iterator[date | None]:
    for code in languages:
        for weekday, form in enumerate(_WEEKDAYS[code]):
            if re.search(rf"\b{form}\b", folded):
                yield _of_week(weekday, folded, today)


def _of_week(weekday: int, folded: str, today: date) -> date | None:
    """The coming one, or the past one; None where it may be this week's or another's."""
    coming = today + timedelta(days=(weekday - today.weekday()) % 7 or 7)
    past = today - timedelta(days=(today.weekday() - weekday) % 7 or 7)
    week = today.isocalendar()[:2]
    if _LAST.search(folded):
        return None if past.isocalendar()[:2] == week else past
    if _NEXT.search(folded):
        return None if coming.isocalendar()[:2] == week else coming
    # The name of today may be today or in a week.
    return None if weekday == today.weekday() else coming
