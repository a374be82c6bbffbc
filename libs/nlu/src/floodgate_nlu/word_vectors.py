"""Vectors of English words by the company they keep in support conversations; words are kept as hashes only."""

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from floodgate_nlu.hashing import FloatArray, feature_words
from floodgate_nlu.resources import read_bytes

ARTEFACT: Final = "word_vectors.npz"
_COVERED: Final = 0.7
_MEANING_SHARE: Final = 0.25
# Neither near nor far, so that the scores alone tell whether any label applies (see `meanings`).
_UNKNOWN_CLOSENESS: Final = 0.75
_WINDOW: Final = 6
_MIN_COUNT: Final = 4
_SMOOTHING: Final = 0.75
_POWER_ROUNDS: Final = 6
_SEED: Final = 20261122


@dataclass(frozen=True, slots=True)
class WordVectors:
    """Sorted word hashes, their vectors as bytes and how much each word counts."""

    hashes: NDArray[np.uint32]
    vectors: NDArray[np.int8]
    weights: FloatArray
    origin: str

    def of_text(self, text: str) -> FloatArray:
        """The weighted mean of the words' vectors at length one; zero where no word is known."""
        known, _ = self._known(text)
        total = self.weights[known] @ self.vectors[known].astype(np.float32)
        norm = float(np.linalg.norm(total))
        return np.asarray(total / norm if norm > 0 else total, dtype=np.float32)

    def covers(self, texts: Sequence[str]) -> bool:
        """Whether most words of the texts have vectors, which is to say: the texts are in English."""
        known = total = 0
        for text in texts:
            places, words = self._known(text)
            known, total = known + len(places), total + words
        return total > 0 and known >= _COVERED * total

    def _known(self, text: str) -> tuple[NDArray[np.int64], int]:
        wanted = np.array([_hash(word) for word in feature_words(text)], dtype=np.uint32)
        places = np.minimum(np.searchsorted(self.hashes, wanted), len(self.hashes) - 1)
        return places[self.hashes[places] == wanted], len(wanted)

    def to_bytes(self) -> bytes:
        """The vectors as a compressed archive of arrays."""
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            hashes=self.hashes,
            vectors=self.vectors,
            weights=self.weights,
            origin=np.array(self.origin),
        )
        return buffer.getvalue()


class WordMeanings:
    """Example texts by their word vectors, compared after their common direction is taken away."""

    def __init__(self, vectors: WordVectors, texts: Sequence[str]) -> None:
        self._vectors = vectors
        raw = np.stack([vectors.of_text(text) for text in texts])
        self._center: FloatArray = raw.mean(axis=0)
        self._rows: FloatArray = _unit(raw - self._center)
        self.closeness_of_examples = _unknown_closeness(texts)

    def gram(self, surface: FloatArray) -> FloatArray:
        """The similarity of the examples with each other, from that of their surfaces."""
        return _weighted(surface, self._rows @ self._rows.T)

    def mixed(self, surface: FloatArray, text: str) -> FloatArray:
        """The similarity of a text with every example, from that of their surfaces."""
        return _weighted(surface, self._rows @ _unit(self._vectors.of_text(text) - self._center))

    def closeness(self, _: str) -> float:
        """Without the sentence encoder nothing is known of it."""
        return _UNKNOWN_CLOSENESS


class NoMeanings:
    """Only the surface counts."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.closeness_of_examples = _unknown_closeness(texts)

    def gram(self, surface: FloatArray) -> FloatArray:
        """The similarity as it is."""
        return surface

    def mixed(self, surface: FloatArray, text: str) -> FloatArray:
        """The similarity as it is."""
        return surface

    def closeness(self, _: str) -> float:
        """Without the sentence encoder nothing is known of it."""
        return _UNKNOWN_CLOSENESS


def word_meanings_of(texts: Sequence[str]) -> WordMeanings | NoMeanings:
    """The texts' meanings by the words that the package ships vectors of, where it knows the texts' words."""
    vectors = shipped()
    return WordMeanings(vectors, texts) if vectors is not None and vectors.covers(texts) else NoMeanings(texts)


def _unknown_closeness(texts: Sequence[str]) -> FloatArray:
    return np.full(len(texts), _UNKNOWN_CLOSENESS, dtype=np.float32)


def _weighted(surface: FloatArray, near: FloatArray) -> FloatArray:
    return np.asarray((1.0 - _MEANING_SHARE) * surface + _MEANING_SHARE * near, dtype=np.float32)


def _unit(rows: FloatArray) -> FloatArray:
    norms = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.asarray(rows / np.maximum(norms, 1e-9), dtype=np.float32)


def _hash(word: str) -> int:
    return crc32(word.encode("utf-8"))


@cache
def shipped() -> WordVectors | None:
    """The vectors of the package; None where it ships none."""
    raw = read_bytes(ARTEFACT)
    if raw is None:
        return None
    with np.load(io.BytesIO(raw), allow_pickle=False) as archive:
        return WordVectors(
            archive["hashes"].astype(np.uint32),
            archive["vectors"].astype(np.int8),
            archive["weights"].astype(np.float32),
            str(archive["origin"]),
        )


def train_word_vectors(texts: Sequence[str], *, dimensions: int, origin: str) -> WordVectors:
    """Positive pointwise mutual information of neighbouring words, reduced by a randomised decomposition."""
    documents = [feature_words(text) for text in texts]
    counts = Counter(word for document in documents for word in document)
    vocabulary = sorted(word for word, count in counts.items() if count >= _MIN_COUNT)
    neighbours = _neighbours(documents, {word: number for number, word in enumerate(vocabulary)})
    reduced = _reduced(_mutual_information(neighbours), dimensions)
    reduced /= np.maximum(np.linalg.norm(reduced, axis=1, keepdims=True), 1e-9)
    weights = np.log(len(documents) / (1.0 + np.array([counts[word] for word in vocabulary])))
    hashes = np.array([_hash(word) for word in vocabulary], dtype=np.uint32)
    order = np.argsort(hashes)
    quantised = np.rint(reduced[order] * 127.0).astype(np.int8)
    return WordVectors(hashes[order], quantised, weights[order].astype(np.float32), origin)


def _neighbours(documents: Sequence[Sequence[str]], numbers: dict[str, int]) -> FloatArray:
    table = np.zeros((len(numbers), len(numbers)), dtype=np.float32)
    for document in documents:
        known = [numbers.get(word, -1) for word in document]
        for place, first in enumerate(known):
            for second in known[place + 1 : place + 1 + _WINDOW]:
                if first >= 0 and second >= 0:
                    table[first, second] += 1.0
                    table[second, first] += 1.0
    return table


def _mutual_information(neighbours: FloatArray) -> FloatArray:
    rows = np.maximum(neighbours.sum(axis=1), 1.0)
    context = rows**_SMOOTHING
    context /= context.sum()
    ratio = neighbours / rows[:, None] / context[None, :]
    return np.asarray(np.log(np.maximum(ratio, 1.0)), dtype=np.float32)


def _reduced(table: FloatArray, dimensions: int) -> FloatArray:
    generator = np.random.default_rng(_SEED)
    sketch = generator.standard_normal((table.shape[1], dimensions + 16)).astype(np.float32)
    basis, _ = np.linalg.qr(table @ sketch)
    for _ in range(_POWER_ROUNDS):
        basis, _ = np.linalg.qr(table @ (table.T @ basis))
    left, strengths, _ = np.linalg.svd(basis.T @ table, full_matrices=False)
    reduced = (basis @ left[:, :dimensions]) * np.sqrt(strengths[:dimensions])
    return np.asarray(reduced, dtype=np.float32)
