"""The transcript as the model sees it: no personal data, no foreign tags, within the window."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from floodgate.events import Turn, TurnRole
from floodgate.privacy import PLACEHOLDER, redact

from summarizer.domain.facts import SourceFacts

# Of the window, where not everything fits: what was wanted, how it ended, and between them what turned the case.
_START_SHARE: Final = 0.35
_TURNING_SHARE: Final = 0.25
_TURN_SHARE: Final = 0.25
_CUT_MARK: Final = " […] "
_ANGLE: Final = re.compile(rf"{PLACEHOLDER.pattern}|[<>]")
_ENTITIES: Final = {"<": "&lt;", ">": "&gt;"}
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cn", "Co", "Cs"})
_SPACES: Final = re.compile(r"[ \t\u00a0]{2,}|\n{3,}")


@dataclass(frozen=True, slots=True)
class Line:
    """One turn without personal data."""

    role: TurnRole
    text: str


@dataclass(frozen=True)
class Transcript:
    """What is shown of an interaction.

    Attributes:
        lines: The turns with text, those kept.
        gaps: After how many of `lines` how many turns are not shown.
        withheld: Values that placeholders stand for. Personal data: never log it.
    """

    lines: tuple[Line, ...]
    gaps: tuple[tuple[int, int], ...] = ()
    withheld: frozenset[str] = field(default=frozenset(), repr=False)

    @property
    def left_out(self) -> int:
        """How many turns are not shown."""
        return sum(count for _, count in self.gaps)

    @property
    def text(self) -> str:
        """All that is shown, for checks against it."""
        return "\n".join(line.text for line in self.lines)

    @cached_property
    def facts(self) -> SourceFacts:
        """What a summary may repeat."""
        return SourceFacts.of(self.text)

    def withholds(self, text: str) -> bool:
        """Whether a text says what a placeholder stands for."""
        return any(re.search(rf"(?<!\w){re.escape(value)}(?!\w)", text) for value in self.withheld if value in text)

    def rendered(self) -> str:
        """The turns with their tags."""
        parts = [f'<turn role="{line.role.value}">{neutralise(line.text)}</turn>' for line in self.lines]
        for after, count in reversed(self.gaps):
            parts.insert(after, f'<turn role="system">[{count} turns left out]</turn>')
        return "\n".join(parts)


def customer_text(turns: Sequence[Turn]) -> str:
    """What the customer wrote; everything where the customer wrote nothing."""
    own = [visible(turn.text) for turn in turns if turn.role is TurnRole.CUSTOMER and turn.text.strip()]
    return "\n".join(own) or "\n".join(visible(turn.text) for turn in turns)


def others_text(turns: Sequence[Turn]) -> str:
    """What agents and bots wrote; system notes are not in the conversation's language."""
    return "\n".join(visible(turn.text) for turn in turns if turn.role in (TurnRole.AGENT, TurnRole.BOT))


def transcript_of(
    turns: Sequence[Turn],
    *,
    language: str,
    country: str | None,
    max_chars: int,
    weight: Callable[[str], float] = lambda text: 0.0,
) -> Transcript:
    """Redacted turns, the same value under the same placeholder throughout, cut to the window.

    The start says what was wanted and the end how it ended, so both stay; a quarter of the window is for the turning
    points between them. A single turn takes at most a quarter of the window and loses its own middle.

    Args:
        turns: Of the interaction.
        language: Of the interaction, for numbers that are written without their country.
        country: For the same.
        max_chars: The window.
        weight: How much a turn changes the case: a hand-over, a promise, a refusal, a change of mood. Only asked
            where something has to go.
    """
    placeholders: dict[str, str] = {}
    lines: list[Line] = []
    for turn in turns:
        redacted = redact(visible(turn.text), language=language, country=country, known=placeholders)
        placeholders.update(redacted.placeholders)
        if redacted.text.strip():
            lines.append(Line(turn.role, _cut_middle(redacted.text.strip(), max(int(max_chars * _TURN_SHARE), 1))))
    shown, gaps = _fit(lines, max_chars, weight)
    return Transcript(shown, gaps, frozenset(value for value in placeholders.values() if len(value) > 2))


def visible(text: str) -> str:
    """NFC without code points that nobody can see."""
    text = unicodedata.normalize("NFC", text)
    # What is printable (to Python) has none of the hidden categories; few texts need the slow look.
    if not text.isprintable():
        text = "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in _HIDDEN)
    return _SPACES.sub(lambda found: found[0][0] if found[0][0] != "\n" else "\n\n", text)


def neutralise(text: str) -> str:
    """Takes the meaning from a text's own tags; placeholders stay readable."""
    return _ANGLE.sub(lambda found: _ENTITIES.get(found[0], found[0]), text)


def _fit(
    lines: list[Line], max_chars: int, weight: Callable[[str], float]
) -> tuple[tuple[Line, ...], tuple[tuple[int, int], ...]]:
    if sum(len(line.text) for line in lines) <= max_chars:
        return tuple(lines), ()
    start = _taken(lines, int(max_chars * _START_SHARE))
    room = max_chars - sum(len(line.text) for line in lines[:start])
    kept = set(range(start))
    between = range(start, len(lines))
    kept |= _turning_points(lines, between, int(max_chars * _TURNING_SHARE), weight)
    room = max_chars - sum(len(lines[number].text) for number in kept)
    for number in reversed(between):
        if number in kept:
            continue
        room -= len(lines[number].text)
        if room < 0:
            break
        kept.add(number)
    return _shown(lines, kept)


def _turning_points(lines: list[Line], between: range, room: int, weight: Callable[[str], float]) -> set[int]:
    """The heaviest turns that fit; of two as heavy the later one, which may have undone the other."""
    weights = {number: weight(lines[number].text) for number in between}
    kept: set[int] = set()
    for number in sorted(between, key=lambda n: (-weights[n], -n)):
        if weights[number] <= 0:
            break
        if len(lines[number].text) <= room:
            kept.add(number)
            room -= len(lines[number].text)
    return kept


def _shown(lines: list[Line], kept: set[int]) -> tuple[tuple[Line, ...], tuple[tuple[int, int], ...]]:
    shown: list[Line] = []
    gaps: list[tuple[int, int]] = []
    missing = 0
    for number, line in enumerate(lines):
        if number not in kept:
            missing += 1
            continue
        if missing:
            gaps.append((len(shown), missing))
            missing = 0
        shown.append(line)
    return tuple(shown), (*gaps, *([(len(shown), missing)] if missing else []))


def _taken(lines: Sequence[Line], room: int) -> int:
    """How many of the first lines fit."""
    used = 0
    for count, line in enumerate(lines):
        used += len(line.text)
        if used > room:
            return count
    return len(lines)


def _cut_middle(text: str, max_chars: int) -> str:
    if len(text) <= max_chars:
        return text
    room = max(max_chars - len(_CUT_MARK), 2)
    return f"{text[: room // 2].rstrip()}{_CUT_MARK}{text[len(text) - (room - room // 2) :].lstrip()}"
