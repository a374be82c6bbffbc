"""Embeddings of text: hashed words, character n-grams and concepts projected to a dense vector, the same everywhere."""

from functools import lru_cache
from typing import Final

import numpy as np

from floodgate_nlu.concepts import concept_features
from floodgate_nlu.hashing import FloatArray, char_features, counted, feature_words, normalised, word_features
from floodgate_nlu.language import function_words

_SIGNS_PER_FEATURE: Final = 4
_WORD_SHARE: Final = 0.4
_CHAR_SHARE: Final = 0.25
_CONCEPT_SHARE: Final = 0.35
_MULTIPLIERS: Final = np.array(
    [0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x27D4EB2F165667C5], dtype=np.uint64
)
MAX_DIMENSIONS: Final = 4096


@lru_cache(maxsize=2048)
def embed(text: str, dimensions: int) -> tuple[float, ...]:
    """A vector of length one; a text without words gives a fixed unit vector.

    Every feature is spread over a few signed coordinates, which keeps inner products up to small noise.

    Raises:
        ValueError: The number of dimensions is not between 1 and 4096.
    """
    if not 1 <= dimensions <= MAX_DIMENSIONS:
        raise ValueError(f"an embedding has 1 to {MAX_DIMENSIONS} dimensions, not {dimensions}")
    words = feature_words(text)
    dense = np.zeros(dimensions, dtype=np.float32)
    content = [word for word in words if word not in function_words()] or words
    for vector, share in (
        (normalised(counted(word_features(content))), _WORD_SHARE),
        (normalised(counted(char_features(content))), _CHAR_SHARE),
        (normalised(counted(concept_features(words))), _CONCEPT_SHARE),
    ):
        _spread(dense, vector.indices.astype(np.uint64), vector.values * np.float32(share**0.5))
    norm = float(np.linalg.norm(dense))
    if norm == 0.0:
        dense[0], norm = 1.0, 1.0
    return tuple(float(value) for value in dense / norm)


def _spread(dense: FloatArray, features: np.ndarray[tuple[int], np.dtype[np.uint64]], values: FloatArray) -> None:
    if not len(features):
        return
    mixed = (features[:, None] + np.uint64(1)) * _MULTIPLIERS[None, :]
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(32)
    places = (mixed % np.uint64(len(dense))).astype(np.int64)
    signs = np.where((mixed >> np.uint64(40)) & np.uint64(1), 1.0, -1.0).astype(np.float32)
    np.add.at(dense, places.ravel(), (signs * values[:, None] / _SIGNS_PER_FEATURE**0.5).ravel())
