"""Sentiment of a text: praise and complaint counted with negation, emoji and emphasis."""

from dataclasses import dataclass
from functools import cache
from typing import Final

from floodgate_nlu.patterns import Match, PhraseMatcher
from floodgate_nlu.resources import load_yaml, phrases
from floodgate_nlu.text import sentences, tokens

SENTIMENTS: Final = ("negative", "neutral", "positive")
_WEIGHTS: Final = {
    "positive": 1.0,
    "strong_positive": 2.0,
    "negative": -1.0,
    "strong_negative": -2.5,
    "grievance": -1.2,
}
_NEGATOR: Final = "negator"
_IRONY: Final = "irony"
_GRATITUDE: Final = "gratitude"
# These say what they say whatever stands before them.
_NOT_NEGATED: Final = frozenset({"grievance"})
_NEGATION_REACH: Final = 3
_EMOJI_WEIGHT: Final = 1.5
_MANY_WORDS: Final = 7
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
        patterns += [(phrase, kind) for kind in (_IRONY, _GRATITUDE) for phrase in phrases(lists[kind])]
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


def is_grateful(text: str, language: str) -> bool:
    """Whether a text thanks somebody."""
    return any(match.label == _GRATITUDE for match in _found(text, language))


def mocks(text: str, language: str) -> bool:
    """Whether a text praises what it complains of: praise by its words, beside something to put up with."""
    kinds = {match.label for match in _found(text, language)}
    complains = bool(kinds & {"negative", "strong_negative", "grievance"}) or "..." in text or "…" in text
    praises = bool(kinds & {"positive", "strong_positive"})
    return _GRATITUDE not in kinds and (
        (_IRONY in kinds and (complains or len(tokens(text)) > _MANY_WORDS))
        or (praises and "grievance" in kinds and "strong_positive" in kinds)
    )


def _found(text: str, language: str) -> list[Match[str]]:
    matcher = _matchers().get(language) or _matchers()["en"]
    return matcher.find(tokens(text))


def _sentence_polarity(matcher: PhraseMatcher[str], sentence: str) -> float:
    words = tokens(sentence)
    strongest: dict[int, float] = {}
    negators: list[int] = []
    certain: set[int] = set()
    for match in matcher.find(words):
        if match.label == _NEGATOR:
            negators.append(match.start)
            continue
        if match.label in {_IRONY, _GRATITUDE}:
            continue
        weight = _WEIGHTS[match.label]
        certain |= {match.start} if match.label in _NOT_NEGATED else set()
        if abs(weight) > abs(strongest.get(match.start, 0.0)) or match.end - match.start > 1:
            strongest[match.start] = weight
    total = 0.0
    for start, weight in strongest.items():
        negated = start not in certain and any(0 < start - negator <= _NEGATION_REACH for negator in negators)
        total += -0.7 * weight if negated and weight > 0 else 0.3 * abs(weight) if negated else weight
    emphasis = 1.2 if sentence.count("!") >= 2 else 1.0
    return total * emphasis


def sentiment_of(text: str, language: str) -> Sentiment:
    """The sentiment of one text."""
    total = polarity(text, language)
    balance = total / (abs(total) + 1.5)
    label = "positive" if balance > NEUTRAL_BAND else "negative" if balance < -NEUTRAL_BAND else "neutral"
    return Sentiment(label, round(balance, 4))
