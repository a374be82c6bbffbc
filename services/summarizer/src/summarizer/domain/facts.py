"""Facts of a summary that its source does not have: numbers, codes, dates and names."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from summarizer.domain.vocabulary import MONTHS, NUMBER_WORDS, WEEKDAYS, folded

_NUMBER: Final = re.compile(r"\d(?:[\d.,:'’/\-\u00a0\u202f]*\d)?")
_SEPARATORS: Final = re.compile(r"[.,:'’/\-\u00a0\u202f]")
_CODE: Final = re.compile(r"(?<!\w)(?=[\w-]*\d)(?=[\w-]*[^\W\d_])[\w-]{3,}(?!\w)")
_DECIMALS: Final = re.compile(r"[.,](\d{1,2})$")
_CLOCK: Final = re.compile(r"(?<!\d)([01]?\d|2[0-3])[:.h]([0-5]\d)(?!\d)|(?<!\d)(1[0-2]|[1-9])\s?([ap])\.?m\b", re.I)
_WORD: Final = re.compile(r"[^\W\d_]+")
# A capital letter in mid-sentence; after a colon a sentence begins.
_NAME: Final = re.compile(r"(?<=[\w,;)] )[^\W\d_a-zß-öø-ÿ](?:[\w'’-]*\w)")
_DATED: Final = re.compile(r"(?<=\d)[.ºo]?\s+(?:de\s+)?([^\W\d_]{3,})|([^\W\d_]{3,})\s+(?=\d)")
# German writes every noun with a capital letter, so a capital says nothing about a name.
_CAPITALS_ARE_ORDINARY: Final = frozenset({"de"})
_ROLES: Final = frozenset({
    "agent", "agente", "agentka", "bot", "client", "cliente", "company", "conseiller", "czk", "chf", "customer", "eur",
    "euro", "gbp", "handlaggare", "handlaggaren", "klant", "klanten", "klient", "klienta", "klientka", "klientki",
    "konsultant", "konsultanta", "kund", "kunden", "kunde", "kundin", "kundtjanst", "medarbetare", "medarbetaren",
    "medewerker", "mitarbeiter", "mitarbeiterin", "operador", "operator", "operatora", "operatore", "pln", "pracovnik",
    "sek", "service", "support", "usd", "user", "zakaznik", "zakaznice",
})  # fmt: skip
_LEAST_STEM: Final = 4
_ENDING: Final = 3


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What a source says, in the forms in which a summary may repeat it."""

    numbers: frozenset[str]
    months: frozenset[str]
    squeezed: str
    words: frozenset[str]

    @classmethod
    def of(cls, text: str) -> SourceFacts:
        """Read them off a text."""
        plain = folded(text)
        words = frozenset(_WORD.findall(plain))
        numbers = {form for found in _NUMBER.findall(text) for form in _forms(found)}
        numbers |= {str(NUMBER_WORDS[word]) for word in words if word in NUMBER_WORDS}
        numbers |= set(_clock_forms(text))
        months = frozenset(str(MONTHS[word]) for word in words if word in MONTHS)
        return cls(frozenset(numbers), months, re.sub(r"[\W_]", "", plain), words)


def unsupported_facts(
    summary: str, source: SourceFacts, *, language: str, known_words: Collection[str] = frozenset()
) -> tuple[str, ...]:
    """Numbers, codes, dates and names of a summary that stand nowhere in its source, as they are written.

    Args:
        summary: What is checked.
        source: What it may repeat.
        language: Of the summary; in German names cannot be told from nouns and are not looked for.
        known_words: Folded words that need no support, such as the company's name and its categories' titles.
    """
    found = [number for number in _NUMBER.findall(summary) if not _is_supported(number, source)]
    codes = _CODE.findall(summary)
    found += [code for code in codes if re.sub(r"[\W_]", "", folded(code)) not in source.squeezed]
    found += _dates(summary, source)
    if language not in _CAPITALS_ARE_ORDINARY:
        found += [name for name in _NAME.findall(summary) if not _is_known(name, source, known_words)]
    return tuple(dict.fromkeys(found))


def _forms(number: str) -> Iterator[str]:
    """1.234,50 as 1234.5, as its digits and as its parts (a date's day stands for itself)."""
    yield _SEPARATORS.sub("", number)
    decimals = _DECIMALS.search(number)
    whole = _SEPARATORS.sub("", number[: decimals.start()] if decimals else number).lstrip("0") or "0"
    fraction = decimals[1].rstrip("0") if decimals else ""
    yield f"{whole}.{fraction}" if fraction else whole
    for part in _SEPARATORS.split(number):
        yield part.lstrip("0") or "0"


def _is_supported(number: str, source: SourceFacts) -> bool:
    if number == "1":  # "a ticket"
        return True
    forms = list(_forms(number))
    if source.numbers.intersection(forms[:2]):
        return True
    # A date or a time may be written another way; each of its parts must then stand there.
    return len(forms) > 3 and all(part in source.numbers | source.months for part in forms[2:])


def _clock_forms(text: str) -> Iterator[str]:
    for hours, minutes, half_day, half in _CLOCK.findall(text):
        if half_day:
            shifted = int(half_day) % 12 + (12 if half.lower() == "p" else 0)
            yield from (str(shifted), f"{shifted}00")
            continue
        hour, on_twelve = int(hours), int(hours) % 12 or 12
        yield from (f"{hour}{minutes}", f"{on_twelve}{minutes}", str(on_twelve))


def _dates(summary: str, source: SourceFacts) -> list[str]:
    """Months and weekdays that stand beside a number or with a capital letter."""
    beside = {folded(before or after) for before, after in _DATED.findall(summary)}
    named = {folded(name) for name in _NAME.findall(summary)}
    return [word for word in _WORD.findall(summary) if _is_wrong_date(folded(word), beside, named, source)]


def _is_wrong_date(word: str, beside: set[str], named: set[str], source: SourceFacts) -> bool:
    if word in MONTHS:
        return word in beside and str(MONTHS[word]) not in source.numbers | source.months
    return word in WEEKDAYS and word in beside | named and not _has_weekday(WEEKDAYS[word], source)


def _has_weekday(day: int, source: SourceFacts) -> bool:
    return any(WEEKDAYS.get(word) == day for word in source.words)


def _is_known(name: str, source: SourceFacts, known_words: Collection[str]) -> bool:
    return all(_is_said(word, source, known_words) for word in _WORD.findall(folded(name)))


def _is_said(word: str, source: SourceFacts, known_words: Collection[str]) -> bool:
    if len(word) == 1 or word in source.words or word in _ROLES or word in known_words:
        return True
    if word in MONTHS or word in WEEKDAYS or word in NUMBER_WORDS:
        return True  # judged as a date, or written with a capital letter by habit
    stem = word[: max(_LEAST_STEM, len(word) - _ENDING)]
    return len(word) > _LEAST_STEM and any(said.startswith(stem) for said in source.words)
