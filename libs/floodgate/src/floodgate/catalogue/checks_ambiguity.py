"""Examples that teach confusion, and texts richer than they have to be. Pure, by words alone: any machine agrees.

Concise, essential instructions made weak models stable; rich ones did not. All of it warns: the author decides.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log, sqrt
from typing import Final

from floodgate.catalogue.builder import Built, Header, Origin
from floodgate.catalogue.problems import Problem, Severity

MAX_TITLE_CHARS: Final = 48
MAX_LABEL_CHARS: Final = 40
MAX_PHRASE_CHARS: Final = 60
MAX_TEMPLATE_CHARS: Final = 600
MAX_EXAMPLES_PER_LANGUAGE: Final = 60
MIN_PHRASE_CHARS: Final = 3

_NEAR_DUPLICATE: Final = 0.85
_TOO_NEAR: Final = 0.6
_MARGIN: Final = 0.1
_STEM_CHARS: Final = 5
_WORD: Final = re.compile(r"\w+")
_QUOTED_CHARS: Final = 60
_WARNING: Final = Severity.WARNING


@dataclass(frozen=True, slots=True)
class _Example:
    category: str
    position: int
    text: str
    weights: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class _Nearest:
    """The nearest example of another category, and how near the nearest of its own is."""

    other: _Example
    nearness: float
    own: float


def check_ambiguity(built: Built, header: Header) -> Iterator[Problem]:
    """Examples that are nearly those of another category, or nearer to it than to their own."""
    for language in header.languages:
        for example, nearest in _nearest(_examples(built, language)):
            origin, at = built.origin("category", example.category), ("examples", language, example.position)
            other = built.origin("category", nearest.other.category)
            line = other.file.line(("examples", language, nearest.other.position))
            where = f"{nearest.other.category!r}, line {line} (“{nearest.other.text[:_QUOTED_CHARS]}”)"
            if nearest.nearness >= _NEAR_DUPLICATE:
                remedy = "make it say which is meant, or keep only one of them"
                yield origin.problem(f"nearly the same example stands in {where}", remedy, *at, severity=_WARNING)
            elif nearest.nearness >= _TOO_NEAR and nearest.nearness > nearest.own + _MARGIN:
                remedy = "add what sets it apart, or move it"
                message = f"this example is nearer to {where} than to any of its own category"
                yield origin.problem(message, remedy, *at, severity=_WARNING)


def check_richness(built: Built, header: Header) -> Iterator[Problem]:
    """Texts that are longer than the model, or a button, has use for; and lists too long to be looked after."""
    for category in built.categories:
        origin = built.origin("category", category.id)
        yield from _too_long(origin, "title", category.title, MAX_TITLE_CHARS, "say what it is about in a few words")
        for language, texts in category.examples.items():
            if len(texts) > MAX_EXAMPLES_PER_LANGUAGE:
                message = f"category {category.id!r} has {len(texts)} examples in {language}"
                remedy = f"keep the {MAX_EXAMPLES_PER_LANGUAGE} that differ most, or split the category"
                yield origin.problem(message, remedy, "examples", language, severity=_WARNING)
    for path in built.paths:
        remedy = "a button shows no more"
        yield from _too_long(built.origin("path", path.id), "label", path.label, MAX_LABEL_CHARS, remedy)
    for item in built.templates:
        remedy = "say it shorter: people read replies on a telephone"
        yield from _too_long(built.origin("template", item.id), "texts", item.texts, MAX_TEMPLATE_CHARS, remedy)
    for rule in built.urgency:
        for language, phrases in rule.phrases.items():
            for position, phrase in enumerate(phrases):
                yield from _phrase(built.origin("urgency rule", rule.id), language, position, phrase)


def _phrase(origin: Origin, language: str, position: int, phrase: str) -> Iterator[Problem]:
    if not MIN_PHRASE_CHARS <= len(phrase.strip()) <= MAX_PHRASE_CHARS:
        message = f"the phrase “{phrase[:_QUOTED_CHARS]}” has {len(phrase.strip())} characters"
        remedy = f"between {MIN_PHRASE_CHARS} and {MAX_PHRASE_CHARS}: as short as it is still unmistakable"
        yield origin.problem(message, remedy, "phrases", language, position, severity=_WARNING)


def _too_long(origin: Origin, member: str, texts: Mapping[str, str], most: int, remedy: str) -> Iterator[Problem]:
    for language, text in texts.items():
        if len(text) > most:
            message = f"the {member} in {language} has {len(text)} characters"
            yield origin.problem(message, f"at most {most}: {remedy}", member, language, severity=_WARNING)


def _examples(built: Built, language: str) -> list[_Example]:
    """All examples of a language; a rare word says what a text is about, a common one nothing."""
    texts = [
        (category.id, position, text, frozenset(_stems(text)))
        for category in built.categories
        for position, text in enumerate(category.examples.get(language, ()))
    ]
    counts: dict[str, int] = defaultdict(int)
    for _, _, _, stems in texts:
        for stem in stems:
            counts[stem] += 1
    found: list[_Example] = []
    for category, position, text, stems in texts:
        raw = {stem: log(1.0 + len(texts) / counts[stem]) for stem in stems}
        norm = sqrt(sum(value * value for value in raw.values())) or 1.0
        found.append(_Example(category, position, text, {stem: value / norm for stem, value in raw.items()}))
    return found


def _stems(text: str) -> list[str]:
    """Beginnings of words: endings differ by case, number and gender."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return [word[:_STEM_CHARS] for word in _WORD.findall(folded) if not word.isdigit()]


def _nearest(examples: Sequence[_Example]) -> Iterator[tuple[_Example, _Nearest]]:
    postings: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for number, example in enumerate(examples):
        for stem, weight in example.weights.items():
            postings[stem].append((number, weight))
    for number, example in enumerate(examples):
        near: dict[int, float] = defaultdict(float)
        for stem, weight in example.weights.items():
            for other, its in postings[stem]:
                near[other] += weight * its
        near.pop(number, None)
        own = max((value for other, value in near.items() if examples[other].category == example.category), default=0.0)
        others = [(value, other) for other, value in near.items() if examples[other].category != example.category]
        if others:
            nearness, best = max(others, key=lambda pair: (pair[0], -pair[1]))
            yield example, _Nearest(examples[best], nearness, own)
