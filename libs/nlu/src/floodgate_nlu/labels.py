"""Which value of a closed set of topics or intents a text is about, through the catalogue's categories."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from floodgate_nlu.concepts import concepts_in
from floodgate_nlu.resources import load_yaml
from floodgate_nlu.subjects import profiles_of
from floodgate_nlu.taxonomy import Taxonomy, words_of
from floodgate_nlu.text import tokens

_STEM: Final = 5
_ENDING: Final = 3
_WORD_WEIGHT: Final = 0.6
_DIRECT_WEIGHT: Final = 0.35
_FALLBACKS: Final = ("other", "none", "unknown", "general")
_MIN_SCORE: Final = 0.05
_SUBJECT_WEIGHT: Final = 0.6
_NAMED_WEIGHT: Final = 0.3
# A category that only vaguely resembles a value speaks for it only vaguely.
_SURE_VALUE: Final = 0.5


@cache
def _hints() -> Mapping[str, Sequence[str]]:
    hints: Mapping[str, Sequence[str]] = load_yaml("label_words.yaml")
    return hints


def _hinted(word: str) -> Sequence[str]:
    """What a label's word stands for; endings ("refund", "refunds") may differ by a few letters."""
    if word in _hints():
        return _hints()[word]
    for known, concepts in _hints().items():
        if known[:_STEM] == word[:_STEM] and abs(len(known) - len(word)) <= _ENDING:
            return concepts
    return ()


@dataclass(frozen=True, slots=True)
class LabelSet:
    """A closed set with what each value stands for and the value that each category maps to."""

    values: tuple[str, ...]
    profiles: Mapping[str, Mapping[str, float]]
    by_category: Mapping[str, tuple[str, float]]
    subjects: Mapping[str, Mapping[str, float]]


def _profile(label: str) -> dict[str, float]:
    """The concepts that the words of a label stand for."""
    words = tokens(words_of(label))
    weights: Counter[str] = Counter(concepts_in(words))
    for word in words:
        for concept in _hinted(word):
            weights[concept] += 1
    return dict(weights)


def _cosine(first: Mapping[str, float], second: Mapping[str, float]) -> float:
    product = sum(weight * second.get(name, 0.0) for name, weight in first.items())
    norms = math.sqrt(sum(w * w for w in first.values()) * sum(w * w for w in second.values()))
    return product / norms if norms else 0.0


def read_labels(closed: Sequence[str], taxonomy: Taxonomy) -> LabelSet:
    """Work out what each value stands for and which categories belong to it."""
    profiles = {value: _profile(value) for value in closed}
    by_category: dict[str, tuple[str, float]] = {}
    concept_uses = _category_profiles(taxonomy)
    for category in taxonomy.categories.values():
        best = _best_value(category.id, category.path, concept_uses[category.id], profiles)
        if best:
            by_category[category.id] = best
    subjects = dict(zip(closed, profiles_of([tokens(words_of(value)) for value in closed]), strict=True))
    return LabelSet(tuple(closed), profiles, by_category, subjects)


def _category_profiles(taxonomy: Taxonomy) -> dict[str, dict[str, float]]:
    """Concepts per category, by how many of its texts name them and how few other categories do."""
    counts = {
        category.id: Counter(
            concept
            for text in (*category.titles.values(), *category.titles.values(), *category.examples)
            for concept in concepts_in(tokens(text))
        )
        for category in taxonomy.categories.values()
    }
    users = Counter(concept for table in counts.values() for concept, n in table.items() if n > 1)
    total = max(len(counts), 1)
    return {
        name: {concept: n * math.log(1 + total / max(users[concept], 1)) for concept, n in table.items()}
        for name, table in counts.items()
    }


def _best_value(
    category: str, path: str, uses: Mapping[str, float], profiles: Mapping[str, Mapping[str, float]]
) -> tuple[str, float] | None:
    """The value that a category belongs to, and how surely."""
    if category in profiles:
        return category, 1.0
    stems = {word[:_STEM] for word in tokens(words_of(category))}
    path_stems = {word[:_STEM] for word in tokens(words_of(path))}
    own = Counter(stem for value in profiles for stem in {word[:_STEM] for word in tokens(words_of(value))})

    def score(value: str) -> float:
        wanted = {word[:_STEM] for word in tokens(words_of(value))}
        shared = sum(1.0 / own[stem] for stem in wanted & stems) + 0.4 * sum(
            1.0 / own[stem] for stem in wanted & path_stems
        )
        return _WORD_WEIGHT * shared / math.sqrt(max(len(wanted), 1)) + _cosine(uses, profiles[value])

    best = max(profiles, key=lambda value: (score(value), value), default=None)
    if best is None or score(best) <= _MIN_SCORE:
        return None
    return best, min(score(best) / _SURE_VALUE, 1.0)


def pick_label(
    labels: LabelSet,
    text: str,
    categories: Mapping[str, float],
    subjects: Mapping[str, float] | None = None,
    named: Mapping[str, float] | None = None,
) -> str:
    """The value that the categories' probabilities, the text's concepts and subjects, and its own name point at."""
    scores = {value: _NAMED_WEIGHT * (named or {}).get(words_of(value), 0.0) for value in labels.values}
    for category, probability in categories.items():
        value, strength = labels.by_category.get(category, (None, 0.0))
        if value is not None:
            scores[value] += probability * strength
    named = dict.fromkeys(concepts_in(tokens(text)), 1.0)
    for value in labels.values:
        scores[value] += _DIRECT_WEIGHT * _cosine(named, labels.profiles[value])
        spoken = sum(weight * (subjects or {}).get(name, 0.0) for name, weight in labels.subjects[value].items())
        scores[value] += _SUBJECT_WEIGHT * spoken
    best = max(labels.values, key=lambda value: (scores[value], -labels.values.index(value)))
    if scores[best] < _MIN_SCORE:
        return next((value for value in _FALLBACKS if value in labels.values), best)
    return best
