"""Which value of a closed set of topics or intents a text is about: its own name, subjects and categories say it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from floodgate_nlu.subjects import profiles_of
from floodgate_nlu.taxonomy import words_of
from floodgate_nlu.text import tokens
from floodgate_nlu.topics import Named

FALLBACKS: Final = ("other", "none", "unknown", "general")
"""Values that stand for no subject of their own."""
# In units of `Named.scores`, logarithms of odds. Found by conditional logistic regression over four labelled files of
# the project, subsets of ten labels of Banking77 and CLINC150, and MultiDoGO's conversations, each source left out in
# turn. A gloss says less than a sentence, so subjects, which are found in the text itself, count for more beside it.
_SUBJECTS: Final = {"en": 2.5}
_SUBJECTS_BESIDE_GLOSSES: Final = 5.0
# A category of the catalogue that is itself a value: its classifier has read examples.
_CATEGORY: Final = 8.0
# Of a thousand texts in scope about five are further from every name, of those out of scope half.
_NEAR_A_NAME: Final = 0.1
_SPOKEN_OF: Final = 0.05


@dataclass(frozen=True, slots=True)
class LabelSet:
    """A closed set, and the subjects that each value stands for."""

    values: tuple[str, ...]
    subjects: Mapping[str, Mapping[str, float]]

    @property
    def fallback(self) -> str | None:
        """The value for texts that are about none of the others."""
        return next((value for value in FALLBACKS if value in self.values), None)

    @property
    def named(self) -> tuple[str, ...]:
        """The values whose names mean something."""
        return tuple(value for value in self.values if value not in FALLBACKS) or self.values


def read_labels(closed: Sequence[str]) -> LabelSet:
    """Work out what each value stands for."""
    subjects = dict(zip(closed, profiles_of([tokens(words_of(value)) for value in closed]), strict=True))
    return LabelSet(tuple(closed), subjects)


def pick_label(
    labels: LabelSet,
    language: str,
    categories: Mapping[str, float],
    subjects: Mapping[str, float],
    named: Named | None = None,
) -> str:
    """The value that a text is most likely about.

    Args:
        labels: The closed set.
        language: Of the text.
        categories: The probability of each of the catalogue's categories.
        subjects: How surely the text is about each subject, 0 to 1.
        named: How near the text is to the names of `labels.named`, in their order; None without the sentence encoder.

    Returns:
        The likeliest value; the fallback, where the set has one, for a text that is near to none of them.
    """
    weight = _SUBJECTS.get(language, _SUBJECTS_BESIDE_GLOSSES)
    spoken = {
        value: _CATEGORY * categories.get(value, 0.0)
        + weight * sum(share * subjects.get(name, 0.0) for name, share in labels.subjects[value].items())
        for value in labels.named
    }
    scores = dict(zip(labels.named, named.scores, strict=True)) if named else dict.fromkeys(labels.named, 0.0)
    best = max(labels.named, key=lambda value: (scores[value] + spoken[value], -labels.values.index(value)))
    unheard = spoken[best] < _SPOKEN_OF and (named is None or named.nearness < _NEAR_A_NAME)
    return labels.fallback or best if unheard else best
