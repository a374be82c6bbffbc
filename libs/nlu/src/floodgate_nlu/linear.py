"""A trained linear model over hashed features, small enough to ship and free of text.

It may weigh a sentence embedding too; then it needs one with every text.
"""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from floodgate_nlu.hashing import (
    FloatArray,
    IndexArray,
    SparseVector,
    char_features,
    counted,
    feature_words,
    joined,
    normalised,
    word_features,
)

FEATURE_BITS: Final = 16
FEATURES: Final = 1 << FEATURE_BITS
# Beside an embedding, words only correct what it says: alone they are learned by heart.
_SURFACE_BESIDE_MEANING: Final = 0.5
_NO_CENTER: Final = np.zeros(0, dtype=np.float32)


def features(text: str, embedding: FloatArray | None = None) -> SparseVector:
    """Word and character features folded into fewer buckets, of length one; an embedding's numbers after them."""
    words = feature_words(text)
    both = joined(normalised(counted(word_features(words))), normalised(counted(char_features(words))))
    if embedding is None:
        return SparseVector(both.indices & (FEATURES - 1), both.values * np.float32(math.sqrt(0.5)))
    surface = SparseVector(both.indices & (FEATURES - 1), both.values * np.float32(_SURFACE_BESIDE_MEANING))
    return joined(surface, SparseVector(np.arange(FEATURES, FEATURES + len(embedding)), embedding))


def _centered(embeddings: FloatArray, center: FloatArray) -> FloatArray:
    """Embeddings share a common direction, which says nothing and hides what differs."""
    moved = embeddings - center
    return np.asarray(moved / np.linalg.norm(moved, axis=-1, keepdims=True), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class LinearModel:
    """One weight per feature and class, stored as bytes with a scale per class."""

    classes: tuple[str, ...]
    weights: NDArray[np.int8]
    scales: FloatArray
    bias: FloatArray
    origin: str
    center: FloatArray

    @property
    def reads_embeddings(self) -> bool:
        """Whether it weighs an embedding beside the words."""
        return len(self.weights) > FEATURES

    def scores(self, text: str, embedding: FloatArray | None = None) -> FloatArray:
        """The raw score per class."""
        return self.scores_of(features(text, None if embedding is None else _centered(embedding, self.center)))

    def scores_of(self, vector: SparseVector) -> FloatArray:
        """The raw score per class of a text that is features already."""
        raw = self.weights[vector.indices].astype(np.float32).T @ vector.values
        return np.asarray(raw * self.scales + self.bias, dtype=np.float32)

    def to_bytes(self) -> bytes:
        """The model as a compressed archive of arrays."""
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            classes=np.array(self.classes),
            weights=self.weights,
            scales=self.scales,
            bias=self.bias,
            origin=np.array(self.origin),
            center=self.center,
        )
        return buffer.getvalue()


def load_linear(raw: bytes) -> LinearModel:
    """Read what `LinearModel.to_bytes` wrote; pickled objects are refused."""
    with np.load(io.BytesIO(raw), allow_pickle=False) as archive:
        return LinearModel(
            tuple(str(name) for name in archive["classes"]),
            archive["weights"].astype(np.int8),
            archive["scales"].astype(np.float32),
            archive["bias"].astype(np.float32),
            str(archive["origin"]),
            archive["center"].astype(np.float32) if "center" in archive else _NO_CENTER,
        )


def train_linear(
    texts: Sequence[str],
    labels: Sequence[int],
    classes: Sequence[str],
    *,
    origin: str,
    epochs: int = 6,
    decay: float = 2e-6,
    example_weights: Sequence[float] | None = None,
    rate: float = 1.0,
    embeddings: FloatArray | None = None,
) -> LinearModel:
    """Train on texts, or on texts with their embeddings."""
    center = _NO_CENTER if embeddings is None else np.asarray(embeddings.mean(axis=0), dtype=np.float32)
    embeddings = None if embeddings is None else _centered(embeddings, center)
    rows = [features(text, None if embeddings is None else embeddings[n]) for n, text in enumerate(texts)]
    width = FEATURES if embeddings is None else FEATURES + embeddings.shape[1]
    return train_rows(
        rows,
        labels,
        classes,
        width,
        origin=origin,
        epochs=epochs,
        decay=decay,
        example_weights=example_weights,
        rate=rate,
        center=center,
    )


def train_rows(
    rows: Sequence[SparseVector],
    labels: Sequence[int],
    classes: Sequence[str],
    width: int,
    *,
    origin: str,
    epochs: int = 6,
    decay: float = 2e-6,
    example_weights: Sequence[float] | None = None,
    rate: float = 1.0,
    center: FloatArray = _NO_CENTER,
) -> LinearModel:
    """Multinomial logistic regression by AdaGrad; deterministic for the same input."""
    weights = np.zeros((width, len(classes)), dtype=np.float32)
    squares = np.full((width, len(classes)), 1e-2, dtype=np.float32)
    bias = np.zeros(len(classes), dtype=np.float32)
    importance = example_weights or [1.0] * len(rows)
    shuffler = np.random.default_rng(20261122)
    for _ in range(epochs):
        for row in shuffler.permutation(len(rows)):
            indices: IndexArray = rows[row].indices
            values = rows[row].values
            raw = weights[indices].T @ values + bias
            likely = np.exp(raw - raw.max())
            likely /= likely.sum()
            likely[labels[row]] -= 1.0
            error = (likely * importance[row]).astype(np.float32)
            gradient = np.outer(values, error) + decay * weights[indices]
            np.add.at(squares, indices, gradient**2)
            np.subtract.at(weights, indices, rate * gradient / np.sqrt(squares[indices]))
            bias -= np.float32(0.05) * error
    scales = np.maximum(np.abs(weights).max(axis=0), 1e-9) / 127.0
    return LinearModel(
        tuple(classes), np.rint(weights / scales).astype(np.int8), scales.astype(np.float32), bias, origin, center
    )
