"""Texts as weighted sparse vectors: a word block and a character block, each of length one, mixed."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from floodgate_nlu.hashing import (
    BUCKETS,
    FloatArray,
    SparseVector,
    char_features,
    counted,
    feature_words,
    joined,
    normalised,
    word_features,
)

WORD_SHARE: Final = 0.4


class Vectorizer:
    """Inverse document frequencies learned from example texts."""

    def __init__(self, texts: Sequence[str]) -> None:
        frequencies = np.zeros(BUCKETS, dtype=np.int32)
        for text in texts:
            words = feature_words(text)
            frequencies[np.unique(np.array(word_features(words) + char_features(words), dtype=np.int64))] += 1
        self._idf: FloatArray = (np.log((1 + len(texts)) / (1.0 + frequencies)) + 1.0).astype(np.float32)

    def transform(self, text: str) -> SparseVector:
        """The vector of one text; its length is one unless the text has no words."""
        words = feature_words(text)
        block_words = self._block(word_features(words), WORD_SHARE)
        block_chars = self._block(char_features(words), 1.0 - WORD_SHARE)
        return joined(block_words, block_chars)

    def _block(self, buckets: list[int], share: float) -> SparseVector:
        vector = counted(buckets)
        weighted = SparseVector(vector.indices, vector.values * self._idf[vector.indices])
        return normalised(weighted).scaled(math.sqrt(share))
