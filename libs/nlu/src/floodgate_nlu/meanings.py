"""What example texts mean, by sentence embeddings, and how much that counts beside their words.

The encoder reads English. In other languages it still knows names, numbers and words they share with English, so
meaning counts for less there and the surface (words and parts of words) for more.
"""

import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import cache
from threading import Lock
from typing import Final

import numpy as np

from floodgate_nlu.embedding_store import EmbeddingStore, HalfArray
from floodgate_nlu.encoder import DIMENSIONS, MODEL, EncoderMissingError, SentenceEncoder, cache_folder, load_encoder
from floodgate_nlu.hashing import FloatArray
from floodgate_nlu.language import identify

ENGLISH_SHARE: Final = 0.65
FOREIGN_SHARE: Final = 0.25
# A language with fewer examples is centred by all of them.
_FEWEST_TO_CENTRE: Final = 20
_TEXTS_KEPT: Final = 8_192
_logger: Final = logging.getLogger(__name__)


class Embeddings:
    """The encoder with a bounded memory of texts, for a changed catalogue repeats most of its examples.

    Rows are halves, in memory as on disk, so that an answer does not depend on where a row came from.
    """

    def __init__(self, encoder: SentenceEncoder, store: EmbeddingStore | None = None) -> None:
        self._encoder = encoder
        self._store = store
        self._known: OrderedDict[str, HalfArray] = OrderedDict()
        self._lock = Lock()

    def of(self, texts: Sequence[str]) -> FloatArray:
        """One row of length one per text."""
        return self._rows(texts, None)

    def of_examples(self, texts: Sequence[str]) -> FloatArray:
        """Like `of`, for the examples of a catalogue: their rows are kept on disk too."""
        return self._rows(texts, self._store)

    def _rows(self, texts: Sequence[str], store: EmbeddingStore | None) -> FloatArray:
        if not texts:
            return np.zeros((0, DIMENSIONS), dtype=np.float32)
        with self._lock:
            known = {text: self._known[text] for text in texts if text in self._known}
        fresh = [text for text in dict.fromkeys(texts) if text not in known]
        if fresh:
            found = store.load(fresh) if store else {}
            missing = [text for text in fresh if text not in found]
            if missing:
                computed = dict(zip(missing, self._encoder.encode(missing).astype(np.float16), strict=True))
                found |= computed
                if store:
                    store.save(computed)
            self._keep(found)
            known |= found
        return np.stack([known[text] for text in texts]).astype(np.float32)

    def _keep(self, rows: Mapping[str, HalfArray]) -> None:
        with self._lock:
            for text, row in rows.items():
                self._known[text] = row.copy()
            while len(self._known) > _TEXTS_KEPT:
                self._known.popitem(last=False)


@cache
def shared_embeddings() -> Embeddings | None:
    """The process's encoder; None, said once, where its weights are not installed."""
    try:
        return Embeddings(load_encoder(), EmbeddingStore(cache_folder() / "embeddings.npz", MODEL))
    except EncoderMissingError as error:
        _logger.warning("nlu.encoder_missing: %s; hashed features and word vectors are used instead", error)
        return None


class Meanings:
    """Example texts by their embeddings, each language's common direction taken away."""

    def __init__(self, embeddings: Embeddings, texts: Sequence[str]) -> None:
        self._embeddings = embeddings
        raw = embeddings.of_examples(texts)
        languages = np.array([identify(text) for text in texts])
        self._center: FloatArray = raw.mean(axis=0)
        self._centers: dict[str, FloatArray] = {
            str(code): raw[languages == code].mean(axis=0)
            for code in np.unique(languages)
            if (languages == code).sum() >= _FEWEST_TO_CENTRE
        }
        self._rows: FloatArray = _unit(raw - np.stack([self._center_of(code) for code in languages]))
        shares = np.array([_share(code) for code in languages], dtype=np.float32)
        self._meaning: FloatArray = np.sqrt(shares)
        self._surface: FloatArray = np.sqrt(1.0 - shares)

    def gram(self, surface: FloatArray) -> FloatArray:
        """The similarity of the examples with each other, from that of their surfaces."""
        near = (self._rows @ self._rows.T) * np.outer(self._meaning, self._meaning)
        return np.asarray(surface * np.outer(self._surface, self._surface) + near, dtype=np.float32)

    def mixed(self, surface: FloatArray, text: str) -> FloatArray:
        """The similarity of a text with every example, from that of their surfaces."""
        language = identify(text)
        share = _share(language)
        row = _unit(self._embeddings.of([text])[0] - self._center_of(language))
        near = (self._rows @ row) * self._meaning * np.float32(share**0.5)
        return np.asarray(surface * self._surface * np.float32((1.0 - share) ** 0.5) + near, dtype=np.float32)

    def _center_of(self, language: str) -> FloatArray:
        return self._centers.get(language, self._center)


def _share(language: str) -> float:
    return ENGLISH_SHARE if language == "en" else FOREIGN_SHARE


def _unit(rows: FloatArray) -> FloatArray:
    norms = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.asarray(rows / np.maximum(norms, 1e-9), dtype=np.float32)
