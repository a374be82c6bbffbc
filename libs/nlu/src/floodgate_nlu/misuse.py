"""Misuse of the channel: instructions aimed at the model, abuse of people, advertising."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from floodgate_nlu.injection import INJECTION_THRESHOLD, sentence_scores
from floodgate_nlu.language import likely_languages
from floodgate_nlu.obfuscation import disguised, encoded
from floodgate_nlu.patterns import PhraseMatcher
from floodgate_nlu.resources import load_yaml, phrases
from floodgate_nlu.text import sentences, strip_hidden, tokens

_INJECTION: Final = frozenset({"strong", "likely", "weak", "own"})
_STRONG: Final = 0.9
# What a phrase adds to the learned score, and the least learned score that it adds to.
_LIKELY: Final = 0.5
_LIKELY_FROM: Final = 0.4
_WEAK: Final = 0.03
_WEAK_FROM: Final = 0.5
# In fewer words the learned score is chance; phrases still count.
_FEWEST_WORDS: Final = 5
_FEW_WORDS_CAP: Final = 0.3
_HIDDEN_TEXT: Final = 0.85
_MANY_HIDDEN: Final = 12
_FENCE: Final = re.compile(
    r"</?(?:system|customer_message|instructions?|assistant|user|categories|transcript|prompt)\b[^>]*>"
    r"|\[/?INST\]|<\|[a-z_]+\|>|^#{2,}\s*(?:system|instruction|new)|^(?:system|assistant)\s*:",
    re.IGNORECASE | re.MULTILINE,
)
_LINK: Final = re.compile(r"https?://|www\.|\b[\w-]+\.(?:com|net|org|io|biz|info|ru|xyz|top)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Misuse:
    """The kind (none, injection, abuse, spam), how sure, and the sentences it rests on."""

    kind: str
    score: float
    evidence: tuple[str, ...]


@cache
def _matcher() -> PhraseMatcher[tuple[str, str]]:
    """Patterns labelled with their language and kind."""
    data = load_yaml("misuse.yaml")
    kinds = {**data["injection"], "abuse": data["abuse"], "spam": data["spam"]}
    return PhraseMatcher(
        [
            (phrase, (language, kind))
            for kind, languages in kinds.items()
            for language, text in languages.items()
            for phrase in phrases(text)
        ]
    )


def _kinds_in(sentence: str, languages: Collection[str]) -> list[str]:
    """The kinds of phrases in a sentence; insults and advertising count only in a language it may be in."""
    matches = _matcher().find(tokens(sentence))
    return [kind for language, kind in (m.label for m in matches) if language in languages or kind in _INJECTION]


@cache
def _elsewhere() -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
    """Verbs and nouns of the plainest attack, per language that is not served."""
    table = load_yaml("misuse_elsewhere.yaml").values()
    return tuple((tuple(own["verbs"]), tuple(own["nouns"])) for own in table)


def _orders_elsewhere(sentence: str) -> bool:
    folded = sentence.casefold()
    return any(
        any(noun in folded for noun in nouns) and any(verb in folded for verb in verbs) for verbs, nouns in _elsewhere()
    )


def injection_score(text: str) -> tuple[float, str]:
    """How likely the text speaks to the model, from 0 to 1, and the sentence that says so."""
    found = combined_score(text, sentence_scores(sentences(text)))
    for plain in disguised(text):
        score, _ = combined_score(plain, sentence_scores(sentences(plain)))
        found = max(found, (score, text))
    return max(found, (_HIDDEN_TEXT, text)) if encoded(text) else found


def combined_score(text: str, learned: Sequence[float]) -> tuple[float, str]:
    """Phrases and the learned score of each sentence joined: the worst sentence decides."""
    parts = sentences(text)
    best, where = 0.0, ""
    for sentence, score in zip(parts, learned, strict=True):
        combined = _sentence_score(sentence, score)
        if combined > best:
            best, where = combined, sentence
    if len(text) - len(strip_hidden(text)) >= _MANY_HIDDEN and best < _HIDDEN_TEXT:
        return _HIDDEN_TEXT, parts[0] if parts else ""
    return best, where


def _sentence_score(sentence: str, learned: float) -> float:
    if len(tokens(sentence)) < _FEWEST_WORDS:
        learned = min(learned, _FEW_WORDS_CAP)
    if _FENCE.search(sentence) or _orders_elsewhere(sentence):
        return max(learned, _STRONG)
    kinds = set(_kinds_in(sentence, ()))
    if "strong" in kinds and "own" not in kinds:
        return max(learned, _STRONG)
    if kinds & {"strong", "likely"} and learned >= _LIKELY_FROM:
        return min(1.0, learned + _LIKELY)
    return min(1.0, learned + _WEAK) if "weak" in kinds and learned >= _WEAK_FROM else learned


def assess_misuse(text: str) -> Misuse:
    """The gravest kind of misuse in a text."""
    score, where = injection_score(text)
    if score >= INJECTION_THRESHOLD:
        return Misuse("injection", score, (where,) if where else ())
    found: dict[str, list[str]] = {}
    languages = likely_languages(text)
    for sentence in sentences(text):
        for kind in _kinds_in(sentence, languages):
            found.setdefault(kind, []).append(sentence)
    if found.get("abuse"):
        return Misuse("abuse", 0.9, (found["abuse"][0],))
    advertising = len(set(found.get("spam", ()))) + len(found.get("spam", ())) / 2
    if advertising + len(_LINK.findall(text)) >= 2 and found.get("spam"):
        return Misuse("spam", 0.8, (found["spam"][0],))
    return Misuse("none", score, ())
