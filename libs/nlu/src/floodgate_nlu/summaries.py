"""Extractive statements in a localised template; every word of content stands in the source."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final

from floodgate_nlu.resources import load_yaml, phrases
from floodgate_nlu.sentiment import polarity
from floodgate_nlu.text import clip, fold, sentences, squeeze, strip_hidden, tokens

SUMMARY_CHARS: Final = 200
# With the short word before it ("to <EMAIL_1>"), which would dangle without it.
_PLACEHOLDER: Final = re.compile(r"(?:\b\w{1,4}[ \t]+)?(?:<[A-Z_]+_\d+>|\[[A-Z_]+_\d+\])")
_PERSONAL: Final = re.compile(
    r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
    r"|\b[A-Z]{2}\d{2}(?:[ ]?[A-Z0-9]{4}){2,7}(?:[ ]?[A-Z0-9]{1,4})?\b"
    r"|(?<![\w-])\d(?:[ -]?\d){12,18}(?![\w-])"
    r"|(?<![\w-])(?:\+|00)\d{1,3}(?:[ ./()-]{0,2}\d){6,12}(?!\w)"
    r"|(?<![\w-])0\d(?:[ ./-]?\d){7,9}(?![\w-])"
)
_TRAILING: Final = " ,;:-–—("
_MIN_WORDS: Final = 3


@cache
def _templates() -> Mapping[str, Mapping[str, str]]:
    templates: Mapping[str, Mapping[str, str]] = load_yaml("summary.yaml")["templates"]
    return templates


def template(language: str, name: str) -> str:
    """A template word in this language, English where the language is not served."""
    return _templates().get(language, _templates()["en"])[name]


@cache
def _greetings() -> tuple[tuple[str, ...], ...]:
    listed = {tuple(tokens(p)) for text in load_yaml("summary.yaml")["greetings"].values() for p in phrases(text)}
    return tuple(sorted((g for g in listed if g), key=lambda g: (-len(g), g)))


def without_personal_data(text: str) -> str:
    """The text without placeholders, addresses, telephone, account and card numbers."""
    text = _PERSONAL.sub("", _PLACEHOLDER.sub("", strip_hidden(text)))
    text = re.sub(r"\(\s*\)|\[\s*\]|<\s*>", "", text)
    text = re.sub(r"\s+([.,;:!?])", r"\1", squeeze(text))
    return re.sub(r"([,;:])(?=[.!?,;:])", "", text).strip(_TRAILING)


def without_greeting(sentence: str) -> str:
    """A sentence without the greeting that opens it; empty when it is nothing but courtesy."""
    remaining = sentence
    for _ in range(3):
        words = tokens(remaining)
        for greeting in _greetings():
            if tuple(words[: len(greeting)]) == greeting:
                break
        else:
            return remaining
        if len(words) - len(greeting) < _MIN_WORDS:
            return ""
        cut = _after_words(remaining, len(greeting))
        if not remaining[cut:].lstrip().startswith((",", "!", ".", "-", "–", ":")) and len(greeting) > 2:
            return ""
        remaining = remaining[cut:].lstrip(" ,!.:;-–")
    return remaining


def _after_words(text: str, count: int) -> int:
    for number, found in enumerate(re.finditer(r"\w+", strip_hidden(text)), start=1):
        if number == count:
            return found.end()
    return len(text)


def contentful(text: str) -> list[str]:
    """The sentences of a text that say something, without courtesy and personal data."""
    kept: list[str] = []
    for sentence in sentences(text):
        bare = without_personal_data(without_greeting(sentence))
        if len(tokens(bare)) >= _MIN_WORDS:
            kept.append(bare)
    return kept


def salience(parts: Sequence[str], *, lead_bonus: float) -> list[float]:
    """How much each sentence carries: shared content words, earliness and a bounded length."""
    counts: dict[str, int] = {}
    for sentence in parts:
        for word in set(tokens(sentence)):
            counts[word] = counts.get(word, 0) + 1
    scores: list[float] = []
    for position, sentence in enumerate(parts):
        words = set(tokens(sentence))
        shared = sum(counts[word] for word in words if len(word) > 3)
        scores.append(shared / (6 + len(words)) + lead_bonus / (1 + position) + 0.02 * min(len(words), 15))
    return scores


def best_sentence(parts: Sequence[str], *, lead_bonus: float = 0.6) -> str:
    """The sentence that carries most; empty when there is none."""
    if not parts:
        return ""
    scores = salience(parts, lead_bonus=lead_bonus)
    return parts[max(range(len(parts)), key=lambda i: (scores[i], -i))]


def _closed(sentence: str) -> str:
    sentence = sentence.rstrip(_TRAILING)
    return sentence if sentence.endswith((".", "!", "?", "…")) else f"{sentence}."


def opening_of(sentence: str, language: str) -> str:
    """The template words that fit a customer's sentence: a question, a complaint or a statement."""
    if "?" in sentence:
        return template(language, "customer")
    return template(language, "complaint" if polarity(sentence, language) < -0.5 else "wants")


def statement(message: str, language: str, max_chars: int) -> str:
    """One sentence that says what the customer wants, within `max_chars`."""
    sentence = best_sentence(contentful(message)) or without_personal_data(squeeze(message))
    if not sentence:
        return ""
    opening = opening_of(sentence, language)
    return _closed(clip(f"{opening} {sentence}", max_chars - 1))[:max_chars]


def compose(customer: str, answers: Sequence[str], weights: Sequence[float], language: str, max_chars: int) -> str:
    """What the customer wanted, and of the answers the weightiest that there is room for, in their order.

    Args:
        customer: One sentence.
        answers: Sentences of whoever answered.
        weights: What each of them carries.
        language: Of the template's words.
        max_chars: Of the whole; the customer's half gets no more than half of it where there is an answer.
    """
    head, tail = template(language, "asker"), template(language, "agent")
    if not answers:
        rest = template(language, "no_agent")
        return f"{_closed(clip(f'{head} {customer}', max_chars - len(rest) - 2))} {rest}"
    asked = _closed(clip(f"{head} {customer}", max_chars // 2))
    room = max_chars - len(asked) - len(tail) - 3
    return f"{asked} {tail} {_closed(clip(' '.join(_weightiest(answers, weights, room)), room))}"


def _weightiest(parts: Sequence[str], weights: Sequence[float], room: int) -> list[str]:
    """The weightiest sentence, and every other that still fits, as they stood."""
    first, *others = sorted(range(len(parts)), key=lambda i: (-weights[i], i))
    kept, used = [first], len(parts[first])
    for number in others:
        if used + len(parts[number]) + 2 <= room:
            kept.append(number)
            used += len(parts[number]) + 2
    return [_closed(parts[number]) for number in sorted(kept)]


def facts_in(text: str) -> list[str]:
    """Numbers that a reader would look for, as they are written: amounts, order numbers, dates."""
    found = re.findall(r"(?:[€£$]\s?)?\b[A-Z]{0,4}-?\d[\d.,:/-]*\d\b(?:\s?(?:€|EUR|%))?|\b\d\b\s?(?:€|%)", text)
    seen: list[str] = []
    for fact in found:
        if fact not in seen:
            seen.append(fact)
    return seen


def folded_words(text: str) -> frozenset[str]:
    """The set of folded words, for checking that a summary says nothing new."""
    return frozenset(tokens(fold(text)))
