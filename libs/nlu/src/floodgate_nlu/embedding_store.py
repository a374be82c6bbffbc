"""Embeddings of catalogues' examples kept on disk, for computing those of a whole catalogue takes seconds.

A row is found by the hash of its text; no text is kept, and nothing that customers write comes here.
"""

import hashlib
import logging
import os
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

HalfArray = NDArray[np.float16]

# 16,384 rows of 384 halves are 13 MB.
_ROWS_KEPT: Final = 16_384
_HASH_BYTES: Final = 16
_READING_FAILS: Final = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)
_logger: Final = logging.getLogger(__name__)


class EmbeddingStore:
    """One file; a damaged or unwritable one costs time and nothing else."""

    def __init__(self, path: Path, model: str) -> None:
        """Name the file and the model whose rows count; rows of another model are dropped."""
        self._path = path
        self._model = model

    def load(self, texts: Sequence[str]) -> dict[str, HalfArray]:
        """The rows that are known of these texts."""
        known = self._read()
        keys = {text: _key(text) for text in texts}
        return {text: known[key] for text, key in keys.items() if key in known}

    def save(self, rows: Mapping[str, HalfArray]) -> None:
        """Add rows; past the limit the oldest go."""
        merged = self._read()
        for text, row in rows.items():
            merged[_key(text)] = row
        kept = list(merged)[-_ROWS_KEPT:]
        try:
            self._write(kept, np.stack([merged[key] for key in kept]))
        except OSError as error:
            _logger.debug("nlu.embeddings_not_kept: %s", error)

    def _read(self) -> dict[bytes, HalfArray]:
        try:
            with self._path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                if str(archive["model"]) != self._model:
                    return {}
                keys: bytes = archive["keys"].tobytes()
                rows: HalfArray = archive["rows"]
        except _READING_FAILS:
            return {}
        return {keys[i * _HASH_BYTES : (i + 1) * _HASH_BYTES]: row for i, row in enumerate(rows)}

    def _write(self, keys: Sequence[bytes], rows: HalfArray) -> None:
        """Whole or not at all, for other processes read the same file."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self._path.parent, suffix=".npz")
        try:
            with os.fdopen(handle, "wb") as file:
                joined = np.frombuffer(b"".join(keys), dtype=np.uint8)
                np.savez(file, model=np.array(self._model), keys=joined, rows=rows)
            Path(name).replace(self._path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8"), digest_size=_HASH_BYTES).digest()
