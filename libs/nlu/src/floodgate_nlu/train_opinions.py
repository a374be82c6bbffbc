"""Trains what the local model knows of single texts' feelings, from public posts and the package's own sentences."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from floodgate_nlu.corpora import read_jsonl
from floodgate_nlu.hashing import FloatArray
from floodgate_nlu.linear import LinearModel, train_linear, train_rows
from floodgate_nlu.meanings import Embeddings
from floodgate_nlu.network import Network, train_network
from floodgate_nlu.opinions import LEARNED, Opinions, feeling_words, log_odds
from floodgate_nlu.regression import DoubleArray, Joint, fit_joint
from floodgate_nlu.sentiment import SENTIMENTS
from floodgate_nlu.train_feelings import mood_sentences

ORIGIN: Final = "python -m floodgate_nlu.train; XLM-T sentiment (Apache-2.0); Floodgate's own sentences (MIT)"
_LANGUAGES: Final = ("en", *sorted(LEARNED))
_PARTS: Final = 5
_WORDS_RATE: Final = 0.1
_WORDS_DECAY: Final = 1e-3
_SURFACE_EPOCHS: Final = 4
_SURFACE_RATE: Final = 0.5
_EPOCHS: Final = 25
_OWN_WEIGHT: Final = 0.5
_EVERY_NTH_HELD_OUT: Final = 10

Labelled = tuple[str, str, int, float]
"""A text, its language, the number of its sentiment, and how much it counts."""


def public_posts(corpora: Path, *, held_out: bool) -> list[Labelled]:
    """The posts that are learned from, or every tenth, which takes no part."""
    return [
        (row["text"], code, SENTIMENTS.index(row["sentiment"]), 1.0)
        for code in _LANGUAGES
        for number, row in enumerate(read_jsonl(corpora / f"sentiment_xlmt/{code}_train.jsonl"))
        if (number % _EVERY_NTH_HELD_OUT == 0) is held_out
    ]


def train_words(rows: Sequence[Labelled]) -> LinearModel:
    """The model of feelings, which needs no embeddings."""
    table = feeling_words()
    return train_rows(
        [table.features(text, code) for text, code, _, _ in rows],
        [label for _, _, label, _ in rows],
        SENTIMENTS,
        table.width,
        origin=ORIGIN,
        example_weights=[weight for _, _, _, weight in rows],
        rate=_WORDS_RATE,
        decay=_WORDS_DECAY,
    )


class _Texts:
    """All labelled texts with what is read of them.

    Attributes:
        rows: Posts and the package's own sentences.
    """

    def __init__(self, corpora: Path, embeddings: Embeddings) -> None:
        posts = public_posts(corpora, held_out=False)
        self.rows = posts + [(said, "en", label, weight * _OWN_WEIGHT) for said, label, weight in mood_sentences()]
        table = feeling_words()
        self.features = [table.features(text, code) for text, code, _, _ in self.rows]
        self.embedded = embeddings.of([text for text, _, _, _ in self.rows])

    def words(self, chosen: Sequence[int]) -> LinearModel:
        """The model of feelings, from these rows."""
        return train_words([self.rows[n] for n in chosen])

    def surface(self, chosen: Sequence[int]) -> LinearModel:
        """The model of words and parts of words."""
        return train_linear(
            [self.rows[n][0] for n in chosen],
            self._labels(chosen),
            SENTIMENTS,
            origin=ORIGIN,
            epochs=_SURFACE_EPOCHS,
            example_weights=self._weights(chosen),
            rate=_SURFACE_RATE,
        )

    def network(self, chosen: Sequence[int]) -> Network:
        """The network over embeddings of the texts as they stand."""
        return train_network(
            self.embedded[list(chosen)],
            self._labels(chosen),
            SENTIMENTS,
            origin=ORIGIN,
            epochs=_EPOCHS,
            example_weights=self._weights(chosen),
        )

    def _labels(self, chosen: Sequence[int]) -> list[int]:
        return [self.rows[n][2] for n in chosen]

    def _weights(self, chosen: Sequence[int]) -> list[float]:
        return [self.rows[n][3] for n in chosen]

    def opinions(
        self, words: LinearModel, surface: LinearModel, network: Network, chosen: Sequence[int]
    ) -> DoubleArray:
        """What each part says of these rows; shape (rows, 6)."""
        said: FloatArray = np.stack([words.scores_of(self.features[n]) for n in chosen])
        looks = np.stack([surface.scores(self.rows[n][0]) for n in chosen])
        means = network.scores(self.embedded[list(chosen)])
        return np.concatenate([log_odds(said), log_odds(looks), log_odds(means)], axis=1)


def train_opinions(corpora: Path, embeddings: Embeddings) -> Opinions:
    """Train all parts; how much each counts is fitted on what they say of texts that they were not trained on."""
    texts = _Texts(corpora, embeddings)
    part_of = np.random.default_rng(20261123).integers(0, _PARTS, len(texts.rows))
    found = np.zeros((len(texts.rows), 6))
    for part in range(_PARTS):
        seen, left_out = np.flatnonzero(part_of != part).tolist(), np.flatnonzero(part_of == part).tolist()
        found[left_out] = texts.opinions(texts.words(seen), texts.surface(seen), texts.network(seen), left_out)
    everything = range(len(texts.rows))
    return Opinions(
        texts.words(everything),
        texts.surface(everything),
        texts.network(everything),
        _joint(texts, found, {"en"}),
        _joint(texts, found, LEARNED),
    )


def _joint(texts: _Texts, found: DoubleArray, languages: set[str] | frozenset[str]) -> Joint:
    chosen = [n for n, row in enumerate(texts.rows) if row[1] in languages]
    labels, weights = [texts.rows[n][2] for n in chosen], [texts.rows[n][3] for n in chosen]
    return Joint(fit_joint(found[chosen], labels, weights, len(SENTIMENTS)), ORIGIN)
