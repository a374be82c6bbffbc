"""Inner products of one sparse vector with many stored ones, through an inverted index in plain numpy."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from floodgate_nlu.hashing import FloatArray, IndexArray, SparseVector

_EMPTY: Final = np.zeros(0, dtype=np.int64)


class Postings:
    """Stored vectors, looked up by feature."""

    def __init__(self, vectors: Sequence[SparseVector]) -> None:
        sizes = np.array([len(vector.indices) for vector in vectors], dtype=np.int64)
        rows = np.repeat(np.arange(len(vectors), dtype=np.int64), sizes)
        columns = np.concatenate([vector.indices for vector in vectors]) if vectors else _EMPTY
        values = np.concatenate([vector.values for vector in vectors]) if vectors else np.zeros(0, dtype=np.float32)
        order = np.argsort(columns, kind="stable")
        self._keys: IndexArray
        self._keys, first = np.unique(columns[order], return_index=True)
        self._starts: NDArray[np.int64] = np.append(first, len(columns)).astype(np.int64)
        self._rows: NDArray[np.int32] = rows[order].astype(np.int32)
        self._values: FloatArray = values[order].astype(np.float32)
        self.size: Final = len(vectors)

    def products(self, vector: SparseVector) -> FloatArray:
        """The inner product of `vector` with every stored vector."""
        if not len(self._keys) or not len(vector.indices):
            return np.zeros(self.size, dtype=np.float32)
        positions = np.minimum(np.searchsorted(self._keys, vector.indices), len(self._keys) - 1)
        known = self._keys[positions] == vector.indices
        starts, ends = self._starts[positions[known]], self._starts[positions[known] + 1]
        lengths = ends - starts
        total = int(lengths.sum())
        if total == 0:
            return np.zeros(self.size, dtype=np.float32)
        # Every range starts..ends laid end to end, without a Python loop over features.
        shifts = np.repeat(starts - np.append(0, np.cumsum(lengths)[:-1]), lengths)
        picked = np.arange(total, dtype=np.int64) + shifts
        weights = self._values[picked] * np.repeat(vector.values[known], lengths)
        return np.bincount(self._rows[picked], weights=weights, minlength=self.size).astype(np.float32)

    def gram(self, vectors: Sequence[SparseVector]) -> FloatArray:
        """The inner product of each of `vectors` with every stored vector, a row per vector."""
        return np.stack([self.products(vector) for vector in vectors])
