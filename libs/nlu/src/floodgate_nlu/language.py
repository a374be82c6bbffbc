"""Language identification for the served languages.

Lingua in low-accuracy mode costs 25 MB (high accuracy: 330 MB) and is weak on a handful of words, so its
confidences are joined with the share of words that are function words of each language, and with a linear model
over hashed features that has read what customers of this project's catalogue say.
"""

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from threading import Lock
from typing import Final

import numpy as np
from lingua import Language, LanguageDetector, LanguageDetectorBuilder

from floodgate_nlu.linear import LinearModel, load_linear
from floodgate_nlu.resources import load_yaml, phrases, read_bytes
from floodgate_nlu.text import squeeze, tokens

SERVED: Final[Mapping[str, Language]] = {
    "nl": Language.DUTCH,
    "fr": Language.FRENCH,
    "es": Language.SPANISH,
    "pl": Language.POLISH,
    "en": Language.ENGLISH,
    "de": Language.GERMAN,
    "it": Language.ITALIAN,
    "pt": Language.PORTUGUESE,
    "sv": Language.SWEDISH,
    "cs": Language.CZECH,
}
ARTEFACT: Final = "language.npz"
_CODES: Final = {language: code for code, language in SERVED.items()}
_MAX_CHARS: Final = 300
_FUNCTION_WORD_WEIGHT: Final = 1.5
_LEARNED_WEIGHT: Final = 1.0
_SHORT_WORDS: Final = 3
# With this many words the customer's own turns settle the language; with fewer, the others' help.
_TELLING_WORDS: Final = 10
_OTHERS_WEIGHT: Final = 0.7
_DECLARED_BONUS: Final = 0.9
_PLAUSIBLE: Final = 3
_PLAUSIBLE_SHARE: Final = 0.2
_LIKELY_SHARE: Final = 0.5
_lock: Final = Lock()


@cache
def _build() -> LanguageDetector:
    builder = LanguageDetectorBuilder.from_languages(*SERVED.values())
    return builder.with_low_accuracy_mode().with_preloaded_language_models().build()


def _detector() -> LanguageDetector:
    with _lock:
        return _build()


@cache
def _model() -> LinearModel | None:
    raw = read_bytes(ARTEFACT)
    return load_linear(raw) if raw else None


def _learned(text: str) -> dict[str, float]:
    """The linear model's probability per language; empty where no model is shipped."""
    model = _model()
    if model is None:
        return {}
    raw = model.scores(text).astype(np.float64)
    likely = np.exp(raw - raw.max())
    return dict(zip(model.classes, (float(p) for p in likely / likely.sum()), strict=True))


@cache
def _function_words() -> Mapping[str, tuple[str, ...]]:
    """Each function word with the languages that use it."""
    table: dict[str, tuple[str, ...]] = {}
    for code, words in load_yaml("function_words.yaml").items():
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
    confidences = _detector().compute_language_confidence_values(text)
    scores = {_CODES[value.language]: float(value.value) for value in confidences}
    for code, probability in _learned(text).items():
        scores[code] = scores.get(code, 0.0) + _LEARNED_WEIGHT * probability
    words = tokens(text)
    known = _function_words()
    for word in words:
        users: Sequence[str] = known.get(word, ())
        for code in users:
            scores[code] = scores.get(code, 0.0) + _FUNCTION_WORD_WEIGHT / (len(users) ** 2 * len(words))
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
        scores[declared] = scores.get(declared, 0.0) + _DECLARED_BONUS / len(words)
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
        scores[code] = scores.get(code, 0.0) + _OTHERS_WEIGHT * (1.0 - share) * score
    declared = (declared or "").split("-")[0].lower()
    if declared in SERVED:
        scores[declared] = scores.get(declared, 0.0) + _DECLARED_BONUS * (1.0 - share)
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
