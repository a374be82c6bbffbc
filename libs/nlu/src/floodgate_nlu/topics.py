"""What a conversation is about among topics of which only the names are known.

A name says little ("membership"), so what customers write about stands between names and texts:
`data/support_topics.txt` has matters of support of many trades, each with names and sentences. A matter speaks for the
label whose name is nearest to its own, among the labels at hand; a text is about the matters whose sentences are near.
A matter that is near to no label ("fees" among sorts of booking) speaks for all alike. Beside that counts how near the
text lies to the label's own name, in English most of all. Everything is compared in English, by sentence embeddings;
other languages are glossed, and their own words count as well (`topic_words.py`).
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from floodgate_nlu.encoder import MODEL
from floodgate_nlu.glosses import gloss
from floodgate_nlu.hashing import FloatArray
from floodgate_nlu.meanings import Embeddings, shared_embeddings
from floodgate_nlu.resources import read_bytes, read_text
from floodgate_nlu.text import squeeze
from floodgate_nlu.topic_words import TopicWords, read_words

DoubleArray = NDArray[np.float64]

_ENGLISH: Final = "en"
TABLE: Final = "support_topics.txt"
ARTEFACT: Final = "topics.npz"
_TEMPLATES: Final = ("{}", "a customer asks support about {}", "question about {}", "{} problem")
_SENTENCE_MARKS: Final = "-=+"
# Temperatures of the shares, chosen on four labelled files of the project; around them the figures hardly change.
_BY_SENTENCE: Final = 0.04
_BY_MATTER: Final = 0.048
_MATTER_TO_LABEL: Final = 0.05
_MEANING_OF_NAMES: Final = 0.5
# A matter this near to a label (cosines of names and half of meanings, 1.5 at most) counts half, a nearer one more.
_CLEAR: Final = 1.0
_CLEAR_WIDTH: Final = 0.1
# What all labels get of a text whose words speak for none.
_UNHEARD: Final = 0.5
# So many different words of one matter are as much evidence as there can be.
_MOST_EVIDENCE: Final = 4.0
_FULL_EVIDENCE: Final = 2.0
_FLOOR: Final = 1e-3
_SCALE: Final = 127.0


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each part of a label's score counts: cosines of its name with what was said first and with all of it,
    logarithms of its shares by the table's sentences and by the table's words.
    """

    first: float
    everything: float
    matters: float
    words: float


# Found like the weights of `labels.py`, where the sources are named. English names are compared with English texts: the
# names say most. A gloss has lost what holds words together, so the words' own table makes up for it.
_IN_ENGLISH: Final = Weights(first=5.0, everything=12.0, matters=1.5, words=0.0)
_GLOSSED: Final = Weights(first=3.5, everything=5.0, matters=0.7, words=0.9)


@dataclass(frozen=True, slots=True)
class Named:
    """What is known of a text from the names of a closed set.

    Attributes:
        scores: One per label, logarithms of odds: 0 for the likeliest, less for the others.
        nearness: The cosine of the text and the nearest name, without what all texts and all names have in common.
    """

    scores: tuple[float, ...]
    nearness: float


@dataclass(frozen=True, slots=True)
class Matter:
    """One matter of support: its names, and sentences with the mood they are written in (- = +)."""

    names: tuple[str, ...]
    sentences: tuple[tuple[str, str], ...]


@cache
def matters() -> tuple[Matter, ...]:
    """The written table."""
    found: list[tuple[tuple[str, ...], list[tuple[str, str]]]] = []
    for line in read_text(TABLE).splitlines():
        if line.startswith("# "):
            found.append((tuple(squeeze(name) for name in line[2:].split(";")), []))
        elif line[:1] and line[0] in _SENTENCE_MARKS:
            found[-1][1].append((line[0], line[2:]))
    return tuple(Matter(names, tuple(sentences)) for names, sentences in found)


