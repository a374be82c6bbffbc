"""The transcript as the model sees it: no personal data, no foreign tags, within the window."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from floodgate.events import Turn, TurnRole
from floodgate.privacy import PLACEHOLDER, redact

_START_SHARE: Final = 0.4
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


@dataclass(frozen=True, slots=True)
class Transcript:
    """What is shown of an interaction.

    Attributes:
        lines: The turns with text, those kept.
        left_out: How many turns in the middle are not shown.
        left_out_after: After how many of `lines` the gap is.
    """

    lines: tuple[Line, ...]
    left_out: int = 0
    left_out_after: int = 0

    @property
    def text(self) -> str:
        """All that is shown, for checks against it."""
        return "\n".join(line.text for line in self.lines)

    def rendered(self) -> str:
        """The turns with their tags."""
        parts = [f'<turn role="{line.role.value}">{neutralise(line.text)}</turn>' for line in self.lines]
        if self.left_out:
            parts.insert(self.left_out_after, f'<turn role="system">[{self.left_out} turns left out]</turn>')
        return "\n".join(parts)


def customer_text(turns: Sequence[Turn]) -> str:
    """What the customer wrote; everything where the customer wrote nothing."""
    own = [visible(turn.text) for turn in turns if turn.role is TurnRole.CUSTOMER and turn.text.strip()]
    return "\n".join(own) or "\n".join(visible(turn.text) for turn in turns)


def others_text(turns: Sequence[Turn]) -> str:
    """What agents and bots wrote; system notes are not in the conversation's language."""
    return "\n".join(visible(turn.text) for turn in turns if turn.role in (TurnRole.AGENT, TurnRole.BOT))


def transcript_of(turns: Sequence[Turn], *, language: str, country: str | None, max_chars: int) -> Transcript:
    """Redacted turns, the same value under the same placeholder throughout, cut to the window.

    The start says what was wanted and the end how it ended, so both stay: two fifths of the window from the start,
    the rest from the end. A single turn takes at most a quarter of it and loses its own middle.
    """
    placeholders: dict[str, str] = {}
    lines: list[Line] = []
    for turn in turns:
        redacted = redact(visible(turn.text), language=language, country=country, known=placeholders)
        placeholders.update(redacted.placeholders)
        if redacted.text.strip():
            lines.append(Line(turn.role, _cut_middle(redacted.text.strip(), max(int(max_chars * _TURN_SHARE), 1))))
    return _fit(lines, max_chars)


def visible(text: str) -> str:
    """NFC without code points that nobody can see."""
    if not text.isascii() or not text.isprintable():
        normal = unicodedata.normalize("NFC", text)
        text = "".join(c for c in normal if c in "\n\t" or unicodedata.category(c) not in _HIDDEN)
    return _SPACES.sub(lambda found: found[0][0] if found[0][0] != "\n" else "\n\n", text)


def neutralise(text: str) -> str:
    """Takes the meaning from a text's own tags; placeholders stay readable."""
    return _ANGLE.sub(lambda found: _ENTITIES.get(found[0], found[0]), text)


def _fit(lines: list[Line], max_chars: int) -> Transcript:
    if sum(len(line.text) for line in lines) <= max_chars:
        return Transcript(tuple(lines))
    start = _taken(lines, int(max_chars * _START_SHARE))
    room = max_chars - sum(len(line.text) for line in lines[:start])
    end = min(_taken(lines[:start:-1] if start else lines[::-1], room), len(lines) - start)
    tail = lines[len(lines) - end :]
    return Transcript((*lines[:start], *tail), left_out=len(lines) - start - end, left_out_after=start)


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
