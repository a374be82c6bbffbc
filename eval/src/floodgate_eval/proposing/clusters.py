"""Groups texts by what they are about: spherical k-means over embeddings, the number of groups chosen by the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from floodgate_nlu.embedding import embed
from floodgate_nlu.meanings import shared_embeddings
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]

_SURFACE_DIMENSIONS: Final = 512
_ENGLISH_MEANING: Final = 0.75
_FOREIGN_MEANING: Final = 0.35
_ROUNDS: Final = 30
_STARTS: Final = 4
_SEED: Final = 20_261_122
_LEAST_SIZE: Final = 5
_LEAST_SHARE: Final = 0.005
_SAME: Final = 0.9
_FEWEST_GROUPS: Final = 2
_FEWEST_USEFUL: Final = 8
_MOST_GROUPS: Final = 80
_MESSAGES_PER_GROUP: Final = 20
_STEPS: Final = 9
_OUTLIER_QUANTILE: Final = 0.05


@dataclass(frozen=True, slots=True)
class Clusters:
    """Groups of texts.

    Attributes:
        labels: Group of each text; -1 for what lies far from every group.
        centroids: One row of length one per group, the largest group first.
        nearness: Of each text to its group's centroid.
    """

    labels: Labels
    centroids: Floats
    nearness: Floats

    def members(self, group: int) -> list[int]:
        """Positions of a group's texts, the most typical first."""
        found = np.flatnonzero(self.labels == group)
        return [int(position) for position in found[np.argsort(-self.nearness[found], kind="stable")]]


def vectors_of(texts: Sequence[str], language: str) -> Floats:
    """One row of length one per text: its meaning where the encoder knows the language, and its words."""
    surface = np.array([embed(text, _SURFACE_DIMENSIONS) for text in texts], dtype=np.float32)
    encoder = shared_embeddings()
    if encoder is None:
        return surface
    raw = np.concatenate([encoder.of(texts[start : start + 256]) for start in range(0, len(texts), 256)])
    share = _ENGLISH_MEANING if language == "en" else _FOREIGN_MEANING
    meaning = _unit(raw - raw.mean(axis=0))
    return np.hstack([meaning * np.float32(share**0.5), surface * np.float32((1 - share) ** 0.5)])


def cluster(rows: Floats, groups: int | None = None) -> Clusters:
    """Group rows of length one; deterministic.

    Args:
        rows: The texts' vectors.
        groups: How many groups; None lets the data choose.
    """
    tried = [groups] if groups else _numbers(len(rows))
    found = [_kmeans(rows, min(number, len(rows))) for number in tried]
    labels = max(found, key=lambda each: _separation(rows, each)) if len(found) > 1 else found[0]
    labels = _merged(rows, labels, keep=groups is not None)
    return _ordered(rows, labels)


def _numbers(count: int) -> list[int]:
    """What is tried: a few numbers, evenly spaced in ratio, neither coarser nor finer than a team can use."""
    most = min(_MOST_GROUPS, max(_FEWEST_GROUPS, count // _MESSAGES_PER_GROUP))
    fewest = min(_FEWEST_USEFUL, most)
    return sorted({int(number) for number in np.geomspace(fewest, most, _STEPS).round()})


def _kmeans(rows: Floats, groups: int) -> Labels:
    random = np.random.default_rng(_SEED)
    best, best_value = np.zeros(len(rows), dtype=np.int64), -np.inf
    for _ in range(_STARTS):
        centres = rows[_spread_out(rows, groups, random)]
        labels = best
        for _ in range(_ROUNDS):
            near = rows @ centres.T
            fresh = near.argmax(axis=1)
            if np.array_equal(fresh, labels):
                break
            labels = fresh
            centres = _centroids(rows, labels, centres)
        value = float((rows * centres[labels]).sum())
        if value > best_value:
            best, best_value = labels, value
    return best


def _spread_out(rows: Floats, groups: int, random: np.random.Generator) -> list[int]:
    """k-means++: each next beginning is likely far from those before."""
    chosen = [int(random.integers(len(rows)))]
    far = np.maximum(1.0 - rows @ rows[chosen[0]], 0.0)
    while len(chosen) < groups:
        weights = far.astype(np.float64) ** 2
        total = weights.sum()
        chosen.append(int(random.choice(len(rows), p=weights / total) if total > 0 else random.integers(len(rows))))
        far = np.minimum(far, np.maximum(1.0 - rows @ rows[chosen[-1]], 0.0))
    return chosen


def _centroids(rows: Floats, labels: Labels, before: Floats) -> Floats:
    """The direction of each group; an empty one keeps its place."""
    sums = np.zeros_like(before)
    np.add.at(sums, labels, rows)
    norms = np.linalg.norm(sums, axis=1, keepdims=True)
    return np.asarray(np.where(norms > 1e-9, sums / np.maximum(norms, 1e-9), before), dtype=np.float32)


def _separation(rows: Floats, labels: Labels) -> float:
    """The simplified silhouette: how much nearer each text is to its own centroid than to the next."""
    groups = int(labels.max()) + 1
    centres = _centroids(rows, labels, np.zeros((groups, rows.shape[1]), dtype=np.float32))
    far = np.maximum(1.0 - rows @ centres.T, 0.0)
    own = far[np.arange(len(rows)), labels].copy()
    far[np.arange(len(rows)), labels] = np.inf
    other = far.min(axis=1)
    return float(np.mean((other - own) / np.maximum(np.maximum(own, other), 1e-9)))


def _merged(rows: Floats, labels: Labels, *, keep: bool) -> Labels:
    """Tiny groups go to their nearest neighbour, and groups that say the same become one."""
    least = max(_LEAST_SIZE, int(len(rows) * _LEAST_SHARE))
    labels = labels.copy()
    while True:
        names, counts = np.unique(labels, return_counts=True)
        if len(names) <= _FEWEST_GROUPS:
            return labels
        centres = np.stack([_unit(rows[labels == name].sum(axis=0)) for name in names])
        near = centres @ centres.T
        np.fill_diagonal(near, -1.0)
        smallest = int(counts.argmin())
        first, second = np.unravel_index(int(near.argmax()), near.shape)
        if counts[smallest] < least:
            labels[labels == names[smallest]] = names[int(near[smallest].argmax())]
        elif not keep and near[first, second] >= _SAME:
            labels[labels == names[first]] = names[second]
        else:
            return labels


def _ordered(rows: Floats, labels: Labels) -> Clusters:
    names, counts = np.unique(labels, return_counts=True)
    order = [int(name) for name in names[np.argsort(-counts, kind="stable")]]
    numbers = np.array([order.index(int(label)) for label in labels], dtype=np.int64)
    centroids = np.stack([_unit(rows[numbers == number].sum(axis=0)) for number in range(len(order))])
    nearness = np.asarray((rows * centroids[numbers]).sum(axis=1), dtype=np.float32)
    if len(rows) >= _LEAST_SIZE / _OUTLIER_QUANTILE:
        numbers[nearness < np.quantile(nearness, _OUTLIER_QUANTILE)] = -1
    return Clusters(numbers, centroids, nearness)


def _unit(rows: Floats) -> Floats:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-9), dtype=np.float32)
