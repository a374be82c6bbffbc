"""Letters that look like others: made plain, so that a word is read as it is seen. Pure."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_TWINS: Final = str.maketrans(
    "аАВеЕЗіІјЈкКМНоОрРсСТуУхХѕЅԁһӏѵАαΑΒεΕΖηΗιΙκΚΜνΝοΟρΡτΤυΥχΧ",
    "aABeE3iIjJkKMHoOpPcCTyYxXsSdhlvAaABeEZnHiIkKMvNoOpPtTuYxX",
)
_WORD: Final = re.compile(r"[^\W\d_]{2,}")
_LATIN: Final = re.compile(r"[A-Za-zÀ-ɏ]")
_OTHER: Final = re.compile(r"[\u0370-\u03ff\u0400-\u052f]")
# Mathematical alphabets, full width, letters in circles: ornaments of the same letters.
_ORNAMENTS: Final = re.compile(r"[\U0001d400-\U0001d7ff\uff01-\uff5e\u24b6-\u24e9\u2100-\u214f]")


def plain_letters(text: str) -> tuple[str, int]:
    """The text with plain letters, and how many were not; words that are wholly of another script stay."""
    if text.isascii():
        return text, 0
    plain = _ORNAMENTS.sub(_without_ornament, text)
    plain = _WORD.sub(_without_twins, plain)
    return plain, sum(a != b for a, b in zip(text, plain, strict=True))


def _without_ornament(found: re.Match[str]) -> str:
    normal = unicodedata.normalize("NFKC", found[0])
    return normal if len(normal) == 1 and normal.isalnum() else found[0]


def _without_twins(found: re.Match[str]) -> str:
    word = found[0]
    return word.translate(_TWINS) if _LATIN.search(word) and _OTHER.search(word) else word
