"""The learned half of the injection detector: models over single sentences.

One weighs hashed words and parts of words. Where the encoder is installed, its opinion is joined with those of a linear
model that weighs a sentence embedding beside the words, and of a small network over the embedding. A message hides an
attack in one sentence among ordinary ones, so each is judged alone.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from floodgate_nlu.hashing import FloatArray
from floodgate_nlu.language import identify
from floodgate_nlu.linear import LinearModel, load_linear
from floodgate_nlu.meanings import Embeddings, shared_embeddings
from floodgate_nlu.network import Network, load_network
from floodgate_nlu.resources import read_bytes
from floodgate_nlu.text import tokens

ARTEFACT: Final = "injection.npz"
MEANING_ARTEFACT: Final = "injection_meaning.npz"
NETWORK_ARTEFACT: Final = "injection_network.npz"
# Where the verdict is drawn; the catalogue's threshold of misuse is the same.
INJECTION_THRESHOLD: Final = 0.6
# In fewer words an embedding says nothing that phrases do not.
FEWEST_WORDS: Final = 4
# What the words alone find harmless is not embedded: four sentences of ordinary messages in five, and one attack in
# a hundred.
_SUSPECT: Final = 0.01
# Bounds the time of a long message; what the words make most suspicious is read first.
_SENTENCES_READ: Final = 8
# What each opinion counts in log-odds (words, words with meaning, network), and what is added to the sum so that the
# verdict falls where few ordinary messages and few benign texts full of trigger words of sources left out are hit. The
# encoder reads English: elsewhere the network only sees names and borrowed words, and is not asked.
_ENGLISH_SHARES: Final = (1 / 3, 1 / 2, 1 / 3, 0.8)
_FOREIGN_SHARES: Final = (1 / 2, 3 / 4, 0.0, 0.8)
_ENGLISH: Final = "en"
_LEAST: Final = 1e-9
_ATTACK: Final = "attack"


def attack_probability(model: LinearModel, sentence: str, embedding: FloatArray | None = None) -> float:
    """The probability that one sentence is an attack."""
    scores = model.scores(sentence, embedding).astype(np.float64)
    likely = np.exp(scores - scores.max())
    return float(likely[model.classes.index(_ATTACK)] / likely.sum())


def _log_odds(probability: float) -> float:
    return math.log(max(probability, _LEAST) / max(1.0 - probability, _LEAST))


@dataclass(frozen=True, slots=True)
class Detector:
    """The models; without the second, or without an encoder, the first one decides alone."""

    surface: LinearModel | None
    meaning: LinearModel | None
    network: Network | None = None
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
        english = identify(" ".join(parts)) == _ENGLISH
        for number, row in zip(telling, rows, strict=True):
            found[number] = self._joined(
                found[number], attack_probability(self.meaning, parts[number], row), row, english
            )
        return found

    def _joined(self, surface: float, meaning: float, embedding: FloatArray, english: bool) -> float:
        """The opinions on one sentence as one probability."""
        if self.network is None:
            return meaning
        by_words, by_both, by_network, moved = _ENGLISH_SHARES if english else _FOREIGN_SHARES
        odds = by_words * _log_odds(surface) + by_both * _log_odds(meaning) + moved
        if by_network:
            scores = self.network.scores(embedding[None, :])[0]
            attack = self.network.classes.index(_ATTACK)
            odds += by_network * float(scores[attack] - scores[1 - attack])
        return 1.0 / (1.0 + math.exp(-max(min(odds, 30.0), -30.0)))


@cache
def shipped() -> Detector:
    """The detector of the package."""
    surface, meaning, network = (read_bytes(name) for name in (ARTEFACT, MEANING_ARTEFACT, NETWORK_ARTEFACT))
    return Detector(
        load_linear(surface) if surface else None,
        load_linear(meaning) if meaning else None,
        load_network(network) if network else None,
    )


def sentence_scores(parts: Sequence[str]) -> list[float]:
    """The probability of an attack per sentence."""
    return shipped().probabilities(parts)
