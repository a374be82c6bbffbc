"""What happens to a text before anything reads it: hidden code points, quoted trails, size, emptiness."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from firewall.domain.lookalikes import plain_letters
from firewall.domain.mail_trail import own_words

CUT_MARK: Final = " […] "
_ZERO_WIDTH_JOINER: Final = "\u200d"
_EMOJI_VARIATION: Final = "\ufe0f"
_BLACK_FLAG: Final = "\U0001f3f4"
_BLANK_LETTERS: Final = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5")
_HIDDEN_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cn", "Co", "Cs"})
_MAX_MARKS_IN_A_ROW: Final = 3
_KEPT_START_SHARE: Final = 0.67
_FLAG: Final = re.compile("\U0001f3f4[\U000e0000-\U000e007f]+")
_CODE: Final = re.compile(r"[^\W\d_]{0,5}[\-_/.]?\d[\w\-.,:/]*|[^\w\s'’]")
_BLANK_LINES: Final = re.compile(r"\n{3,}")


class TextState(StrEnum):
    """Whether there is something to read."""

    EMPTY = "empty"
    NO_WORDS = "no_words"
    WORDS = "words"


@dataclass(frozen=True, slots=True)
class CleanText:
    """A text that is safe to show and to read.

    Attributes:
        hidden_count: How many code points were removed because nobody can see them, or made plain because they look
            like others.
        truncated: Whether the middle of an overlong text was left out.
        quoted_trail: Whether an earlier mail that hung below was left out.
    """

    text: str
    state: TextState
    hidden_count: int = 0
    truncated: bool = False
    quoted_trail: bool = False


def clean(text: str, *, max_chars: int) -> CleanText:
    """Normalises a text to NFC without hidden code points and within a size.

    Idempotent: cleaning a clean text changes nothing.
    """
    visible, hidden_count = _without_hidden(text.replace("\r\n", "\n").replace("\r", "\n"))
    plain, disguised_count = plain_letters(unicodedata.normalize("NFC", visible))
    own, quoted_trail = _without_quoted_trail(plain)
    squeezed = _BLANK_LINES.sub("\n\n", own).strip()
    fitting = _cut_middle(squeezed, max_chars)
    return CleanText(
        text=fitting,
        state=_state_of(fitting),
        hidden_count=hidden_count + disguised_count,
        truncated=fitting != squeezed,
        quoted_trail=quoted_trail,
    )


def in_tags(text: str) -> str:
    """Text that was hidden in Unicode tag characters, made readable; flags hide nothing."""
    if text.isascii():
        return ""
    shown = "".join(c if 0xE0020 <= ord(c) <= 0xE007E else "\0" for c in _FLAG.sub("", text))
    pieces = ("".join(chr(ord(c) - 0xE0000) for c in piece) for piece in shown.split("\0") if piece)
    return " ".join(piece.strip() for piece in pieces if piece.strip())


def tells_language(text: str) -> bool:
    """Whether a text has a word at all: an order number or a price is written alike in every language."""
    return any(len(word) > 1 and word.isalpha() for word in _CODE.sub(" ", text).split())


def _state_of(text: str) -> TextState:
    if not text:
        return TextState.EMPTY
    return TextState.WORDS if any(c.isalnum() for c in text) else TextState.NO_WORDS


def _without_hidden(text: str) -> tuple[str, int]:
    if text.isascii() and text.isprintable():
        return text, 0
    kept: list[str] = []
    hidden = marks = 0
    in_flag = False
    for position, char in enumerate(text):
        # Flags of England, Scotland and Wales are a black flag with tags: drawn as one emoji, so not hidden text.
        is_tag = 0xE0000 <= ord(char) <= 0xE007F
        in_flag = char == _BLACK_FLAG or (in_flag and is_tag)
        if is_tag and in_flag:
            continue
        marks = marks + 1 if unicodedata.combining(char) else 0
        if _is_hidden(char, text, position) or marks > _MAX_MARKS_IN_A_ROW:
            hidden += 1
        else:
            kept.append(char)
    return "".join(kept), hidden


def _is_hidden(char: str, text: str, position: int) -> bool:
    if char in "\n\t":
        return False
    if char == _ZERO_WIDTH_JOINER:
        return not (_is_pictograph(text[position - 1 : position]) and _is_pictograph(text[position + 1 : position + 2]))
    if char == _EMOJI_VARIATION:
        return text[position - 1 : position] in {"", _EMOJI_VARIATION}
    code = ord(char)
    if 0xFE00 <= code <= 0xFE0E or 0xE0100 <= code <= 0xE01EF or char in _BLANK_LETTERS:
        return True
    return unicodedata.category(char) in _HIDDEN_CATEGORIES


def _is_pictograph(char: str) -> bool:
    return bool(char) and (char == _EMOJI_VARIATION or unicodedata.category(char) in {"So", "Sk"})


def _without_quoted_trail(text: str) -> tuple[str, bool]:
    """The writer's own words; where they wrote nothing of their own, all of it."""
    own = own_words(text)
    return (own, True) if own.strip() and own.strip() != text.strip() else (text, False)


def _cut_middle(text: str, max_chars: int) -> str:
    """People say what they want at the start and repeat it at the end: the middle goes."""
    if len(text) <= max_chars:
        return text
    room = max_chars - len(CUT_MARK)
    start = int(room * _KEPT_START_SHARE)
    return f"{text[:start].rstrip()}{CUT_MARK}{text[len(text) - (room - start) :].lstrip()}"
