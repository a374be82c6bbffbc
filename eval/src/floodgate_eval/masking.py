"""What the firewall masks of a message, as ranges of the message as it came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

from firewall.domain.state import ConversationState
from floodgate.privacy import PLACEHOLDER, redact, restore

from floodgate_eval.rows import PrivacyRow
from floodgate_eval.screening import Question, Screening

# Of these a corpus tells every occurrence; a name is counted only where the corpus marks names at all.
COUNTED_KINDS: Final = frozenset({"email", "phone", "iban", "card", "national_id"})


@dataclass(frozen=True, slots=True)
class Range:
    """Characters of the original text that were masked."""

    start: int
    end: int
    kind: str


@dataclass(frozen=True, slots=True)
class Masked:
    """One message after the firewall's local rules.

    Attributes:
        restored: Putting the values back gives the clean text again.
    """

    ranges: tuple[Range, ...]
    restored: bool


def mask(screening: Screening, row: PrivacyRow, declared: str | None) -> Masked:
    """Mask a message by the firewall's own reading, which no model takes part in."""
    message = screening.message(Question(row.text, country=row.country, declared=declared))
    reading = screening.screen.read(message, ConversationState(), screening.languages, max_chars=screening.max_chars)
    clean = reading.cleaned.text
    redacted = redact(clean, language=reading.language, country=row.country)
    # What the model is shown is `reading.text`; the same call once more tells what each placeholder stands for.
    restored = redacted.text == reading.text and restore(redacted.text, redacted.placeholders) == clean
    ranges = ranges_of(redacted.text, redacted.placeholders)
    return Masked(in_original(ranges, clean, row.text), restored)


def ranges_of(redacted: str, placeholders: Mapping[str, str]) -> tuple[Range, ...]:
    """Where the masked values stood in the text before they were masked."""
    found: list[Range] = []
    shift = 0
    for place in PLACEHOLDER.finditer(redacted):
        value = placeholders.get(place[0])
        if value is None:
            continue
        start = place.start() + shift
        found.append(Range(start, start + len(value), place[1].lower()))
        shift += len(value) - len(place[0])
    return tuple(found)


def in_original(ranges: Sequence[Range], clean: str, original: str) -> tuple[Range, ...]:
    """The ranges in the text as it came, from which the rules took hidden characters, trails and spaces."""
    if clean == original:
        return tuple(ranges)
    blocks = SequenceMatcher(None, clean, original, autojunk=False).get_matching_blocks()
    places = {block.a + step: block.b + step for block in blocks for step in range(block.size)}
    moved = []
    for one in ranges:
        kept = [places[position] for position in range(one.start, one.end) if position in places]
        if kept:
            moved.append(Range(min(kept), max(kept) + 1, one.kind))
    return tuple(moved)


def covered(start: int, end: int, text: str, ranges: Sequence[Range]) -> bool:
    """Whether every letter and digit of a span is masked."""
    return all(
        any(one.start <= position < one.end for one in ranges)
        for position in range(start, end)
        if text[position].isalnum()
    )


def overlaps(one: Range, start: int, end: int) -> bool:
    """Whether a masked range shares a character with a span."""
    return one.start < end and start < one.end
