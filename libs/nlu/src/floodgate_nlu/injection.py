"""The learned half of the injection detector: linear models over single sentences.

One weighs hashed words and parts of words; the other a sentence embedding beside them, and decides where the encoder
is installed. A message hides an attack in one sentence among ordinary ones, so each is judged alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from floodgate_nlu.hashing import FloatArray
from floodgate_nlu.linear import LinearModel, load_linear
from floodgate_nlu.meanings import Embeddings, shared_embeddings
from floodgate_nlu.resources import read_bytes
from floodgate_nlu.text import tokens

ARTEFACT: Final = "injection.npz"
MEANING_ARTEFACT: Final = "injection_meaning.npz"
# Where the verdict is drawn; the catalogue's threshold of misuse is the same.
INJECTION_THRESHOLD: Final = 0.6
# In fewer words an embedding says nothing that phrases do not.
FEWEST_WORDS: Final = 4
# What the words alone find harmless is not embedded: four sentences of ordinary messages in five, and one attack in
# a hundred.
_SUSPECT: Final = 0.01
# Bounds the time of a long message; what the words make most suspicious is read first.
_SENTENCES_READ: Final = 8
_ATTACK: Final = "attack"


def attack_probability(model: LinearModel, sentence: str, embedding: FloatArray | None = None) -> float:
    """The probability that one sentence is an attack."""
    scores = model.scores(sentence, embedding).astype(np.float64)
    likely = np.exp(scores - scores.max())
    return float(likely[model.classes.index(_ATTACK)] / likely.sum())


@dataclass(frozen=True, slots=True)
class Detector:
    """Both models; without the second, or without an encoder, the first one decides alone."""

    surface: LinearModel | None
    meaning: LinearModel | None
    embeddings: Callable[[], Embeddings | None] = shared_embeddings

    def probabilities(self, parts: Sequence[str]) -> list[float]:
        """The probability of an attack per sentence; zero where there is no model."""
        found = [attack_probability(self.surface, part) if self.surface else 0.0 for part in parts]
        encoder = self.embeddings() if self.meaning else None
        if encoder is None or self.meaning is None:
            return found
        telling = [n for n, part in enumerate(parts) if found[n] >= _SUSPECT and len(tokens(part)) >= FEWEST_WORDS]
        telling = sorted(telling, key=lambda number: -found[number])[:_SENTENCES_READ]
        rows = encoder.of([parts[number] for number in telling])
        for number, row in zip(telling, rows, strict=True):
            found[number] = attack_probability(self.meaning, parts[number], row)
        return found


@cache
def shipped() -> Detector:
    """The detector of the package."""
    surface, meaning = read_bytes(ARTEFACT), read_bytes(MEANING_ARTEFACT)
    return Detector(load_linear(surface) if surface else None, load_linear(meaning) if meaning else None)


def sentence_scores(parts: Sequence[str]) -> list[float]:
    """The probability of an attack per sentence."""
    return shipped().probabilities(parts)
