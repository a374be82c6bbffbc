"""What the rules cannot foresee: a learned estimate of each kind of urgency.

Its features are concepts that words of all languages share, alone and two at a time, so that what is learned from one
language holds in the others, and hashed words and parts of words. What English says is weighed by its meaning too,
where the sentence encoder is installed.
"""

import math
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

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
from floodgate_nlu.language import identify
from floodgate_nlu.linear import FEATURES, LinearModel, load_linear
from floodgate_nlu.meanings import shared_embeddings
from floodgate_nlu.network import Network, load_network
from floodgate_nlu.patterns import PhraseMatcher
from floodgate_nlu.resources import load_yaml, phrases, read_bytes
from floodgate_nlu.text import sentences, tokens

DoubleArray = NDArray[np.float64]

ARTEFACT: Final = "urgency.npz"
NETWORK_ARTEFACT: Final = "urgency_network.npz"
ORDINARY: Final = "none"
KINDS: Final = (ORDINARY, "payment_fraud", "account_takeover", "safety_at_event", "minors", "self_harm", "legal")
# Concepts generalise, words are learned by heart: they weigh this much.
_CONCEPT_SHARE: Final = 0.7
# A message is judged by so many neighbouring sentences at a time: an emergency takes two, a long story hides it.
_WINDOW: Final = 2
_WINDOWS_READ: Final = 12
_ENGLISH: Final = "en"
# What the words alone find harmless is not embedded.
_SUSPECT: Final = 0.01


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


@cache
def _shipped_network() -> Network | None:
    raw = read_bytes(NETWORK_ARTEFACT)
    return load_network(raw) if raw else None


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
    read = windows(text)
    likely = np.array([_softmax(used.scores_of(features(window)).astype(np.float64)) for window in read])
    if read and model is None:
        likely = _with_meaning(text, read, likely)
    best: dict[str, tuple[float, str]] = {}
    for window, row in zip(read, likely, strict=True):
        for kind, value in zip(used.classes, row, strict=True):
            if kind != ORDINARY and value > best.get(kind, (0.0, ""))[0]:
                best[kind] = (float(value), window)
    return best


def _with_meaning(text: str, read: Sequence[str], likely: DoubleArray) -> DoubleArray:
    """The probabilities of the windows joined with those of the network, where it can read them."""
    network = _shipped_network()
    telling = [n for n, row in enumerate(likely) if 1.0 - row[KINDS.index(ORDINARY)] >= _SUSPECT]
    encoder = shared_embeddings() if network is not None and telling and identify(text) == _ENGLISH else None
    if network is None or encoder is None:
        return likely
    joined_likely = likely.copy()
    for number, row in zip(telling, network.probabilities(encoder.of([read[n] for n in telling])), strict=True):
        product = likely[number] * row
        joined_likely[number] = product / product.sum()
    return joined_likely


def _softmax(scores: DoubleArray) -> DoubleArray:
    shifted = np.exp(scores - scores.max())
    return np.asarray(shifted / shifted.sum(), dtype=np.float64)


def training_rows(texts: Mapping[str, Sequence[str]]) -> tuple[list[SparseVector], list[int]]:
    """Features and class numbers of texts by kind."""
    rows = [(features(text), KINDS.index(kind)) for kind, own in texts.items() for text in own]
    return [vector for vector, _ in rows], [label for _, label in rows]
