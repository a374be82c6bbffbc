"""Texts as weighted sparse vectors: blocks of words, characters and concepts, each of length one, mixed."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from floodgate_nlu.concepts import concept_features
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

WORD_SHARE: Final = 0.2
CHAR_SHARE: Final = 0.6
CONCEPT_SHARE: Final = 0.2


class Vectorizer:
    """Inverse document frequencies learned from example texts."""

    def __init__(self, texts: Sequence[str]) -> None:
        frequencies = np.zeros(BUCKETS, dtype=np.int32)
        for text in texts:
            words = feature_words(text)
            buckets = word_features(words) + char_features(words) + concept_features(words)
            frequencies[np.unique(np.array(buckets, dtype=np.int64))] += 1
        self._idf: FloatArray = (np.log((1 + len(texts)) / (1.0 + frequencies)) + 1.0).astype(np.float32)

    def transform(self, text: str) -> SparseVector:
        """The vector of one text; its length is one only if the text has words and concepts."""
        words = feature_words(text)
        block_words = self._block(word_features(words), WORD_SHARE)
        block_chars = self._block(char_features(words), CHAR_SHARE)
        block_concepts = self._block(concept_features(words), CONCEPT_SHARE)
        return joined(joined(block_words, block_chars), block_concepts)

    def _block(self, buckets: list[int], share: float) -> SparseVector:
        vector = counted(buckets)
        weighted = SparseVector(vector.indices, vector.values * self._idf[vector.indices])
        return normalised(weighted).scaled(math.sqrt(share))
