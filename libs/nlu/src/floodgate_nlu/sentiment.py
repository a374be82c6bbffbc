"""Sentiment of a text: praise and complaint counted with negation, emoji and emphasis."""

from dataclasses import dataclass
from functools import cache
from typing import Final

from floodgate_nlu.patterns import PhraseMatcher
from floodgate_nlu.resources import load_yaml, phrases
from floodgate_nlu.text import sentences, tokens

_WEIGHTS: Final = {"positive": 1.0, "strong_positive": 2.0, "negative": -1.0, "strong_negative": -2.5}
_NEGATOR: Final = "negator"
_NEGATION_REACH: Final = 3
_EMOJI_WEIGHT: Final = 1.5
NEUTRAL_BAND: Final = 0.18


@dataclass(frozen=True, slots=True)
class Sentiment:
    """A label with the balance it rests on, from -1 (complaint) to 1 (praise)."""

    label: str
    balance: float


@cache
def _matchers() -> dict[str, PhraseMatcher[str]]:
    matchers: dict[str, PhraseMatcher[str]] = {}
    for language, lists in load_yaml("sentiment.yaml")["languages"].items():
        patterns = [(phrase, kind) for kind in _WEIGHTS for phrase in phrases(lists[kind])]
        patterns += [(phrase, _NEGATOR) for phrase in phrases(lists["negators"])]
        matchers[language] = PhraseMatcher(patterns)
    return matchers


@cache
def _emoji() -> dict[str, float]:
    table = load_yaml("sentiment.yaml")["emoji"]
    weights = dict.fromkeys(table["positive"], _EMOJI_WEIGHT)
    return weights | dict.fromkeys(table["negative"], -_EMOJI_WEIGHT)


def polarity(text: str, language: str) -> float:
    """The weighted sum of praise and complaint in a text of this language."""
    matcher = _matchers().get(language) or _matchers()["en"]
    total = sum(_emoji().get(char, 0.0) for char in text)
    for sentence in sentences(text):
        total += _sentence_polarity(matcher, sentence)
    return total


def _sentence_polarity(matcher: PhraseMatcher[str], sentence: str) -> float:
    words = tokens(sentence)
    strongest: dict[int, float] = {}
    negators: list[int] = []
    for match in matcher.find(words):
        if match.label == _NEGATOR:
            negators.append(match.start)
            continue
        weight = _WEIGHTS[match.label]
        if abs(weight) > abs(strongest.get(match.start, 0.0)) or match.end - match.start > 1:
            strongest[match.start] = weight
    total = 0.0
    for start, weight in strongest.items():
        negated = any(0 < start - negator <= _NEGATION_REACH for negator in negators)
        total += -0.7 * weight if negated and weight > 0 else 0.3 * abs(weight) if negated else weight
    emphasis = 1.2 if sentence.count("!") >= 2 else 1.0
    return total * emphasis


def sentiment_of(text: str, language: str) -> Sentiment:
    """The sentiment of one text."""
    total = polarity(text, language)
    balance = total / (abs(total) + 1.5)
    label = "positive" if balance > NEUTRAL_BAND else "negative" if balance < -NEUTRAL_BAND else "neutral"
    return Sentiment(label, round(balance, 4))
