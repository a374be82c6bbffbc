"""Few-shot intent classification: kernel ridge regression over hashed text features and sentence embeddings.

The training set is small (tens of examples a label), so the closed form is exact and fast, and its leave-one-out
scores come for free. They calibrate the probabilities, the scope and the "belongs to" threshold without holding
examples back.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from floodgate_nlu.hashing import FloatArray
from floodgate_nlu.language import identify
from floodgate_nlu.meanings import Embeddings, Meanings, shared_embeddings
from floodgate_nlu.postings import Postings
from floodgate_nlu.vectorizer import Vectorizer
from floodgate_nlu.word_vectors import word_meanings_of

DoubleArray = NDArray[np.float64]

MAX_EXAMPLES: Final = 5_000
_RIDGE: Final = 0.3
_KERNEL_OFFSET: Final = 0.1
_TEMPERATURES: Final = tuple(float(t) for t in np.geomspace(0.01, 1.0, 40))
_FALSE_ALARM_QUANTILE: Final = 0.02
_RARE_QUANTILE: Final = 0.005
# What a share of the probability counts as: an even chance where one own example in fifty falls below, one in ten
# where one in two hundred does. A threshold then means the same whatever the catalogue.
_NOTHING: Final = 1e-9
_STATED: Final = (0.0, 0.1, 0.5, 1.0)
# Whether any label applies is told by the best score, beside those of the examples of the same language, and by how
# near the nearest example lies. Logistic regression on CLINC150's requests in and out of scope gave the weights of
# English; elsewhere closeness is that of glosses, which tells less (xSID's requests beside the catalogue).
_ENGLISH: Final = "en"
_ENGLISH_SCOPE: Final = (1.24, 20.3, -13.0)
_FOREIGN_SCOPE: Final = (1.13, 8.0, -4.4)
_ANY_LANGUAGE: Final = ""
_LEAST_SCORE: Final = 0.01
_LEAST_SPREAD: Final = 0.1
_FEWEST_OF_A_LANGUAGE: Final = 20


@dataclass(frozen=True, slots=True)
class Prediction:
    """Probabilities over the labels, given that one of them applies, and whether one applies at all."""

    probabilities: Mapping[str, float]
    in_scope: float
    nearest: Mapping[str, float]

    def best(self) -> tuple[str, float]:
        """The likeliest label (ties go to the first in order of name) and its probability."""
        label = min(self.probabilities, key=lambda name: (-self.probabilities[name], name))
        return label, self.probabilities[label]


class IntentModel:
    """A classifier trained once from examples; immutable and safe to share between threads."""

    def __init__(
        self, examples: Sequence[tuple[str, str]], embeddings: Callable[[], Embeddings | None] = shared_embeddings
    ) -> None:
        """Train on (text, label) pairs.

        Args:
            examples: What people say, and what it is about.
            embeddings: Gives the sentence encoder; without one, the package's word vectors speak for meaning.

        Raises:
            ValueError: No examples were given.
        """
        if not examples:
            raise ValueError("an intent model needs at least one example; add examples to the categories")
        kept = _bounded(sorted(set(examples), key=lambda pair: (pair[1], pair[0])))
        self.labels: Final = tuple(sorted({label for _, label in kept}))
        numbers = {label: number for number, label in enumerate(self.labels)}
        self._targets: NDArray[np.int64] = np.array([numbers[label] for _, label in kept], dtype=np.int64)
        texts = [text for text, _ in kept]
        self._vectorizer = Vectorizer(texts)
        vectors = [self._vectorizer.transform(text) for text in texts]
        self._postings = Postings(vectors)
        encoder = embeddings()
        self._meanings = Meanings(encoder, texts) if encoder else word_meanings_of(texts)
        gram = self._meanings.gram(self._postings.gram(vectors))
        self._prior = 1.0 / len(self.labels)
        held_out = self._fit(gram)
        self._temperature = _best_temperature(held_out, self._targets)
        top = _log_score(held_out.max(axis=1))
        languages = np.array([identify(text) for text in texts])
        self._usual = _usual_scores(top, languages)
        closeness = self._meanings.closeness_of_examples
        scope = [self._in_scope(*each) for each in zip(top, closeness, map(str, languages), strict=True)]
        own = _softmax(held_out / self._temperature)[np.arange(len(kept)), self._targets] * np.array(scope)
        # Below chance nothing belongs, which few examples do not tell.
        self.belongs_threshold: Final = float(np.clip(np.quantile(own, _FALSE_ALARM_QUANTILE), self._prior, 0.5))
        rare = float(np.clip(np.quantile(own, _RARE_QUANTILE), 2 * _NOTHING, self.belongs_threshold / 2))
        self._shares: DoubleArray = np.log([_NOTHING, rare, self.belongs_threshold, 1.0])

    def _in_scope(self, top: float, closeness: float, language: str) -> float:
        """How surely a label applies at all."""
        mean, spread = self._usual.get(language, self._usual[_ANY_LANGUAGE])
        by_score, by_closeness, offset = _ENGLISH_SCOPE if language == _ENGLISH else _FOREIGN_SCOPE
        logit = by_score * (top - mean) / spread + by_closeness * closeness + offset
        return float(1.0 / (1.0 + np.exp(-np.clip(logit, -30.0, 30.0))))

    def _fit(self, gram: FloatArray) -> DoubleArray:
        """Solve for the weights and return the leave-one-out scores."""
        kernel = _kernel(gram.astype(np.float64))
        inverse = np.linalg.inv(kernel + _RIDGE * np.eye(len(kernel)))
        wanted = np.full((len(kernel), len(self.labels)), -self._prior)
        wanted[np.arange(len(kernel)), self._targets] += 1.0
        weights = inverse @ wanted
        self._weights: FloatArray = weights.astype(np.float32)
        held_out: DoubleArray = wanted - weights / np.diag(inverse)[:, None] + self._prior
        return held_out

    def belonging(self, share: float) -> float:
        """How likely a text belongs to labels that have this share of the probability; 0.5 at the threshold."""
        return float(np.interp(np.log(max(share, _NOTHING)), self._shares, _STATED))

    def predict(self, text: str) -> Prediction:
        """Classify one text."""
        similarities = self._meanings.mixed(self._postings.products(self._vectorizer.transform(text)), text)
        scores = (_kernel(similarities.astype(np.float64)) @ self._weights).astype(np.float64) + self._prior
        probabilities = _softmax(scores[None, :] / self._temperature)[0]
        nearest = np.zeros(len(self.labels))
        np.maximum.at(nearest, self._targets, similarities)
        return Prediction(
            dict(zip(self.labels, (float(p) for p in probabilities), strict=True)),
            self._in_scope(float(_log_score(scores.max())), self._meanings.closeness(text), identify(text)),
            dict(zip(self.labels, (float(n) for n in nearest), strict=True)),
        )


def _log_score(top: DoubleArray) -> DoubleArray:
    return np.asarray(np.log(np.maximum(top, _LEAST_SCORE)), dtype=np.float64)


def _usual_scores(top: DoubleArray, languages: NDArray[np.str_]) -> dict[str, tuple[float, float]]:
    """Mean and spread of the held-out scores, of all examples and of each language with enough of them."""
    groups = {str(code): top[languages == code] for code in np.unique(languages)}
    kept = {code: group for code, group in groups.items() if len(group) >= _FEWEST_OF_A_LANGUAGE}
    return {
        code: (float(group.mean()), max(float(group.std()), _LEAST_SPREAD))
        for code, group in ({_ANY_LANGUAGE: top} | kept).items()
    }


def _kernel(similarity: DoubleArray) -> DoubleArray:
    """A polynomial kernel of degree two: pairs of features count, which few examples need."""
    kernel: DoubleArray = (similarity + _KERNEL_OFFSET) ** 2
    return kernel


def _softmax(scores: DoubleArray) -> DoubleArray:
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    softmax: DoubleArray = shifted / shifted.sum(axis=1, keepdims=True)
    return softmax


def _best_temperature(scores: DoubleArray, targets: NDArray[np.int64]) -> float:
    """The temperature at which held-out probabilities are most honest (lowest log loss)."""
    rows = np.arange(len(targets))
    losses = [-float(np.log(np.maximum(_softmax(scores / t)[rows, targets], 1e-9)).mean()) for t in _TEMPERATURES]
    return _TEMPERATURES[int(np.argmin(losses))]


def _bounded(examples: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Keep memory bounded: past the limit, every label keeps an evenly spaced share of its examples."""
    if len(examples) <= MAX_EXAMPLES:
        return list(examples)
    by_label: dict[str, list[tuple[str, str]]] = {}
    for example in examples:
        by_label.setdefault(example[1], []).append(example)
    share = MAX_EXAMPLES // len(by_label)
    kept: list[tuple[str, str]] = []
    for rows in by_label.values():
        step = max(len(rows) / max(share, 1), 1.0)
        kept.extend(rows[int(i * step)] for i in range(min(share, len(rows))))
    return kept
