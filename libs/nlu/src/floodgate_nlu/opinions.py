"""What one text feels, whatever it is about: a message that nobody has answered, a post, a review.

Words of ten languages stand for feelings that all of them share (`data/feeling_words.txt`), so that what is learned
from some languages holds in the others. In English, and in the languages of which labelled texts were learned, the
surface of the text and its embedding have a say too; in others they would only say what it looks like.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from floodgate_nlu.glosses import Lexicon, cells, forms
from floodgate_nlu.hashing import FloatArray, SparseVector
from floodgate_nlu.linear import LinearModel, load_linear
from floodgate_nlu.meanings import shared_embeddings
from floodgate_nlu.network import Network, load_network
from floodgate_nlu.regression import DoubleArray, Joint, load_joint
from floodgate_nlu.resources import load_yaml, phrases, read_bytes, read_text
from floodgate_nlu.sentiment import SENTIMENTS, polarity
from floodgate_nlu.text import sentences, tokens

TABLE: Final = "feeling_words.txt"
WORDS_ARTEFACT: Final = "opinion_words.npz"
SURFACE_ARTEFACT: Final = "opinion_surface.npz"
NETWORK_ARTEFACT: Final = "opinion_network.npz"
ENGLISH_ARTEFACT: Final = "opinion_english.npz"
LEARNED_ARTEFACT: Final = "opinion_learned.npz"
LEARNED: Final = frozenset({"de", "es", "fr"})
"""Languages beside English of which labelled texts were learned."""

_ENGLISH: Final = "en"
_MARKS: Final[Mapping[str, float]] = {"++": 2.0, "+": 1.0, "=": 0.0, "-": -1.0, "--": -2.0}
_NEGATION_REACH: Final = 3
_SQUASH: Final = 1.5
_FLOOR: Final = 1e-2
# After the feelings and the negated ones: praise and complaint, each plain and negated, and the older lexicon's.
_SUMS: Final = 6


@dataclass(frozen=True, slots=True)
class FeelingWords:
    """The table.

    Attributes:
        values: How good (above 0) or bad each feeling is.
        lexicons: By language, the number of the feeling that a word stands for.
        negators: By language, the words that turn what follows.
    """

    values: tuple[float, ...]
    lexicons: Mapping[str, Lexicon[int]]
    negators: Mapping[str, frozenset[str]]

    @property
    def width(self) -> int:
        """How many features a text has."""
        return 2 * len(self.values) + _SUMS

    def features(self, text: str, language: str) -> SparseVector:
        """Which feelings the words of a text stand for, negated or not, and their sums."""
        count = len(self.values)
        found = np.zeros(self.width, dtype=np.float32)
        code = language if language in self.lexicons else _ENGLISH
        for sentence in sentences(text):
            for number, negated in self._named(tokens(sentence), code):
                found[number + count * negated] = 1.0
                value = self.values[number]
                if value:
                    found[2 * count + (value < 0) + 2 * negated] += abs(value)
        balance = polarity(text, language)
        found[-2:] = max(balance, 0.0), max(-balance, 0.0)
        found[2 * count :] /= found[2 * count :] + _SQUASH
        indices = np.flatnonzero(found)
        return SparseVector(indices.astype(np.int64), found[indices])

    def _named(self, words: Sequence[str], language: str) -> list[tuple[int, bool]]:
        lexicon, negators = self.lexicons[language], self.negators[language]
        named: list[tuple[int, bool]] = []
        negated_until = -1
        for at, word in enumerate(words):
            if word in negators:
                negated_until = at + _NEGATION_REACH
            elif (hit := lexicon.find(word)) is not None:
                named.append((hit[0], at <= negated_until))
        return named


@cache
def feeling_words() -> FeelingWords:
    """The package's table."""
    head, *rows = (cells(line) for line in read_text(TABLE).splitlines() if line)
    names = [row[0] for row in rows]
    values = tuple(_MARKS[name[: len(name) - len(name.lstrip("+-="))]] for name in names)
    lexicons: dict[str, Lexicon[int]] = {}
    for column, language in enumerate(head[1:], 1):
        words: dict[str, int] = {}
        stems: dict[str, int] = {}
        for number, row in enumerate(rows):
            for form, is_stem in forms(row[column]):
                (stems if is_stem else words).setdefault(form, number)
        lexicons[language] = Lexicon(words, stems)
    told = load_yaml("sentiment.yaml")["languages"]
    return FeelingWords(values, lexicons, {code: frozenset(phrases(told[code]["negators"])) for code in lexicons})


@dataclass(frozen=True, slots=True)
class Opinions:
    """The trained parts; the last two weigh the others, in English and in the other languages that were learned."""

    words: LinearModel
    surface: LinearModel
    network: Network
    english: Joint
    learned: Joint


@cache
def _shipped() -> Opinions | None:
    raw = [
        read_bytes(name)
        for name in (WORDS_ARTEFACT, SURFACE_ARTEFACT, NETWORK_ARTEFACT, ENGLISH_ARTEFACT, LEARNED_ARTEFACT)
    ]
    words, surface, network, english, learned = raw
    if not (words and surface and network and english and learned):
        return None
    return Opinions(
        load_linear(words), load_linear(surface), load_network(network), load_joint(english), load_joint(learned)
    )


def log_odds(scores: FloatArray | DoubleArray) -> DoubleArray:
    """What scores of (negative, neutral, positive) say of complaint and of praise beside neither; shape (…, 2)."""
    raw = np.asarray(scores, dtype=np.float64)
    likely = np.exp(raw - raw.max(axis=-1, keepdims=True))
    logs = np.log(likely / likely.sum(axis=-1, keepdims=True) + _FLOOR)
    return np.asarray(logs[..., [0, 2]] - logs[..., [1]])


def words_of_feeling(text: str, language: str) -> tuple[float, float]:
    """The log-odds of complaint and of praise beside neither by the words that stand for feelings alone; 0, 0 where
    nothing was trained.
    """
    shipped = _shipped()
    if shipped is None:
        return 0.0, 0.0
    complaint, praise = log_odds(shipped.words.scores_of(feeling_words().features(text, language)))
    return float(complaint), float(praise)


def opinion_of(text: str, language: str) -> Mapping[str, float] | None:
    """How likely a text is negative, neutral and positive; None where nothing was trained."""
    shipped = _shipped()
    if shipped is None:
        return None
    said = shipped.words.scores_of(feeling_words().features(text, language))
    joint = shipped.english if language == _ENGLISH else shipped.learned if language in LEARNED else None
    embeddings = shared_embeddings() if joint is not None else None
    if joint is None or embeddings is None:
        return _by_name(Joint(_IDENTITY, "").shares(np.asarray(said, dtype=np.float64)))
    opinions = [said, shipped.surface.scores(text), shipped.network.scores(embeddings.of([text]))[0]]
    return _by_name(joint.shares(np.concatenate([log_odds(scores) for scores in opinions])))


_IDENTITY: Final = np.vstack([np.eye(len(SENTIMENTS)), np.zeros(len(SENTIMENTS))])


def _by_name(shares: DoubleArray) -> Mapping[str, float]:
    return dict(zip(SENTIMENTS, (float(share) for share in shares), strict=True))
