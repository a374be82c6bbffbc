"""Deterministic parsers of amounts, days, names and codes. What is not clear is None, never a guess."""

from __future__ import annotations

import re
from datetime import date
from typing import Final

from agent.domain.localise import MONTHS
from agent.domain.words import fold

_AMOUNT: Final = re.compile(r"(?<![\w.,\-])(\d{1,3}(?:[.,'\u00a0 ]\d{3})+|\d{1,7})(?:[.,](\d{1,2}))?(?![\w]|[.,]\d)")
_ISO: Final = re.compile(r"(?<!\d)(\d{4})-(\d{1,2})-(\d{1,2})(?!\d)")
_NUMERIC: Final = re.compile(r"(?<!\d)(\d{1,2})[./\-](\d{1,2})[./\-](\d{4})(?!\d)")
_NAME: Final = re.compile(r"[^\W\d_]+(?:[ '\-’.][^\W\d_]+){0,4}\.?")
_MAX_NAME_LENGTH: Final = 80


def read_amount(text: str) -> str | None:
    """Whole cents of the only amount in a text: 12.50, 12,50 €, 1.250,00."""
    found = {_cents(units, cents) for units, cents in _AMOUNT.findall(text)}
    return str(found.pop()) if len(found) == 1 else None


def _cents(units: str, cents: str) -> int:
    return int(re.sub(r"\D", "", units)) * 100 + int((cents or "0").ljust(2, "0"))


def read_day(text: str, language: str) -> str | None:
    """The only day in a text, as 2026-12-24: ISO, day.month.year, or a day with the month's name and the year."""
    days = {_day(*map(int, found)) for found in _ISO.findall(text)}
    days |= {_day(int(year), int(month), int(day)) for day, month, year in _NUMERIC.findall(text)}
    days |= {_day(*found) for found in _named(fold(text), language)}
    return days.pop() if len(days) == 1 else None


def _named(folded: str, language: str) -> list[tuple[int, int, int]]:
    found = []
    for code in {language, "en"} & MONTHS.keys():
        for month, name in enumerate(MONTHS[code], start=1):
            spelt = re.escape(fold(name))
            for pattern in (rf"\b(\d{{1,2}})(?:st|nd|rd|th|er)?(?: de| of)? {spelt}(?: de)? (\d{{4}})\b",):
                found += [(int(year), month, int(day)) for day, year in re.findall(pattern, folded)]
            american = re.findall(rf"\b{spelt} (\d{{1,2}})(?:st|nd|rd|th)? (\d{{4}})\b", folded)
            found += [(int(year), month, int(day)) for day, year in american]
    return found


def _day(year: int, month: int, day: int) -> str | None:
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        return None


def read_name(text: str) -> str | None:
    """A person's name when the whole text can be one: one to five words, no digits."""
    stripped = " ".join(text.split())
    return stripped if len(stripped) <= _MAX_NAME_LENGTH and _NAME.fullmatch(stripped) else None


def read_code(pattern: str, text: str) -> str | None:
    """The only word of a text, in capitals, that a pattern matches as a whole."""
    words = {word.strip(".,;:!?\"'()«»„“”") for word in text.upper().split()}
    found = {word for word in words if re.fullmatch(pattern, word)}
    return found.pop() if len(found) == 1 else None
