"""Concepts shared by words of all served languages, found in a text."""

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Final

from floodgate_nlu.hashing import bucket
from floodgate_nlu.patterns import Match, PhraseMatcher
from floodgate_nlu.resources import load_yaml, phrases


@cache
def _matcher() -> PhraseMatcher[str]:
    table = load_yaml("concepts.yaml")
    return PhraseMatcher([(phrase, concept) for concept, text in table.items() for phrase in phrases(text)])


# Where the narrower concept is named, the words inside it do not name the wider one too.
_NARROWER: Final = {"bank_account": "account"}


@lru_cache(maxsize=16384)
def _concepts(words: tuple[str, ...]) -> tuple[str, ...]:
    matches = _matcher().find(words)
    hidden = [(_NARROWER[m.label], m.start, m.end) for m in matches if m.label in _NARROWER]
    return tuple(sorted({m.label for m in matches if not _inside(m, hidden)}))


def _inside(match: Match[str], hidden: Sequence[tuple[str, int, int]]) -> bool:
    return any(match.label == name and start <= match.start and match.end <= end for name, start, end in hidden)


def concepts_in(words: Sequence[str]) -> tuple[str, ...]:
    """The concepts that folded words name, in order of name."""
    return _concepts(tuple(words))


@cache
def _concept_bucket(concept: str) -> int:
    return bucket(f"k{concept}")


def concept_features(words: Sequence[str]) -> list[int]:
    """Buckets of the concepts in a text."""
    return [_concept_bucket(concept) for concept in concepts_in(words)]
