"""Concepts shared by words of all served languages, found in a text."""

from collections.abc import Sequence
from functools import cache, lru_cache

from floodgate_nlu.hashing import bucket
from floodgate_nlu.patterns import PhraseMatcher
from floodgate_nlu.resources import load_yaml, phrases


@cache
def _matcher() -> PhraseMatcher[str]:
    table = load_yaml("concepts.yaml")
    return PhraseMatcher([(phrase, concept) for concept, text in table.items() for phrase in phrases(text)])


@lru_cache(maxsize=16384)
def _concepts(words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({match.label for match in _matcher().find(words)}))


def concepts_in(words: Sequence[str]) -> tuple[str, ...]:
    """The concepts that folded words name, in order of name."""
    return _concepts(tuple(words))


@cache
def _concept_bucket(concept: str) -> int:
    return bucket(f"k{concept}")


def concept_features(words: Sequence[str]) -> list[int]:
    """Buckets of the concepts in a text."""
    return [_concept_bucket(concept) for concept in concepts_in(words)]
