"""Reads slots and commands out of text with deterministic parsers. What they cannot read is None, never a guess."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from agent.domain import words
from agent.domain.days import names_a_day, read_near_day, read_offered_day
from agent.domain.model import SlotSpec, SlotType
from agent.domain.readers import read_amount, read_code, read_day, read_name
from agent.domain.words import fold

_ORDER_NUMBER: Final = re.compile(r"(?<![A-Za-z0-9])TK[\s\-–_#:]*(\d{5})(?!\d)", re.IGNORECASE)
_EMAIL: Final = re.compile(r"[A-Za-z0-9._%+\-]{1,64}@[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)*\.[A-Za-z]{2,}")
_INTEGER: Final = re.compile(r"(?<![\w.,])(\d{1,9})(?![\w]|[.,]\d)")
_YEAR: Final = re.compile(r"(?<!\d)(?:19|20)\d{2}(?!\d)")
_MAX_TEXT_LENGTH: Final = 500
_LAST: Final = -1
_WRITTEN: Final = {True: "yes", False: "no", None: None}


class Command(StrEnum):
    """What a user can do at every step."""

    CANCEL = "cancel"
    HUMAN = "human"


@dataclass(frozen=True, slots=True)
class Choice:
    """A button: what it stands for, and what it says in the user's language."""

    value: str
    label: str


def read_command(text: str, language: str, *, cancel_words_stop: bool) -> Command | None:
    """The command that a turn is, in the conversation's language or in English."""
    folded = fold(text)
    if any(words.PERSON[code].search(folded) for code in _languages(language)):
        return Command.HUMAN
    bare = _without_fillers(folded)
    stops = [words.STOP, words.CANCEL] if cancel_words_stop else [words.STOP]
    for vocabulary in stops:
        if any({folded, bare} & vocabulary[code] for code in _languages(language)):
            return Command.CANCEL
    return None


def read_yes_no(text: str, language: str) -> bool | None:
    """True, False, or None when the whole text is neither plainly a yes nor plainly a no.

    A yes has to be all that is said, politeness apart: "yes, but the other one" is not a yes.
    """
    folded = fold(text)
    forms = {folded, _without_fillers(folded)} - {""}
    if forms & words.AMBIGUOUS.get(language, frozenset()):
        return None
    for codes in (_languages(language), tuple(words.YES)):
        says_yes = any(forms & words.YES[code] for code in codes)
        says_no = any(forms & words.NO[code] for code in codes)
        if says_yes != says_no:
            return says_yes
        if says_yes:
            return None
    return None


def is_question(text: str, language: str) -> bool:
    """Whether a text asks something: by its question mark, or by its first word when there are three or more."""
    if "?" in text:
        return True
    said = fold(text).split()
    return len(said) >= 3 and any(said[0] in words.QUESTION[code] for code in _languages(language))


def read_slot(
    spec: SlotSpec, text: str, language: str, choices: Sequence[Choice] = (), today: date | None = None
) -> str | None:
    """The slot's value as text, validated; None when it is not there or not clear.

    Args:
        spec: The slot.
        text: What was written.
        language: Of the conversation.
        choices: What was offered.
        today: The day on which it was written: what a day without its year, or "tomorrow", is seen from.
    """
    if spec.type is SlotType.DATE and today is not None:
        return _read_date(text, language, choices, today)
    if choices:
        return _read_choice(text, language, choices)
    if spec.pattern is not None:
        return read_code(spec.pattern, text)
    reader = _READERS.get(spec.type)
    return None if reader is None else reader(text, language)


def validate(spec: SlotSpec, value: str, choices: Sequence[Choice] = ()) -> str | None:
    """What the model read, read again by the parser: only a value that stands on its own is taken."""
    if choices:
        return value if value in {choice.value for choice in choices} else None
    if spec.type is SlotType.YES_NO:
        return value if value in {"yes", "no"} else None
    read = read_slot(spec, value, "en")
    if spec.type in {SlotType.AMOUNT, SlotType.DATE}:
        return read
    return read if read is not None and len(value) <= len(read) + 4 else None


def read_order_number(text: str) -> str | None:
    """`TK-40001` in any of the ways people write it; None when there are several different ones."""
    return _only({f"TK-{digits}" for digits in _ORDER_NUMBER.findall(text)})


def _read_text(text: str) -> str | None:
    stripped = " ".join(text.split())
    return stripped if 0 < len(stripped) <= _MAX_TEXT_LENGTH else None


def _read_date(text: str, language: str, choices: Sequence[Choice], today: date) -> str | None:
    """A day, whether it is offered or not: the question says what is wrong with one that is not."""
    written = read_day(text, language)
    if written is None and choices:
        # "Thursday" is the one that is offered, not the coming one.
        written = read_offered_day(text, language, [choice.value for choice in choices])
    if written is None and not _YEAR.search(text):
        written = read_near_day(text, language, today)
    if written is not None or not choices or names_a_day(text, language):
        return written
    return _read_choice(text, language, choices)


def _read_choice(text: str, language: str, choices: Sequence[Choice]) -> str | None:
    folded = f" {fold(text)} "
    named = {
        choice.value for choice in choices if f" {fold(choice.value)} " in folded or f" {fold(choice.label)} " in folded
    }
    if named:
        return _only(named)
    number = read_order_number(text)
    if number is not None:
        return number if number in {choice.value for choice in choices} else None
    position = _read_position(text, language)
    if position is None or position >= len(choices):
        return None
    return choices[position].value


def _read_position(text: str, language: str) -> int | None:
    """0 for the first, -1 for the last; None when no single position is named."""
    said = set(fold(text).split())
    positions = {
        index for code in _languages(language) for index, forms in enumerate(words.ORDINALS[code]) if said & forms
    }
    if any(said & words.LAST[code] for code in _languages(language)):
        positions.add(_LAST)
    numbers = {int(found) for found in re.findall(r"(?<!\d)([1-9])(?!\d)", text)}
    if not positions and len(numbers) == 1:
        return numbers.pop() - 1
    return positions.pop() if len(positions) == 1 else None


def _languages(language: str) -> tuple[str, ...]:
    """The conversation's language and English, which people mix in everywhere."""
    return (language, "en") if language in words.YES and language != "en" else ("en",)


def _without_fillers(folded: str) -> str:
    return " ".join(word for word in folded.split() if word not in words.FILLERS)


def _only(found: set[str]) -> str | None:
    return found.pop() if len(found) == 1 else None


_READERS: Final[Mapping[SlotType, Callable[[str, str], str | None]]] = {
    SlotType.ORDER_NUMBER: lambda text, _: read_order_number(text),
    SlotType.EMAIL: lambda text, _: _only({found.lower() for found in _EMAIL.findall(text)}),
    SlotType.YES_NO: lambda text, language: _WRITTEN[read_yes_no(text, language)],
    SlotType.INTEGER: lambda text, _: _only(set(_INTEGER.findall(text))),
    SlotType.TEXT: lambda text, _: _read_text(text),
    SlotType.AMOUNT: lambda text, _: read_amount(text),
    SlotType.DATE: read_day,
    SlotType.NAME: lambda text, _: read_name(text),
}
"""A choice has none of its own: it is read against what is offered, and nothing can be chosen from nothing."""
