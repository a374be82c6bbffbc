"""Phrase patterns that people can read, matched fast over all languages at once.

A pattern is a sequence of pieces with `...` between them, which stands for up to six words. A piece is a few words,
or several alternatives separated by `|`; `stem*` matches any word with that beginning. Text and patterns are folded
(no accents, lower case) before matching. The first word of a pattern is looked up in a dictionary, so that the time
does not grow with the number of patterns.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from floodgate_nlu.text import fold

_GAP: Final = "..."
_GAP_WORDS: Final = 6
_SPLIT: Final = re.compile(r"[^\w*]+")

Label = TypeVar("Label")
_Phrase = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Match(Generic[Label]):
    """Where a pattern matched: words `start` (inclusive) to `end` (exclusive)."""

    label: Label
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Entry(Generic[Label]):
    first: _Phrase
    rest: tuple[tuple[_Phrase, ...], ...]
    label: Label


def _parse(pattern: str) -> list[tuple[_Phrase, ...]]:
    pieces: list[tuple[_Phrase, ...]] = []
    for piece in fold(pattern).split(_GAP):
        alternatives = [tuple(w for w in _SPLIT.split(option) if w.strip("*")) for option in piece.split("|")]
        kept = tuple(option for option in alternatives if option)
        if kept:
            pieces.append(kept)
    if not pieces:
        raise ValueError(f"the phrase pattern {pattern!r} has no words; write at least one")
    return pieces


class PhraseMatcher(Generic[Label]):
    """Finds labelled phrase patterns in folded words."""

    def __init__(self, patterns: Iterable[tuple[str, Label]]) -> None:
        """Compile the patterns.

        Raises:
            ValueError: A pattern has no words.
        """
        self._by_word: dict[str, list[_Entry[Label]]] = {}
        self._by_prefix: dict[str, list[_Entry[Label]]] = {}
        for pattern, label in patterns:
            first, *rest = _parse(pattern)
            for phrase in first:
                entry = _Entry(phrase, tuple(rest), label)
                head = phrase[0]
                table = self._by_prefix if head.endswith("*") else self._by_word
                table.setdefault(head.rstrip("*"), []).append(entry)
        self._prefix_sizes = sorted({len(prefix) for prefix in self._by_prefix})

    def find(self, words: Sequence[str]) -> list[Match[Label]]:
        """All matches, in the order of their first words."""
        found: list[Match[Label]] = []
        for start, word in enumerate(words):
            for entry in self._candidates(word):
                end = _end_of_match(entry, words, start)
                if end is not None:
                    found.append(Match(entry.label, start, end))
        return found

    def _candidates(self, word: str) -> list[_Entry[Label]]:
        candidates = list(self._by_word.get(word, ()))
        for size in self._prefix_sizes:
            if size > len(word):
                break
            candidates.extend(self._by_prefix.get(word[:size], ()))
        return candidates


def _matches(wanted: str, word: str) -> bool:
    return word.startswith(wanted[:-1]) if wanted.endswith("*") else word == wanted


def _phrase_at(phrase: _Phrase, words: Sequence[str], start: int) -> bool:
    if start + len(phrase) > len(words):
        return False
    return all(_matches(wanted, words[start + i]) for i, wanted in enumerate(phrase))


def _end_of_match(entry: _Entry[Label], words: Sequence[str], start: int) -> int | None:
    if not _phrase_at(entry.first, words, start):
        return None
    position = start + len(entry.first)
    for alternatives in entry.rest:
        end = _next_piece(alternatives, words, position)
        if end is None:
            return None
        position = end
    return position


def _next_piece(alternatives: Sequence[_Phrase], words: Sequence[str], start: int) -> int | None:
    for position in range(start, min(start + _GAP_WORDS + 1, len(words))):
        for phrase in alternatives:
            if _phrase_at(phrase, words, position):
                return position + len(phrase)
    return None