@dataclass(frozen=True, slots=True)
class Atlas:
    """The table as embeddings.

    Attributes:
        sentences: One row per sentence, without what all sentences have in common.
        sentence_matter: The number of each sentence's matter.
        names: One row per name, without what all names have in common.
        name_matter: The number of each name's matter.
        centers: What sentences, names and names in templates have in common.
        origin: The command and the source that made it.
    """

    sentences: FloatArray
    sentence_matter: NDArray[np.int64]
    names: FloatArray
    name_matter: NDArray[np.int64]
    centers: FloatArray
    origin: str

    @property
    def matters(self) -> FloatArray:
        """The mean of each matter's sentences."""
        return _unit(_sums(self.sentences.T, self.sentence_matter).T)

    def to_bytes(self) -> bytes:
        """The atlas as a compressed archive of arrays."""
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            sentences=np.rint(self.sentences * _SCALE).astype(np.int8),
            sentence_matter=self.sentence_matter.astype(np.int16),
            names=np.rint(self.names * _SCALE).astype(np.int8),
            name_matter=self.name_matter.astype(np.int16),
            centers=self.centers.astype(np.float16),
            origin=np.array(self.origin),
            model=np.array(MODEL),
        )
        return buffer.getvalue()


def make_atlas(embeddings: Embeddings, table: Sequence[Matter], origin: str) -> Atlas:
    """Embed the table."""
    sentences = [(number, said) for number, matter in enumerate(table) for _, said in matter.sentences]
    names = [(number, name) for number, matter in enumerate(table) for name in matter.names]
    said = embeddings.of([text for _, text in sentences])
    named = embeddings.of([name for _, name in names])
    templates = _in_templates(embeddings, [matter.names[0] for matter in table])
    centers = np.stack([said.mean(axis=0), named.mean(axis=0), templates.mean(axis=0)])
    return Atlas(
        _unit(said - centers[0]),
        np.array([number for number, _ in sentences]),
        _unit(named - centers[1]),
        np.array([number for number, _ in names]),
        centers,
        origin,
    )


@cache
def shipped_atlas() -> Atlas | None:
    """The package's; None where it ships none, or one of another encoder."""
    raw = read_bytes(ARTEFACT)
    if raw is None:
        return None
    with np.load(io.BytesIO(raw), allow_pickle=False) as archive:
        if str(archive["model"]) != MODEL:
            return None
        return Atlas(
            _unit(archive["sentences"].astype(np.float32)),
            archive["sentence_matter"].astype(np.int64),
            _unit(archive["names"].astype(np.float32)),
            archive["name_matter"].astype(np.int64),
            archive["centers"].astype(np.float32),
            str(archive["origin"]),
        )


