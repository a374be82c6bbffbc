"""What the rules cannot foresee: a learned estimate of each kind of urgency.

Its features are concepts that words of all languages share, alone and two at a time, so that what is learned from one
language holds in the others, and hashed words and parts of words.
"""

import math
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from itertools import combinations
from typing import Final

import numpy as np

from floodgate_nlu.hashing import (
    SparseVector,
    bucket,
    char_features,
    counted,
    feature_words,
    joined,
    normalised,
    word_features,
)
from floodgate_nlu.linear import FEATURES, LinearModel, load_linear
from floodgate_nlu.patterns import PhraseMatcher
from floodgate_nlu.resources import load_yaml, phrases, read_bytes
from floodgate_nlu.text import sentences, tokens

ARTEFACT: Final = "urgency.npz"
ORDINARY: Final = "none"
KINDS: Final = (ORDINARY, "payment_fraud", "account_takeover", "safety_at_event", "minors", "self_harm", "legal")
# Concepts generalise, words are learned by heart: they weigh this much.
_CONCEPT_SHARE: Final = 0.7
# A message is judged by so many neighbouring sentences at a time: an emergency takes two, a long story hides it.
_WINDOW: Final = 2
_WINDOWS_READ: Final = 12


@cache
def _matcher() -> PhraseMatcher[str]:
    table = load_yaml("urgency_concepts.yaml")
    return PhraseMatcher([(phrase, concept) for concept, text in table.items() for phrase in phrases(text)])


@lru_cache(maxsize=4096)
def _concept_bucket(name: str) -> int:
    return bucket(f"u{name}") & (FEATURES - 1)


def concepts_of(text: str) -> list[str]:
    """The concepts that a text names."""
    return sorted({match.label for match in _matcher().find(tokens(text))})


def features(text: str) -> SparseVector:
    """Concepts, pairs of them, and the surface of a text; of length one where it has both."""
    found = concepts_of(text)
    named = [*found, *(f"{first}+{second}" for first, second in combinations(found, 2))]
    meaning = normalised(counted(_concept_bucket(name) for name in named))
    words = feature_words(text)
    surface = joined(normalised(counted(word_features(words))), normalised(counted(char_features(words))))
    folded = SparseVector((surface.indices & (FEATURES - 1)) + FEATURES, surface.values)
    return joined(meaning.scaled(math.sqrt(_CONCEPT_SHARE)), folded.scaled(math.sqrt((1.0 - _CONCEPT_SHARE) / 2.0)))


@cache
def _shipped() -> LinearModel | None:
    raw = read_bytes(ARTEFACT)
    return load_linear(raw) if raw else None


def windows(text: str) -> list[str]:
    """The message itself where it is short, else its neighbouring sentences."""
    parts = sentences(text)
    if len(parts) <= _WINDOW:
        return [text] if parts else []
    return [" ".join(parts[at : at + _WINDOW]) for at in range(len(parts) - _WINDOW + 1)][:_WINDOWS_READ]


def probabilities(text: str, model: LinearModel | None = None) -> Mapping[str, tuple[float, str]]:
    """Per kind the highest probability and the words it rests on; empty where no model is shipped."""
    used = model or _shipped()
    if used is None:
        return {}
    best: dict[str, tuple[float, str]] = {}
    for window in windows(text):
        raw = used.scores_of(features(window)).astype(np.float64)
        likely = np.exp(raw - raw.max())
        for kind, value in zip(used.classes, likely / likely.sum(), strict=True):
            if kind != ORDINARY and value > best.get(kind, (0.0, ""))[0]:
                best[kind] = (float(value), window)
    return best


def training_rows(texts: Mapping[str, Sequence[str]]) -> tuple[list[SparseVector], list[int]]:
    """Features and class numbers of texts by kind."""
    rows = [(features(text), KINDS.index(kind)) for kind, own in texts.items() for text in own]
    return [vector for vector, _ in rows], [label for _, label in rows]
