"""Finding phrases as whole words, whatever the accents and the punctuation between them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

# A combining accent belongs to its letter, also where a text is not composed.
_WORD: Final = re.compile(r"[\w\u0300-\u036f]+")
_BASE_LETTERS: Final = str.maketrans({"ł": "l", "ø": "o", "ß": "ss", "æ": "ae", "œ": "oe", "đ": "d"})


@lru_cache(maxsize=8192)
def fold_word(word: str) -> str:
    """Lower case, compatibility forms made plain, without accents."""
    lowered = word.lower()
    if lowered.isascii():
        return lowered
    decomposed = unicodedata.normalize("NFKD", lowered.translate(_BASE_LETTERS))
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def fold_text(text: str) -> str:
    """The folded words of a text with one space between them."""
    return " ".join(fold_word(found[0]) for found in _WORD.finditer(text))


@dataclass(frozen=True, slots=True)
class Hit:
    """A phrase that was found.

    Attributes:
        label: What the phrase stands for.
        words: The words as they stand in the text.
    """

    label: str
    words: str


class PhraseIndex:
    """Labelled phrases, looked up by their first word: time grows with the text, not with the phrases.

    Args:
        phrases: (label, phrase) pairs in any language; empty phrases are left out.
    """

    def __init__(self, phrases: Iterable[tuple[str, str]]) -> None:
        self._by_first: dict[str, list[tuple[tuple[str, ...], str]]] = {}
        for label, phrase in phrases:
            words = tuple(fold_word(found[0]) for found in _WORD.finditer(phrase))
            if words:
                self._by_first.setdefault(words[0], []).append((words, label))

    def find(self, text: str) -> tuple[Hit, ...]:
        """Every label once, with the first words that it rests on, in the order of the text."""
        tokens = [(fold_word(found[0]), found.start(), found.end()) for found in _WORD.finditer(text)]
        words = [word for word, _, _ in tokens]
        hits: dict[str, Hit] = {}
        for position, word in enumerate(words):
            for phrase, label in self._by_first.get(word, ()):
                last = position + len(phrase)
                if label not in hits and tuple(words[position:last]) == phrase:
                    hits[label] = Hit(label, text[tokens[position][1] : tokens[last - 1][2]])
        return tuple(hits.values())