class NamedLabels:
    """A closed set of labels, and how surely a conversation is about each."""

    def __init__(
        self, names: Sequence[str], atlas: Atlas, embeddings: Embeddings, words: TopicWords | None = None
    ) -> None:
        """Read the labels' names, given as words.

        Args:
            names: Of the labels.
            atlas: The table of matters as embeddings.
            embeddings: The encoder that the atlas was made with.
            words: Of the same matters in other languages; without them texts are read by their glosses alone.
        """
        self._words = words
        self._atlas = atlas
        self._embeddings = embeddings
        self._matters = atlas.matters
        self._names: FloatArray = _unit(_in_templates(embeddings, names) - atlas.centers[2])
        alike = _unit(embeddings.of_examples(names) - atlas.centers[1]) @ atlas.names.T
        nearest = np.stack([alike[:, atlas.name_matter == n].max(axis=1) for n in range(len(self._matters))], axis=1)
        near = nearest + _MEANING_OF_NAMES * self._names @ self._matters.T
        #: Per label and matter: how much the matter speaks for the label.
        self._spoken_for: DoubleArray = _shares(near.T, _MATTER_TO_LABEL).T
        #: Per matter: how surely it speaks for any label.
        self._clear: DoubleArray = 1.0 / (1.0 + np.exp((_CLEAR - near.max(axis=0)) / _CLEAR_WIDTH))

    def read(self, first: str, everything: str, language: str) -> Named:
        """How surely a text is about each label.

        Args:
            first: What the customer wrote first, which says most.
            everything: All turns.
            language: Of the conversation.
        """
        texts = [gloss(text, language) for text in (first, everything)]
        rows = _unit(self._embeddings.of(texts) - self._atlas.centers[0])
        near = self._names @ rows.T
        weights = _IN_ENGLISH if language == _ENGLISH else _GLOSSED
        found = (
            near @ np.array([weights.first, weights.everything])
            + weights.matters * np.log(self._by_matters(_unit(rows.sum(axis=0))) + _FLOOR)
            + weights.words * np.log(self._by_words(first, everything, language) + _FLOOR)
        )
        return Named(tuple(float(score) for score in found - found.max()), float(near.max()))

    def _by_matters(self, text: FloatArray) -> DoubleArray:
        """Each label's share of what the text says of the table's matters.

        What it says of matters that are near to no label is shared by all labels.
        """
        by_sentence = _sums(_shares(self._atlas.sentences @ text, _BY_SENTENCE), self._atlas.sentence_matter)
        clearly = self._clear * (by_sentence + _shares(self._matters @ text, _BY_MATTER)) / 2.0
        return np.asarray(self._spoken_for @ clearly + (1.0 - clearly.sum()) / len(self._names), dtype=np.float64)

    def _by_words(self, first: str, everything: str, language: str) -> DoubleArray:
        """Each label's share of the matters that the text's own words speak for; what came first counts twice."""
        equal = np.full(len(self._names), 1.0 / len(self._names))
        if self._words is None:
            return equal
        found = self._words.evidence(everything, language) + self._words.evidence(first, language)
        total = float(found.sum())
        counted = self._clear * found * (_MOST_EVIDENCE * min(1.0, total / _FULL_EVIDENCE) / max(total, 1e-9))
        return np.asarray(
            (self._spoken_for @ counted + _UNHEARD * equal) / (counted.sum() + _UNHEARD), dtype=np.float64
        )


@lru_cache(maxsize=32)
def named_labels(names: tuple[str, ...]) -> NamedLabels | None:
    """The labels of these names; None without the sentence encoder."""
    atlas, embeddings = shipped_atlas(), shared_embeddings()
    if not atlas or not embeddings or not names:
        return None
    return NamedLabels(names, atlas, embeddings, read_words(tuple(matter.names[0] for matter in matters())))


def read_names(names: Sequence[str], first: str, everything: str, language: str) -> Named | None:
    """What a conversation is about among labels of these names; None without the sentence encoder."""
    labels = named_labels(tuple(names))
    return labels.read(first, everything, language) if labels else None


def _in_templates(embeddings: Embeddings, names: Sequence[str]) -> FloatArray:
    rows = [embeddings.of_examples([template.format(name) for template in _TEMPLATES]).mean(axis=0) for name in names]
    return _unit(np.stack(rows))


def _sums(values: NDArray[np.floating], groups: NDArray[np.int64]) -> DoubleArray:
    """Sums of the last axis by group."""
    belongs = groups[:, None] == np.arange(int(groups.max()) + 1)
    return np.asarray(values @ belongs.astype(np.float64), dtype=np.float64)


def _shares(near: NDArray[np.floating], temperature: float) -> DoubleArray:
    """Softmax over the last axis."""
    raw = np.asarray(near, dtype=np.float64) / temperature
    raw = np.exp(raw - raw.max(axis=-1, keepdims=True))
    return np.asarray(raw / raw.sum(axis=-1, keepdims=True), dtype=np.float64)


def _unit(rows: NDArray[np.floating]) -> FloatArray:
    norms = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.asarray(rows / np.maximum(norms, 1e-9), dtype=np.float32)
