"""What example texts mean, by sentence embeddings, and how much that counts beside their words.

The encoder reads English, so a text of another language is read twice: glossed word by word, and as it stands, for
names and words shared with English. The surface (words and parts of words) counts for more there.
"""

import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import cache
from threading import Lock
from typing import Final

import numpy as np
from numpy.typing import NDArray

from floodgate_nlu.embedding_store import EmbeddingStore, HalfArray
from floodgate_nlu.encoder import DIMENSIONS, MODEL, EncoderMissingError, SentenceEncoder, cache_folder, load_encoder
from floodgate_nlu.glosses import coverage, gloss
from floodgate_nlu.hashing import FloatArray
from floodgate_nlu.language import identify

# How much of the similarity is that of the glosses, and of the texts as they stand; the surface has the rest.
_ENGLISH: Final = "en"
_ENGLISH_SHARES: Final = (0.65, 0.0)
_FOREIGN_SHARES: Final = (0.4, 0.25)
# A gloss of fewer of the words counts for less.
_GOOD_COVERAGE: Final = 0.6
# A language with fewer examples is centred by all of them.
_FEWEST_TO_CENTRE: Final = 20
# How near an English example lies to its nearest neighbour, as a rule (mean and spread over CLINC150). Glosses of
# another language, whose cosines differ, are put on this scale.
_TYPICAL_CLOSENESS: Final = 0.88
_CLOSENESS_SPREAD: Final = 0.07
_TEXTS_KEPT: Final = 16_384
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
        languages = np.array([identify(text) for text in texts])
        glosses = [gloss(text, str(code)) for text, code in zip(texts, languages, strict=True)]
        shares = np.array(
            [_shares(text, str(code)) for text, code in zip(texts, languages, strict=True)], dtype=np.float32
        )
        self._readings = [
            _Reading(embeddings.of_examples(read), languages, shares[:, number])
            for number, read in enumerate((glosses, texts))
        ]
        self._surface: FloatArray = np.sqrt(1.0 - shares.sum(axis=1))
        self._raw = embeddings.of_examples(glosses)
        found = _nearest_neighbours(self._raw)
        self._usual = {
            str(code): (float(found[languages == code].mean()), max(float(found[languages == code].std()), 1e-3))
            for code in np.unique(languages)
            if code != _ENGLISH and (languages == code).sum() >= _FEWEST_TO_CENTRE
        }
        #: `closeness` of each example to the other ones.
        self.closeness_of_examples: FloatArray = np.array(
            [self._scaled(float(value), str(code)) for value, code in zip(found, languages, strict=True)],
            dtype=np.float32,
        )

    def gram(self, surface: FloatArray) -> FloatArray:
        """The similarity of the examples with each other, from that of their surfaces."""
        near = sum(reading.rows @ reading.rows.T for reading in self._readings)
        return np.asarray(surface * np.outer(self._surface, self._surface) + near, dtype=np.float32)

    def mixed(self, surface: FloatArray, text: str) -> FloatArray:
        """The similarity of a text with every example, from that of their surfaces."""
        language = identify(text)
        shares = _shares(text, language)
        similarity = surface * self._surface * np.float32((1.0 - sum(shares)) ** 0.5)
        for reading, share, read in zip(self._readings, shares, (gloss(text, language), text), strict=True):
            if share:
                row = reading.centered(self._embeddings.of([read])[0], language)
                similarity = similarity + reading.rows @ row * np.float32(share**0.5)
        return np.asarray(similarity, dtype=np.float32)

    def closeness(self, text: str) -> float:
        """The cosine of a text and the example that means nearly the same, as it would be in English."""
        language = identify(text)
        return self._scaled(float((self._raw @ self._embeddings.of([gloss(text, language)])[0]).max()), language)

    def _scaled(self, cosine: float, language: str) -> float:
        if language not in self._usual:
            return cosine
        mean, spread = self._usual[language]
        return _TYPICAL_CLOSENESS + _CLOSENESS_SPREAD * (cosine - mean) / spread


class _Reading:
    """The embeddings of all examples read in one way, each weighted by its share."""

    def __init__(self, raw: FloatArray, languages: NDArray[np.str_], shares: FloatArray) -> None:
        self._center: FloatArray = raw.mean(axis=0)
        self._centers: dict[str, FloatArray] = {
            str(code): raw[languages == code].mean(axis=0)
            for code in np.unique(languages)
            if (languages == code).sum() >= _FEWEST_TO_CENTRE
        }
        rows = np.stack([self.centered(row, str(code)) for row, code in zip(raw, languages, strict=True)])
        self.rows: FloatArray = rows * np.sqrt(shares)[:, None]

    def centered(self, row: FloatArray, language: str) -> FloatArray:
        """An embedding without what is common to its language, of length one."""
        moved = row - self._centers.get(language, self._center)
        return np.asarray(moved / max(float(np.linalg.norm(moved)), 1e-9), dtype=np.float32)


def _nearest_neighbours(rows: FloatArray) -> FloatArray:
    """The cosine of each row with the nearest other one."""
    if len(rows) < 2:
        return np.full(len(rows), _TYPICAL_CLOSENESS, dtype=np.float32)
    cosines = rows @ rows.T
    np.fill_diagonal(cosines, -1.0)
    return np.asarray(cosines.max(axis=1), dtype=np.float32)


def _shares(text: str, language: str) -> tuple[float, float]:
    if language == _ENGLISH:
        return _ENGLISH_SHARES
    glossed, as_it_stands = _FOREIGN_SHARES
    return glossed * min(coverage(text, language) / _GOOD_COVERAGE, 1.0), as_it_stands
