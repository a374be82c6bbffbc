"""Trains the injection detector: the project's own attacks, public ones, and ordinary messages.

A public attack often begins harmlessly, which of its sentences attacks is not marked, and some are plain questions that
a customer may ask: a first model, which knows the project's own attacks, chooses the sentences that the second learns.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from floodgate_nlu.attack_templates import attacks, harmless
from floodgate_nlu.corpora import benign_hard, catalogue_examples, ordinary_messages, public_attacks
from floodgate_nlu.encoder import load_encoder
from floodgate_nlu.hashing import FloatArray
from floodgate_nlu.injection import FEWEST_WORDS, INJECTION_THRESHOLD, Detector, attack_probability
from floodgate_nlu.linear import LinearModel, train_linear
from floodgate_nlu.network import Network, train_network
from floodgate_nlu.text import sentences, tokens

ORIGIN: Final = (
    "python -m floodgate_nlu.train; BIPIA (MIT); deepset prompt-injections (Apache-2.0); "
    "InjecGuard (MIT; WildGuardMix rows ODC-BY); CLINC150 (CC BY 3.0); Banking77 (CC BY 4.0); "
    "MultiDoGO (CDLA-Permissive-1.0); Floodgate's own templates and catalogue (MIT)"
)
ORDINARY_SOURCES: Final = ("banking77", "clinc150", "multidogo")
ATTACK_SOURCES: Final = ("bipia", "deepset")
Embed = Callable[[Sequence[str]], FloatArray]
_CLASSES: Final = ("ordinary", "attack")
_ATTACK_WEIGHT: Final = 2.0
_ATTACK_WEIGHT_BY_MEANING: Final = 4.0
_NETWORK_EPOCHS: Final = 8
_ORDINARY_EVERY: Final = 3
_BENIGN_COPIES: Final = 3
_HARMLESS_COPIES: Final = 4
_CATALOGUE_COPIES: Final = 2
_LIKELY: Final = 0.15
# At this probability fewer than 1 % of a brand's messages left out of the training were taken for attacks, and 5 % of
# benign texts full of trigger words. It is moved to where the verdict is drawn.
_OPERATING_POINT: Final = 0.56
# Every n-th own attack follows an ordinary message without a full stop between them.
_SPLICED_EVERY: Final = 5
_BATCH: Final = 512


@dataclass(frozen=True, slots=True)
class Sources:
    """What a detector is trained on; a source left out is one to measure on.

    Attributes:
        benign_every: Every n-th of the benign texts full of trigger words; 0 leaves them out.
        without_families: Families of the project's own attacks to leave out.
    """

    ordinary: Sequence[str] = ORDINARY_SOURCES
    attacks: Sequence[str] = ATTACK_SOURCES
    benign_every: int = 1
    without_families: Sequence[str] = ()


class SentenceTable:
    """Embeddings of all sentences of a training run, each computed once."""

    def __init__(self) -> None:
        self._encoder = load_encoder()
        self._rows: dict[str, FloatArray] = {}

    def __call__(self, texts: Sequence[str]) -> FloatArray:
        """One row per text."""
        fresh = sorted({text for text in texts if text not in self._rows}, key=lambda text: (len(text), text))
        for start in range(0, len(fresh), _BATCH):
            batch = fresh[start : start + _BATCH]
            # Rounded to halves, as the rows are that a trained model gets to see.
            rows = self._encoder.encode(batch).astype(np.float16).astype(np.float32)
            self._rows.update(zip(batch, rows, strict=True))
        return np.stack([self._rows[text] for text in texts])


def train_detector(corpora: Path, embed: Embed, sources: Sources | None = None) -> Detector:
    """Train all models on the same sentences."""
    used = sources or Sources()
    ordinary = [part for text in _ordinary(corpora, used) for part in _parts(text)]
    own = [part for text in attacks(used.without_families) for part in _parts(text)]
    carriers = [text.rstrip(".!?") for text in ordinary if len(tokens(text)) > FEWEST_WORDS]
    own += [f"{carriers[n % len(carriers)]} {text}" for n, text in enumerate(own[::_SPLICED_EVERY])]
    public = [parts for text in public_attacks(corpora, used.attacks) if (parts := _parts(text))]
    first = _train(own, ordinary, embed)
    chosen = [part for parts in public for part in _attacking(first, parts, embed)]
    surface, meaning = (_train([*own, *chosen], ordinary, rows) for rows in (None, embed))
    return Detector(
        moved(surface, _OPERATING_POINT, INJECTION_THRESHOLD),
        moved(meaning, _OPERATING_POINT, INJECTION_THRESHOLD),
        _train_network([*own, *chosen], ordinary, embed),
    )


def moved(model: LinearModel, start: float, end: float) -> LinearModel:
    """The model with its probabilities moved so that one value becomes another."""
    shift = _log_odds(end) - _log_odds(start)
    return replace(model, bias=model.bias + np.array([0.0, shift], dtype=np.float32))


def _log_odds(probability: float) -> float:
    return math.log(probability / (1.0 - probability))


def _ordinary(corpora: Path, used: Sources) -> list[str]:
    texts = (
        ordinary_messages(corpora, used.ordinary, to_support=True)[::_ORDINARY_EVERY]
        + harmless()
        + catalogue_examples() * _CATALOGUE_COPIES
    )
    benign = benign_hard(corpora)[:: used.benign_every] if used.benign_every else []
    return texts + benign * _BENIGN_COPIES


def _parts(text: str) -> list[str]:
    """The sentences of a text that say something; the whole text where none does."""
    return [part for part in sentences(text) if len(tokens(part)) > 1] or ([text] if tokens(text) else [])


def _attacking(model: LinearModel, parts: Sequence[str], embed: Embed) -> list[str]:
    scores = [attack_probability(model, part, row) for part, row in zip(parts, embed(parts), strict=True)]
    return [part for part, score in zip(parts, scores, strict=True) if score >= _LIKELY]


def _train(attacking: Sequence[str], ordinary: Sequence[str], embed: Embed | None) -> LinearModel:
    texts = [*attacking, *ordinary]
    labels = [1] * len(attacking) + [0] * len(ordinary)
    weight = _ATTACK_WEIGHT if embed is None else _ATTACK_WEIGHT_BY_MEANING
    weights = [weight] * len(attacking) + [1.0] * len(ordinary)
    if embed is None:
        return train_linear(texts, labels, _CLASSES, origin=ORIGIN, epochs=4, example_weights=weights)
    # Small steps and more decay: with the defaults the model learns its sources by heart and misses other attacks.
    return train_linear(
        texts,
        labels,
        _CLASSES,
        origin=ORIGIN,
        epochs=5,
        decay=1e-3,
        rate=0.15,
        example_weights=weights,
        embeddings=embed(texts),
    )


def _train_network(attacking: Sequence[str], ordinary: Sequence[str], embed: Embed) -> Network:
    texts = [*attacking, *ordinary]
    labels = [1] * len(attacking) + [0] * len(ordinary)
    weights = [_ATTACK_WEIGHT] * len(attacking) + [1.0] * len(ordinary)
    return train_network(embed(texts), labels, _CLASSES, origin=ORIGIN, epochs=_NETWORK_EPOCHS, example_weights=weights)
