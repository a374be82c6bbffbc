"""What a text is about among topics that only have names: subjects of support in ten languages stand between them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Final

import numpy as np

from floodgate_nlu.hashing import FloatArray
from floodgate_nlu.meanings import shared_embeddings
from floodgate_nlu.patterns import PhraseMatcher
from floodgate_nlu.resources import load_yaml, phrases
from floodgate_nlu.text import tokens

_STEM: Final = 5
_ENDING: Final = 3
# A label none of whose words is known takes the subject whose words mean nearly the same; words that have nothing to do
# with each other ("tenant", "baggage") reach 0.63.
_NEAR: Final = 0.66
# What the agent says is about the same thing, in words of the house.
OTHERS_WEIGHT: Final = 0.4


@cache
def _matcher() -> PhraseMatcher[str]:
    table = load_yaml("subjects.yaml")
    return PhraseMatcher([(phrase, name) for name, about in table.items() for phrase in phrases(about["says"])])


@cache
def _names() -> Mapping[str, tuple[str, ...]]:
    return {name: tuple(about["names"].split()) for name, about in load_yaml("subjects.yaml").items()}


@lru_cache(maxsize=4096)
def subjects_in(text: str) -> Mapping[str, int]:
    """How often each subject is spoken of; overlapping phrases of one subject count once."""
    counts: Counter[str] = Counter()
    reached: dict[str, int] = {}
    for match in _matcher().find(tokens(text)):
        if match.start >= reached.get(match.label, 0):
            counts[match.label] += 1
            reached[match.label] = match.end
    return counts


def evidence(customer: str, others: str) -> dict[str, float]:
    """How surely a conversation is about each subject, 0 to 1; further mentions add less and less."""
    weighted: Counter[str] = Counter(subjects_in(customer))
    for name, count in subjects_in(others).items():
        weighted[name] += OTHERS_WEIGHT * count  # type: ignore[assignment]  # a Counter takes any number
    return {name: float(1.0 - np.exp(-count)) for name, count in weighted.items()}


def profiles_of(labels: Sequence[Sequence[str]]) -> list[dict[str, float]]:
    """Per label (its words) the subjects that it stands for, of length one.

    A word that several labels share tells little of any of them.
    """
    users = Counter(stem for words in labels for stem in {word[:_STEM] for word in words})
    profiles = []
    for words in labels:
        weights: Counter[str] = Counter()
        for word in words:
            for place, name in _named(word):
                weights[name] += (1.0 / users[word[:_STEM]]) * (1.0 if place == 0 else 0.8)  # type: ignore[assignment]
        found = dict(weights) or _nearest(tuple(words))
        norm = float(np.sqrt(sum(weight**2 for weight in found.values())))
        profiles.append({name: weight / norm for name, weight in found.items()})
    return profiles


@lru_cache(maxsize=1024)
def _named(word: str) -> tuple[tuple[int, str], ...]:
    """The subjects that a label's word names, each with whether it is its first name (0)."""
    found = []
    for name, known in _names().items():
        for place, other in enumerate(known):
            same = other == word
            if same or (
                len(word) >= _STEM and other[:_STEM] == word[:_STEM] and abs(len(other) - len(word)) <= _ENDING
            ):
                found.append((min(place, 1), name))
                break
    return tuple(found)


@lru_cache(maxsize=256)
def _nearest(words: tuple[str, ...]) -> dict[str, float]:
    embeddings = shared_embeddings()
    if embeddings is None or not words:
        return {}
    names = list(_names())
    rows = embeddings.of([" ".join(words), *(" ".join(_names()[name][:4]) for name in names)])
    near: FloatArray = rows[1:] @ rows[0]
    best = int(np.argmax(near))
    return {names[best]: 1.0} if float(near[best]) >= _NEAR else {}
