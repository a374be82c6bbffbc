"""A multinomial logistic regression over a few numbers: how much each of several opinions counts."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

DoubleArray = NDArray[np.float64]

_RIDGE: Final = 10.0
_ROUNDS: Final = 2_000
_RATE: Final = 0.5
_LEAST_SPREAD: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Joint:
    """The regression: a row per feature and one for the constant, a column per class."""

    weights: DoubleArray
    origin: str

    def shares(self, found: Sequence[float] | DoubleArray) -> DoubleArray:
        """How likely each class is."""
        raw = np.append(found, 1.0) @ self.weights
        raw = np.exp(raw - raw.max())
        return np.asarray(raw / raw.sum(), dtype=np.float64)

    def to_bytes(self) -> bytes:
        """The weights as a compressed archive."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, weights=self.weights.astype(np.float32), origin=np.array(self.origin))
        return buffer.getvalue()


def load_joint(raw: bytes) -> Joint:
    """Read what `Joint.to_bytes` wrote; pickled objects are refused."""
    with np.load(io.BytesIO(raw), allow_pickle=False) as archive:
        return Joint(archive["weights"].astype(np.float64), str(archive["origin"]))


def fit_joint(found: DoubleArray, labels: Sequence[int], importance: Sequence[float], classes: int) -> DoubleArray:
    """Fits the weights by gradient descent on standardised features, with a ridge; deterministic for the same input.

    Args:
        found: One row per example.
        labels: The number of each example's class.
        importance: How much each example counts.
        classes: How many there are.

    Returns:
        Weights of the raw features; shape (features + 1, classes), the constant last.
    """
    wanted = np.eye(classes)[list(labels)]
    mean, spread = found.mean(axis=0), np.maximum(found.std(axis=0), _LEAST_SPREAD)
    rows = np.column_stack([(found - mean) / spread, np.ones(len(found))])
    share = np.asarray(importance)[:, None] / np.sum(importance)
    weights = np.zeros((rows.shape[1], classes))
    for _ in range(_ROUNDS):
        raw = rows @ weights
        likely = np.exp(raw - raw.max(axis=1, keepdims=True))
        likely /= likely.sum(axis=1, keepdims=True)
        gradient = rows.T @ ((likely - wanted) * share)
        gradient[:-1] += _RIDGE / np.sum(importance) * weights[:-1]
        weights -= _RATE * gradient
    slopes = weights[:-1] / spread[:, None]
    return np.vstack([slopes, weights[-1] - mean @ slopes])
