"""Normalising, tokenising, splitting and clipping text; everything here is pure."""

import re
import unicodedata
from functools import lru_cache
from typing import Final

_LIGATURES: Final = str.maketrans({"ł": "l", "ø": "o", "ß": "ss", "æ": "ae", "œ": "oe", "đ": "d", "ð": "d", "þ": "th"})
_WORD: Final = re.compile(r"\w+")
_WORD_OR_MARK: Final = re.compile(r"\w+|[?!]")
_SENTENCE_END: Final = re.compile(r"(?<=[.!?…。])[\"')\]]*\s+|\s*[\r\n]+\s*|(?<=[.!?])\s*(?=[A-ZÀ-Þ][a-zà-ÿ]+\s)")
_SPACES: Final = re.compile(r"\s+")
_HIDDEN_CATEGORIES: Final = frozenset({"Cf", "Co", "Cn", "Cs"})
_ABBREVIATIONS: Final = re.compile(
    r"\b(?:mr|mrs|ms|dr|nr|no|st|bv|z\.b|d\.h|ca|usw|etc|p\.ej|sr|sra|art|tel|np|m\.in|tzv|bl\.a|t\.ex)\.$",
    re.IGNORECASE,
)


def strip_hidden(text: str) -> str:
    """Remove code points that hide text (zero-width, bidi controls, tags, private use); keep emoji joiners out too."""
    # Printable, to Python, is whatever has none of these categories and is no white space but the blank.
    if text.isascii() or text.isprintable():
        return text
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in _HIDDEN_CATEGORIES)


@lru_cache(maxsize=4096)
def fold(text: str) -> str:
    """Lower-case, drop accents and hidden code points, so that careless spelling meets careful spelling."""
    lowered = strip_hidden(text).lower()
    if not lowered.isascii():
        decomposed = unicodedata.normalize("NFKD", lowered.translate(_LIGATURES))
        lowered = "".join(c for c in decomposed if not unicodedata.combining(c))
    return lowered


def tokens(text: str) -> list[str]:
    """The folded words of a text."""
    return _WORD.findall(fold(text))


def tokens_and_marks(text: str) -> list[str]:
    """The folded words of a text, with its question and exclamation marks."""
    return _WORD_OR_MARK.findall(fold(text))


def squeeze(text: str) -> str:
    """Collapse runs of white space into one space."""
    return _SPACES.sub(" ", text).strip()


def sentences(text: str) -> list[str]:
    """Split a text into sentences; an abbreviation does not end one."""
    merged: list[str] = []
    for part in _SENTENCE_END.split(text):
        piece = squeeze(part or "")
        if not piece:
            continue
        if merged and _ABBREVIATIONS.search(merged[-1]):
            merged[-1] = f"{merged[-1]} {piece}"
        else:
            merged.append(piece)
    return merged


def clip(text: str, max_chars: int) -> str:
    """Shorten a text to at most `max_chars` characters without cutting a word."""
    text = squeeze(text)
    if len(text) <= max_chars:
        return text
    head = text[: max(max_chars, 0) + 1]
    cut = head.rfind(" ")
    if cut <= 0:
        return "" if max_chars < len(text.split(" ", 1)[0]) else head[:max_chars]
    return head[:cut].rstrip(" ,;:-–(")
