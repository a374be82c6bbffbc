"""Phrase patterns that people can read, matched fast over all languages at once.

A pattern is a sequence of words: `word` matches exactly, `stem*` matches a beginning, `a|b*` are alternatives and
`...` allows up to four words in between. Text and patterns are folded (no accents, lower case) before matching.
The first word of a pattern is looked up in a dictionary, so that the time does not grow with the number of patterns.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from floodgate_nlu.text import fold

_GAP: Final = "..."
_GAP_WORDS: Final = 4
_SPLIT: Final = re.compile(r"[^\w*|.]+")

Label = TypeVar("Label")


@dataclass(frozen=True, slots=True)
class _Element:
    exact: frozenset[str]
    prefixes: tuple[str, ...]
    max_gap: int

    def matches(self, word: str) -> bool:
        return word in self.exact or (bool(self.prefixes) and word.startswith(self.prefixes))


@dataclass(frozen=True, slots=True)
class Match(Generic[Label]):
    """Where a pattern matched: words `start` (inclusive) to `end` (exclusive)."""

    label: Label
    start: int
    end: int


def _parse(pattern: str) -> tuple[_Element, ...]:
    elements: list[_Element] = []
    gap = 0
    for part in _SPLIT.split(fold(pattern)):
        if not part:
            continue
        if part == _GAP:
            gap = _GAP_WORDS
            continue
        choices = [choice.strip(".") for choice in part.split("|")]
        elements.append(
            _Element(
                frozenset(choice for choice in choices if choice and not choice.endswith("*")),
                tuple(choice[:-1] for choice in choices if choice.endswith("*") and len(choice) > 1),
                gap,
            )
        )
        gap = 0
    if not elements:
        raise ValueError(f"the phrase pattern {pattern!r} has no words; write at least one")
    return tuple(elements)


class PhraseMatcher(Generic[Label]):
    """Finds labelled phrase patterns in folded words."""

    def __init__(self, patterns: Iterable[tuple[str, Label]]) -> None:
        """Compile the patterns.

        Raises:
            ValueError: A pattern has no words.
        """
        self._by_word: dict[str, list[tuple[tuple[_Element, ...], Label]]] = {}
        self._by_prefix: dict[str, list[tuple[tuple[_Element, ...], Label]]] = {}
        for pattern, label in patterns:
            elements = _parse(pattern)
            for word in elements[0].exact:
                self._by_word.setdefault(word, []).append((elements, label))
            for prefix in elements[0].prefixes:
                self._by_prefix.setdefault(prefix, []).append((elements, label))
        self._prefix_sizes = sorted({len(prefix) for prefix in self._by_prefix})

    def find(self, words: Sequence[str]) -> list[Match[Label]]:
        """All matches, in the order of their first words."""
        found: list[Match[Label]] = []
        for start, word in enumerate(words):
            for elements, label in self._candidates(word):
                end = _end_of_match(elements, words, start)
                if end is not None:
                    found.append(Match(label, start, end))
        return found

    def _candidates(self, word: str) -> list[tuple[tuple[_Element, ...], Label]]:
        candidates = list(self._by_word.get(word, ()))
        for size in self._prefix_sizes:
            if size > len(word):
                break
            candidates.extend(self._by_prefix.get(word[:size], ()))
        return candidates


def _end_of_match(elements: Sequence[_Element], words: Sequence[str], start: int) -> int | None:
    position = start + 1
    for element in elements[1:]:
        for candidate in range(position, min(position + element.max_gap + 1, len(words))):
            if element.matches(words[candidate]):
                position = candidate + 1
                break
        else:
            return None
    return position
