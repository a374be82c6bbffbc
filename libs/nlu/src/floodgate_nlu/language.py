"""Language identification for the served languages.

A linear model over hashed words and pieces of words, which has read the sentences and the word tables of this project
in ten languages, joined with the share of words that are function words of each language: a handful of words is often
settled by them alone. Accents tell languages apart and careless writers leave them out, so it has read both spellings.
"""

import re
from array import array
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Final

import numpy as np

from floodgate_nlu.hashing import SparseVector, bucket
from floodgate_nlu.linear import FEATURES, LinearModel, load_linear
from floodgate_nlu.resources import load_yaml, phrases, read_bytes
from floodgate_nlu.text import squeeze, strip_hidden, tokens

SERVED: Final = ("nl", "fr", "es", "pl", "en", "de", "it", "pt", "sv", "cs")
ARTEFACT: Final = "language.npz"
FUNCTION_WORDS: Final = "function_words.yaml"
# More than enough to tell; reading is what costs.
_MAX_CHARS: Final = 200
_MAX_WORDS: Final = 60
# Digits are the same in every language.
_WORD: Final = re.compile(r"[^\W\d_]+")
_LONGEST_PIECE: Final = 4
_WORDS_KEPT: Final = 32_768
_FUNCTION_WORD_WEIGHT: Final = 1.5
_LEARNED_WEIGHT: Final = 2.0
_SHORT_WORDS: Final = 3
# With this many words the customer's own turns settle the language; with fewer, the others' help.
_TELLING_WORDS: Final = 10
_OTHERS_WEIGHT: Final = 0.7
_DECLARED_BONUS: Final = 1.6
_PLAUSIBLE: Final = 3
_PLAUSIBLE_SHARE: Final = 0.2
_LIKELY_SHARE: Final = 0.5


@cache
def _model() -> LinearModel | None:
    raw = read_bytes(ARTEFACT)
    return load_linear(raw) if raw else None


def letters(text: str) -> SparseVector:
    """What the model reads: words, and pieces of them of one to four letters, their borders marked by spaces.

    A feature that stands twice is there twice, with the same weight: counting costs more than it tells.
    """
    words = _WORD.findall(strip_hidden(text).lower())[:_MAX_WORDS]
    if not words:
        return SparseVector(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32))
    pieces = array("I")
    for word in words:
        pieces.extend(_pieces(word))
    features = [_bucket(f"w{word}") for word in words] + pieces.tolist()
    # Words and pieces weigh alike: some languages share most pieces.
    values = np.full(len(features), len(pieces) ** -0.5, dtype=np.float32)
    values[: len(words)] = len(words) ** -0.5
    return SparseVector(np.array(features, dtype=np.int64), values)


@lru_cache(maxsize=_WORDS_KEPT)
def _pieces(word: str) -> "array[int]":
    padded = f" {word} "
    starts = ((start, size) for size in range(1, _LONGEST_PIECE + 1) for start in range(len(padded) - size + 1))
    return array("I", (_bucket(f"c{padded[start : start + size]}") for start, size in starts))


def _bucket(feature: str) -> int:
    return bucket(feature) & (FEATURES - 1)


def _learned(text: str) -> dict[str, float]:
    """The linear model's probability per language; empty where no model is shipped."""
    model = _model()
    if model is None:
        return {}
    raw = model.scores_of(letters(text)).astype(np.float64)
    likely = np.exp(raw - raw.max())
    return dict(zip(model.classes, (float(p) for p in likely / likely.sum()), strict=True))


@cache
def _function_words() -> Mapping[str, tuple[str, ...]]:
    """Each function word with the languages that use it."""
    table: dict[str, tuple[str, ...]] = {}
    for code, words in load_yaml(FUNCTION_WORDS).items():
        for word in phrases(words):
            for token in tokens(word):
                if code not in table.get(token, ()):
                    table[token] = (*table.get(token, ()), code)
    return table


@cache
def function_words() -> frozenset[str]:
    """The function words of all served languages."""
    return frozenset(_function_words())


def language_scores(text: str) -> dict[str, float]:
    """A score per served language; higher is likelier."""
    return dict(_scores(squeeze(text)[:_MAX_CHARS]))


@lru_cache(maxsize=512)
def _scores(text: str) -> Mapping[str, float]:
    learned = _learned(text)
    scores = {code: _LEARNED_WEIGHT * learned.get(code, 0.0) for code in SERVED}
    words = [word for word in tokens(text) if not word.isdigit()]
    known = _function_words()
    for word in words:
        users: Sequence[str] = known.get(word, ())
        for code in users:
            scores[code] += _FUNCTION_WORD_WEIGHT / (len(users) ** 2 * len(words))
    return scores


def identify(text: str, declared: str | None = None) -> str:
    """The language of a text among the served ones.

    Args:
        text: What the person wrote.
        declared: The language that the channel states; it decides only where the text is too short to tell.
    """
    declared = (declared or "").split("-")[0].lower() or None
    if declared not in SERVED:
        declared = None
    words = [word for word in tokens(text) if not word.isdigit()]
    if not words:
        return declared or "en"
    scores = language_scores(text)
    if declared and len(words) <= _SHORT_WORDS:
        scores[declared] += _DECLARED_BONUS / len(words)
    return min(scores, key=lambda code: (-scores[code], code))


def identify_conversation(customer: str, others: str, declared: str | None = None) -> str:
    """The language of a conversation: the customer's, with the other side's turns as support where that is short.

    Args:
        customer: What the customer wrote.
        others: What agents and bots wrote; they answer in the customer's language as a rule.
        declared: The language that the channel states.
    """
    own_words = sum(1 for word in tokens(customer) if not word.isdigit())
    if own_words >= _TELLING_WORDS or not tokens(others):
        return identify(customer, declared)
    if not own_words:
        return identify(others, declared)
    share = own_words / _TELLING_WORDS
    scores = {code: share * score for code, score in language_scores(customer).items()}
    for code, score in language_scores(others).items():
        scores[code] += _OTHERS_WEIGHT * (1.0 - share) * score
    declared = (declared or "").split("-")[0].lower()
    if declared in SERVED:
        scores[declared] += _DECLARED_BONUS * (1.0 - share)
    return min(scores, key=lambda code: (-scores[code], code))


@lru_cache(maxsize=512)
def likely_languages(text: str) -> frozenset[str]:
    """English and the languages that score at least half of the best: what insults are looked for in."""
    scores = language_scores(text)
    best = max(scores.values(), default=0.0)
    return frozenset({code for code, score in scores.items() if score >= _LIKELY_SHARE * best} | {"en"})


@lru_cache(maxsize=512)
def plausible(text: str, declared: str | None = None) -> frozenset[str]:
    """The languages that a text may be in: phrases of other languages are false friends ("as", "pick").

    English belongs to them always, for people mix it into every language; a text too short to tell is in any.
    """
    words = [word for word in tokens(text) if not word.isdigit()]
    if len(words) <= _SHORT_WORDS:
        return frozenset(SERVED)
    scores = language_scores(text)
    best = max(scores.values())
    ranked = sorted(scores, key=lambda code: (-scores[code], code))[:_PLAUSIBLE]
    likely = {code for code in ranked if scores[code] >= _PLAUSIBLE_SHARE * best}
    return frozenset(likely | {"en"} | ({declared} if declared else set()))
