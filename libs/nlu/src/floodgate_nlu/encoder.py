"""English sentence embeddings: bge-small-en-v1.5 with 8-bit weights, run by onnxruntime.

The files lie in the user's cache, where `floodgate stack fetch` puts them; nothing is downloaded from here.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from floodgate_nlu.hashing import FloatArray
from floodgate_nlu.wordpiece import WordPiece

#: Names the weights: embeddings of other weights are not comparable.
MODEL: Final = "bge-small-en-v1.5-q"
WEIGHTS_FILE: Final = f"{MODEL}.onnx"
TOKENIZER_FILE: Final = f"{MODEL}-tokenizer.json"
DIMENSIONS: Final = 384
# Longer texts are cut: the time grows with the length, and what a message wants stands near its beginning.
MAX_PIECES: Final = 64
_REMEDY: Final = "run `make setup` (or `floodgate stack fetch --only encoder`)"


class EncoderMissingError(RuntimeError):
    """The weights or onnxruntime are not installed, or hold something else than expected."""


def cache_folder() -> Path:
    """What the local models keep: in `FLOODGATE_CACHE`, else in `floodgate` in the user's cache folder."""
    override = os.environ.get("FLOODGATE_CACHE")
    base = os.environ.get("XDG_CACHE_HOME")
    root = Path(override).expanduser() if override else (Path(base) if base else Path.home() / ".cache") / "floodgate"
    return root / "nlu"


class SentenceEncoder:
    """Immutable; safe to share between threads."""

    def __init__(self, folder: Path) -> None:
        """Load the weights from a folder.

        Raises:
            ImportError: onnxruntime is not installed.
            Exception: A file is missing or damaged; onnxruntime's errors have no other class in common.
        """
        # Imported here: most processes that use this package never embed anything.
        import onnxruntime  # noqa: PLC0415

        numbers = json.loads((folder / TOKENIZER_FILE).read_text(encoding="utf-8"))["model"]["vocab"]
        self._pieces = WordPiece(sorted(numbers, key=numbers.__getitem__))
        options = onnxruntime.SessionOptions()
        # A call is one short text: more threads cost more than they bring, and the caller has its own.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False
        options.log_severity_level = 3
        self._session: Any = onnxruntime.InferenceSession(
            str(folder / WEIGHTS_FILE), options, providers=["CPUExecutionProvider"]
        )

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """One row of length one per text.

        Texts are run one by one: the scale of the 8-bit numbers is taken over a run, so that in company a text would
        get another embedding than alone.
        """
        rows = np.empty((len(texts), DIMENSIONS), dtype=np.float32)
        for number, text in enumerate(texts):
            rows[number] = self._encode(text)
        return rows

    def _encode(self, text: str) -> FloatArray:
        pieces = np.array([self._pieces.encode(text, MAX_PIECES)], dtype=np.int64)
        given = {"input_ids": pieces, "attention_mask": np.ones_like(pieces), "token_type_ids": np.zeros_like(pieces)}
        first: FloatArray = self._session.run(None, given)[0][0, 0]
        return np.asarray(first / np.linalg.norm(first), dtype=np.float32)


def load_encoder() -> SentenceEncoder:
    """The encoder in the user's cache.

    Raises:
        EncoderMissingError: One line that says what is missing and how to get it.
    """
    folder = cache_folder() / MODEL
    if not folder.is_dir():
        raise EncoderMissingError(f"the sentence encoder is not in {folder}: {_REMEDY}")
    try:
        return SentenceEncoder(folder)
    except ImportError as error:
        raise EncoderMissingError("onnxruntime is not installed (extra `encoder` of floodgate-nlu)") from error
    except Exception as error:
        what = (str(error) or repr(error)).splitlines()[0]
        raise EncoderMissingError(
            f"the sentence encoder in {folder} cannot be used ({what}): remove it, then {_REMEDY}"
        ) from error
