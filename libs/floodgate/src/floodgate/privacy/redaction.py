"""Replacing personal data by placeholders, and back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from floodgate.privacy.names import find_names
from floodgate.privacy.national_ids import find_national_ids
from floodgate.privacy.numbers import find_cards, find_emails, find_ibans, find_phones
from floodgate.privacy.spans import Kind, Span, overlaps_any

PLACEHOLDER: Final = re.compile(r"<(" + "|".join(Kind) + r")_(\d{1,6})>")
_HAS_DIGITS: Final = re.compile(r"\d(?:\D{0,3}\d){5}")


@dataclass(frozen=True, slots=True)
class Redacted:
    """A text without personal data.

    Attributes:
        text: The text with placeholders such as `<EMAIL_1>`.
        placeholders: What each placeholder stands for. Personal data: never log it.
    """

    text: str
    placeholders: Mapping[str, str] = field(default_factory=dict, repr=False)


def redact(
    text: str,
    *,
    language: str | None = None,
    country: str | None = None,
    known: Mapping[str, str] | None = None,
) -> Redacted:
    """Replaces personal data by placeholders; the same value always has the same one.

    `restore(redacted.text, redacted.placeholders)` gives the text back exactly, also when the text itself contains
    something that looks like a placeholder.

    Args:
        text: What somebody wrote.
        language: ISO 639-1 code of it, for numbers that are written without their country.
        country: ISO 3166-1 alpha-2 code, for the same.
        known: Placeholders of earlier texts of the same conversation, to be continued.
    """
    placeholders = dict(known or {})
    names = {value: name for name, value in placeholders.items()}
    used = {*placeholders, *(found[0] for found in PLACEHOLDER.finditer(text))}
    counters: dict[Kind, int] = {}
    parts: list[str] = []
    position = 0
    for span in _find(text, language, country, known or {}):
        value = text[span.start : span.end]
        name = names.get(value)
        # A literal placeholder in the text must come back as it is, so its number is never given to a value.
        if name is None or name in text:
            name = _next_name(span.kind, counters, used)
            names[value] = name
            placeholders[name] = value
            used.add(name)
        parts += (text[position : span.start], name)
        position = span.end
    parts.append(text[position:])
    return Redacted("".join(parts), placeholders)


def restore(text: str, placeholders: Mapping[str, str]) -> str:
    """Puts the values back; placeholders that are not known stay."""
    return PLACEHOLDER.sub(lambda found: placeholders.get(found[0], found[0]), text)


def placeholders_in(text: str) -> tuple[str, ...]:
    """Every placeholder that stands in the text, in order."""
    return tuple(found[0] for found in PLACEHOLDER.finditer(text))


def contains_personal_data(text: str, *, language: str | None = None, country: str | None = None) -> tuple[str, ...]:
    """The kinds of personal data that a text still contains; empty when there are none."""
    return tuple(dict.fromkeys(span.kind.value for span in _find(text, language, country, {})))


def _next_name(kind: Kind, counters: dict[Kind, int], used: set[str]) -> str:
    while True:
        counters[kind] = counters.get(kind, 0) + 1
        name = f"<{kind}_{counters[kind]}>"
        if name not in used:
            return name


def _find(text: str, language: str | None, country: str | None, known: Mapping[str, str]) -> list[Span]:
    """Spans that do not overlap, in order; the more telling kind wins."""
    # A placeholder that somebody typed and that stands for something already is a value itself.
    taken = [Span(*found.span(), Kind(found[1])) for found in PLACEHOLDER.finditer(text) if found[0] in known]

    def take(spans: list[Span]) -> None:
        for span in spans:
            if span.end > span.start and not overlaps_any(span, taken):
                taken.append(span)

    take(list(find_emails(text)))
    if _HAS_DIGITS.search(text):
        take(list(find_ibans(text)))
        take(list(find_cards(text)))
        take(list(find_national_ids(text, language=language, country=country)))
        take(list(find_phones(text, language=language, country=country, taken=taken)))
    take(sorted(find_names(text), key=lambda span: (span.start, -span.end)))
    take(_known_values(text, known))
    return sorted(taken, key=lambda span: span.start)


def _known_values(text: str, known: Mapping[str, str]) -> list[Span]:
    """Values of earlier texts that stand again where nothing states them: the name in the second turn."""
    spans: list[Span] = []
    for name, value in known.items():
        found = PLACEHOLDER.fullmatch(name)
        if found is None or len(value) < 2 or value not in text:
            continue
        kind = Kind(found[1])
        spans += [
            Span(place.start(), place.end(), kind) for place in re.finditer(rf"(?<!\w){re.escape(value)}(?!\w)", text)
        ]
    return spans
