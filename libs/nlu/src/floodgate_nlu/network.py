"""A small neural network over sentence embeddings, of a few members that vote; small enough to ship, free of text.

A line through the space of embeddings tells apart what it was shown; one hidden layer generalises better to wordings
and sources that it was not.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from floodgate_nlu.hashing import FloatArray

Layers = tuple[FloatArray, FloatArray, FloatArray, FloatArray]

_HIDDEN: Final = 64
_MEMBERS: Final = 3
_BATCH: Final = 256
_RATE: Final = 2e-3
_DECAY: Final = 1e-2
_DROPPED: Final = 0.3
_MOMENTUM: Final = 0.9
_SPREAD: Final = 0.999
_TINY: Final = 1e-8
_NAMES: Final = ("hidden", "hidden_bias", "out", "out_bias")


@dataclass(frozen=True, slots=True)
class Network:
    """Members stacked along the first axis; each has one hidden layer.

    Attributes:
        classes: Their names, in the order of the scores.
        layers: Weights and biases into and out of the hidden layer.
        center: What all embeddings have in common, which says nothing.
        origin: The command and the sources that made it.
    """

    classes: tuple[str, ...]
    layers: Layers
    center: FloatArray
    origin: str

    def scores(self, embeddings: FloatArray) -> FloatArray:
        """The members' mean scores, one row per embedding and one column per class; a softmax makes probabilities."""
        rows = _scaled(embeddings, self.center)
        hidden, hidden_bias, out, out_bias = self.layers
        found = [np.maximum(rows @ hidden[n] + hidden_bias[n], 0.0) @ out[n] + out_bias[n] for n in range(len(hidden))]
        return np.asarray(np.mean(found, axis=0), dtype=np.float32)

    def probabilities(self, embeddings: FloatArray) -> NDArray[np.float64]:
        """One row per embedding and one column per class."""
        return _softmax(self.scores(embeddings).astype(np.float64))

    def to_bytes(self) -> bytes:
        """The network as a compressed archive of arrays of halves."""
        buffer = io.BytesIO()
        hidden, hidden_bias, out, out_bias = (layer.astype(np.float16) for layer in self.layers)
        np.savez_compressed(
            buffer,
            classes=np.array(self.classes),
            origin=np.array(self.origin),
            hidden=hidden,
            hidden_bias=hidden_bias,
            out=out,
            out_bias=out_bias,
            center=self.center.astype(np.float16),
        )
        return buffer.getvalue()


def load_network(raw: bytes) -> Network:
    """Read what `Network.to_bytes` wrote; pickled objects are refused."""
    with np.load(io.BytesIO(raw), allow_pickle=False) as archive:
        hidden, hidden_bias, out, out_bias = (archive[name].astype(np.float32) for name in _NAMES)
        classes = tuple(str(name) for name in archive["classes"])
        center = archive["center"].astype(np.float32)
        return Network(classes, (hidden, hidden_bias, out, out_bias), center, str(archive["origin"]))


def _scaled(embeddings: FloatArray, center: FloatArray) -> FloatArray:
    """Embeddings without what they have in common, their numbers of about unit size."""
    moved = embeddings - center
    lengths = np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), _TINY)
    return np.asarray(moved / lengths * np.sqrt(embeddings.shape[1]), dtype=np.float32)


def train_network(
    embeddings: FloatArray,
    labels: Sequence[int],
    classes: Sequence[str],
    *,
    origin: str,
    epochs: int,
    example_weights: Sequence[float],
) -> Network:
    """Cross-entropy by Adam with dropout; deterministic for the same input.

    Args:
        embeddings: One row per example.
        labels: The number of each example's class.
        classes: The names of the classes.
        origin: The command and the sources, kept with the weights.
        epochs: How often every example is seen.
        example_weights: How much each example counts.
    """
    targets = np.eye(len(classes), dtype=np.float32)[np.asarray(labels)]
    importance = np.asarray(example_weights, dtype=np.float32)[:, None]
    center = np.asarray(embeddings.mean(axis=0), dtype=np.float32)
    rows = _scaled(embeddings, center)
    members = [_train_member(rows, targets, importance, epochs, seed) for seed in range(_MEMBERS)]
    hidden, hidden_bias, out, out_bias = (np.stack(layer) for layer in zip(*members, strict=True))
    return Network(tuple(classes), (hidden, hidden_bias, out, out_bias), center, origin)


def _train_member(
    rows: FloatArray, targets: FloatArray, importance: FloatArray, epochs: int, seed: int
) -> list[FloatArray]:
    chooser = np.random.default_rng(seed)
    layers = _first_layers(chooser, rows.shape[1], targets.shape[1])
    first, second = [np.zeros_like(layer) for layer in layers], [np.zeros_like(layer) for layer in layers]
    step = 0
    for epoch in range(epochs):
        rate = _RATE * (1.0 - epoch / epochs)
        for chosen in np.array_split(chooser.permutation(len(rows)), max(len(rows) // _BATCH, 1)):
            step += 1
            gradients = _gradients(layers, rows[chosen], targets[chosen], importance[chosen], chooser)
            for number, gradient in enumerate(gradients):
                first[number] = _MOMENTUM * first[number] + (1.0 - _MOMENTUM) * gradient
                second[number] = _SPREAD * second[number] + (1.0 - _SPREAD) * gradient**2
                moved = first[number] / (1.0 - _MOMENTUM**step)
                spread = np.sqrt(second[number] / (1.0 - _SPREAD**step)) + _TINY
                decay = _DECAY * layers[number] if layers[number].ndim > 1 else 0.0
                layers[number] = np.asarray(layers[number] - rate * (moved / spread + decay), dtype=np.float32)
    return layers


def _first_layers(chooser: np.random.Generator, width: int, classes: int) -> list[FloatArray]:
    return [
        chooser.normal(0.0, width**-0.5, (width, _HIDDEN)).astype(np.float32),
        np.zeros(_HIDDEN, dtype=np.float32),
        chooser.normal(0.0, _HIDDEN**-0.5, (_HIDDEN, classes)).astype(np.float32),
        np.zeros(classes, dtype=np.float32),
    ]


def _gradients(
    layers: Sequence[FloatArray],
    rows: FloatArray,
    targets: FloatArray,
    importance: FloatArray,
    chooser: np.random.Generator,
) -> list[FloatArray]:
    hidden, hidden_bias, out, out_bias = layers
    raw = rows @ hidden + hidden_bias
    kept = ((chooser.random(raw.shape) > _DROPPED) / (1.0 - _DROPPED)).astype(np.float32)
    active = np.maximum(raw, 0.0) * kept
    likely = _softmax((active @ out + out_bias).astype(np.float64)).astype(np.float32)
    error = (likely - targets) * importance / np.float32(len(rows))
    back = (error @ out.T) * kept * (raw > 0.0)
    return [rows.T @ back, back.sum(axis=0), active.T @ error, error.sum(axis=0)]


def _softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    softmax: NDArray[np.float64] = shifted / shifted.sum(axis=1, keepdims=True)
    return softmax
