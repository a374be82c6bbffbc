"""Hashed text features that are the same in every process and on every machine.

Word 1–2-grams and character 2–5-grams inside word borders are hashed with CRC-32, so that no vocabulary (and no
text) has to be kept.
"""

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from floodgate_nlu.text import tokens_and_marks

FloatArray = NDArray[np.float32]
IndexArray = NDArray[np.int64]

BUCKET_BITS: Final = 18
BUCKETS: Final = 1 << BUCKET_BITS
_MIN_GRAM: Final = 2
_MAX_GRAM: Final = 5
_DIGITS: Final = str.maketrans("123456789", "000000000")
MAX_WORDS: Final = 600


@dataclass(frozen=True, slots=True)
class SparseVector:
    """Feature indices (distinct) with their weights."""

    indices: IndexArray
    values: FloatArray

    def scaled(self, factor: float) -> "SparseVector":
        """The same vector times a factor."""
        return SparseVector(self.indices, (self.values * np.float32(factor)).astype(np.float32))


def bucket(text: str) -> int:
    """The stable bucket of one feature."""
    return crc32(text.encode("utf-8")) & (BUCKETS - 1)


@lru_cache(maxsize=65536)
def word_grams(word: str) -> Sequence[int]:
    """Buckets of the character n-grams of one word, its borders marked by spaces; 4 bytes each while remembered."""
    padded = f" {word} "
    grams: list[int] = []
    for size in range(_MIN_GRAM, _MAX_GRAM + 1):
        if len(padded) <= size:
            grams.append(bucket(f"c{padded}"))
            break
        grams.extend(bucket(f"c{padded[i : i + size]}") for i in range(len(padded) - size + 1))
    return array("I", grams)


@lru_cache(maxsize=65536)
def _word_bucket(word: str) -> int:
    return bucket(f"w{word}")


@lru_cache(maxsize=65536)
def _pair_bucket(first: str, second: str) -> int:
    return bucket(f"b{first} {second}")


def feature_words(text: str) -> list[str]:
    """The words that features are made of: folded, digits alike, bounded in number."""
    return [word.translate(_DIGITS) for word in tokens_and_marks(text)[:MAX_WORDS]]


def word_features(words: Sequence[str]) -> list[int]:
    """Buckets of word 1- and 2-grams."""
    single = [_word_bucket(word) for word in words]
    return single + [_pair_bucket(first, second) for first, second in pairwise(words)]


def char_features(words: Sequence[str]) -> list[int]:
    """Buckets of character 2–5-grams."""
    return [gram for word in words for gram in word_grams(word)]


def counted(buckets: Iterable[int]) -> SparseVector:
    """Sublinear term frequencies: 1 + ln(count)."""
    counts = Counter(buckets)
    indices = np.fromiter(counts.keys(), dtype=np.int64, count=len(counts))
    values = np.fromiter(counts.values(), dtype=np.float32, count=len(counts))
    return SparseVector(indices, (1.0 + np.log(np.maximum(values, 1.0))).astype(np.float32))


def normalised(vector: SparseVector) -> SparseVector:
    """The vector at length one (an empty vector stays empty)."""
    norm = float(np.sqrt(np.dot(vector.values, vector.values)))
    return vector.scaled(1.0 / norm) if norm > 0 else vector


def joined(first: SparseVector, second: SparseVector) -> SparseVector:
    """Two vectors over disjoint features as one."""
    return SparseVector(np.concatenate([first.indices, second.indices]), np.concatenate([first.values, second.values]))
