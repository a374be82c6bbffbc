"""Reads single values out of a customer's answer: numbers, addresses, dates, amounts, yes or no, choices."""

import re
from collections.abc import Sequence
from datetime import date, timedelta
from functools import cache
from typing import Final

from floodgate_nlu.patterns import PhraseMatcher
from floodgate_nlu.resources import load_yaml, phrases
from floodgate_nlu.text import fold, sentences, squeeze, tokens

_EMAIL: Final = re.compile(r"<EMAIL_\d+>|[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_PLACEHOLDER: Final = re.compile(r"<[A-Z_]+_\d+>")
_REFERENCE: Final = re.compile(r"(?<![\w@.])#?([A-Za-z]{0,6}[-_ /]?\d[\dA-Za-z]*(?:[-_/]\d?[\dA-Za-z]+)*)(?![\w@])")
_ISO_DATE: Final = re.compile(r"\b(\d{4})-(\d{1,2})-(\d{1,2})\b")
_DAY_FIRST: Final = re.compile(r"\b(\d{1,2})[./-]\s?(\d{1,2})(?:[./-]\s?(\d{2,4}))?\b")
_FULL_DATE: Final = re.compile(r"\b\d{1,2}[./-]\s?\d{1,2}[./-]\s?\d{2,4}\b")
_NUMBER: Final = r"\d{1,3}(?:[ .,'\u00a0]\d{3})+(?:[.,]\d{1,2})?|\d+(?:[.,]\d{1,2})?"
_ORDINAL: Final = r"(\d{1,2})(?:st|nd|rd|th|\.|º|ª|er|e)?"
_MIN_REFERENCE_DIGITS: Final = 3


def find_email(text: str) -> str | None:
    """The first e-mail address or its placeholder."""
    found = _EMAIL.search(text)
    return found.group(0).rstrip(".") if found else None


def find_reference(text: str) -> str | None:
    """The likeliest order number: the token with the most digits that is no date, amount or address."""
    cleaned = _EMAIL.sub(" ", _PLACEHOLDER.sub(" ", text))
    for pattern in (_ISO_DATE, _FULL_DATE, _date_with_month(), _amount_pattern()):
        cleaned = pattern.sub(" ", cleaned)
    candidates = [
        found.group(1).strip(" -_/")
        for found in _REFERENCE.finditer(cleaned)
        if sum(c.isdigit() for c in found.group(1)) >= _MIN_REFERENCE_DIGITS
        and not _DAY_FIRST.fullmatch(found.group(1))
    ]
    best = max(candidates, key=_reference_rank, default=None)
    return re.sub(r"\s+", "-", best) if best else None


def _reference_rank(candidate: str) -> tuple[int, int]:
    has_letters = any(c.isalpha() for c in candidate)
    return (int(has_letters or "-" in candidate), sum(c.isdigit() for c in candidate))


@cache
def _months() -> dict[str, int]:
    table = load_yaml("slots.yaml")["months"]
    return {fold(name): int(number) for number, names in table.items() for name in names.split("|")}


@cache
def _date_with_month() -> re.Pattern[str]:
    names = "|".join(sorted((re.escape(name) for name in _months()), key=len, reverse=True))
    day_first = rf"\b{_ORDINAL}\s*(?:of|de|di|do)?\s*({names})\b\.?(?:\s*(?:de)?\s*(\d{{4}}))?"
    month_first = rf"\b({names})\s+{_ORDINAL}\b(?:,?\s*(\d{{4}}))?"
    return re.compile(rf"{day_first}|{month_first}", re.IGNORECASE)


@cache
def _relative_days() -> PhraseMatcher[int]:
    table = load_yaml("slots.yaml")["relative_days"]
    return PhraseMatcher([(phrase, int(days)) for days, texts in table.items() for phrase in phrases(texts)])


def find_date(text: str, today: date | None) -> str | None:
    """The first date as ISO 8601; words like "tomorrow" only where today's date is known."""
    iso = _ISO_DATE.search(text)
    if iso:
        return _iso(int(iso[1]), int(iso[2]), int(iso[3]))
    named = _date_with_month().search(fold(text))
    if named:
        day, month, year = (named[1], named[2], named[3]) if named[1] else (named[5], named[4], named[6])
        return _dated(int(day), _months()[month.lower()], year, today)
    numeric = _DAY_FIRST.search(text)
    if numeric:
        first, second = int(numeric[1]), int(numeric[2])
        day_number, month_number = (second, first) if second > 12 >= first else (first, second)
        found = _dated(day_number, month_number, numeric[3], today)
        if found:
            return found
    if today is not None:
        for match in _relative_days().find(tokens(text)):
            return (today + timedelta(days=match.label)).isoformat()
    return None


def _dated(day: int, month: int, year: str | None, today: date | None) -> str | None:
    if year:
        number = int(year)
        return _iso(number + 2000 if number < 100 else number, month, day)
    if today is None:
        return f"--{month:02d}-{day:02d}" if 1 <= month <= 12 and 1 <= day <= 31 else None
    return _iso(today.year, month, day)


def _iso(year: int, month: int, day: int) -> str | None:
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        return None


@cache
def _currencies() -> dict[str, str]:
    table = load_yaml("slots.yaml")["currencies"]
    return {name.lower(): code for code, names in table.items() for name in names.split("|")}


@cache
def _amount_pattern() -> re.Pattern[str]:
    units = "|".join(sorted((re.escape(name) for name in _currencies()), key=len, reverse=True))
    return re.compile(rf"(?:({units})\s?({_NUMBER}))|(?:({_NUMBER})\s?({units})(?!\w))", re.IGNORECASE)


def find_amount(text: str, *, bare_number: bool = False) -> float | None:
    """The first amount of money; a number without a currency only where that is what was asked."""
    found = _amount_pattern().search(text)
    if found:
        return _decimal(found[2] or found[3])
    if bare_number:
        plain = re.search(_NUMBER, _PLACEHOLDER.sub(" ", text))
        return _decimal(plain.group(0)) if plain else None
    return None


def find_integer(text: str) -> int | None:
    """The only whole number in a text; None where there are several."""
    found = set(re.findall(r"(?<![\w.,])\d{1,9}(?![\w]|[.,]\d)", _PLACEHOLDER.sub(" ", text)))
    return int(found.pop()) if len(found) == 1 else None


def amounts_in(text: str) -> list[str]:
    """Every amount of money as it is written."""
    return [found.group(0) for found in _amount_pattern().finditer(text)]


def _decimal(written: str) -> float:
    digits = re.sub(r"[ '\u00a0]", "", written)
    last = max(digits.rfind("."), digits.rfind(","))
    if last >= 0 and len(digits) - last - 1 in {1, 2}:
        whole = re.sub(r"[.,]", "", digits[:last])
        return float(f"{whole}.{digits[last + 1 :]}")
    return float(re.sub(r"[.,]", "", digits))


@cache
def _answers() -> PhraseMatcher[bool]:
    data = load_yaml("slots.yaml")
    return PhraseMatcher([(p, True) for p in phrases(data["affirm"])] + [(p, False) for p in phrases(data["deny"])])


def find_yes_no(text: str) -> bool | None:
    """Yes or no, by the first word that says so; a refusal wins over a polite opening."""
    words = tokens(text)
    matches = _answers().find(words)
    if not matches:
        return None
    first = min(matches, key=lambda match: (match.start, -(match.end - match.start)))
    return first.label if first.start <= 4 or len(words) <= 12 else None


def find_choice(text: str, choices: Sequence[str]) -> str | None:
    """The choice that the text names: by its words, by its number, or by shared beginnings of words."""
    words = tokens(text)
    joined = f" {' '.join(words)} "
    named = [choice for choice in choices if f" {' '.join(tokens(choice))} " in joined]
    if named:
        return max(named, key=len)
    if len(words) == 1 and words[0].isdigit() and 1 <= int(words[0]) <= len(choices):
        return choices[int(words[0]) - 1]
    scores = [_overlap(words, tokens(choice.replace("_", " "))) for choice in choices]
    best = max(scores, default=0.0)
    return choices[scores.index(best)] if best >= 0.5 and scores.count(best) == 1 else None


def _overlap(words: Sequence[str], wanted: Sequence[str]) -> float:
    if not wanted:
        return 0.0
    stems = {word[:5] for word in words}
    return sum(1.0 for word in wanted if word[:5] in stems) / len(wanted)


def plain_answer(text: str) -> str | None:
    """A free-text answer: the message without its greeting."""
    parts = sentences(text)
    return squeeze(" ".join(parts)) or None
