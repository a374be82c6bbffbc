"""Which words of other languages than English speak for which matter of support.

A gloss leaves out what its table does not know, and reads a word in one of its meanings. `data/topic_words.txt` names
what people write about each matter of `support_topics.txt` in nine languages: things, actions, places, troubles.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from floodgate_nlu.glosses import COMPOUNDING, Lexicon, cells, forms
from floodgate_nlu.resources import read_text
from floodgate_nlu.text import tokens

TABLE: Final = "topic_words.txt"
# The last noun of a compound ("Rückenkurs"): begins after so many letters, has so many, and so many of its ending.
_LEAST_BEFORE: Final = 3
_LEAST_LAST: Final = 4
_ENDING: Final = 3

Matters = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TopicWords:
    """The table, by language.

    Attributes:
        matters: How many there are.
        lexicons: The numbers of the matters that each word speaks for.
    """

    matters: int
    lexicons: Mapping[str, Lexicon[Matters]]

    def evidence(self, text: str, language: str) -> NDArray[np.float64]:
        """How much each matter is spoken for: one for each different word, shared by the matters it speaks for.

        Returns:
            Shape (matters,). Zeros in English and in languages that the table does not have.
        """
        found = np.zeros(self.matters)
        lexicon = self.lexicons.get(language)
        if lexicon is None:
            return found
        for word in set(tokens(text)):
            for matters in _spoken_for(word, lexicon, language in COMPOUNDING):
                found[list(matters)] += 1.0 / len(matters)
        return found


@lru_cache(maxsize=1)
def read_words(names: Sequence[str]) -> TopicWords:
    """The table for matters of these first names, in this order.

    Raises:
        KeyError: The table names a matter that is not among them.
    """
    numbers = {name: number for number, name in enumerate(names)}
    head, *rows = (cells(line) for line in read_text(TABLE).splitlines() if line)
    words: dict[str, dict[str, list[int]]] = {language: {} for language in head[1:]}
    stems: dict[str, dict[str, list[int]]] = {language: {} for language in head[1:]}
    for name, *columns in rows:
        for language, written in zip(head[1:], columns, strict=True):
            for form, is_stem in forms(written):
                (stems if is_stem else words)[language].setdefault(form, []).append(numbers[name])
    lexicons = {language: Lexicon(_frozen(words[language]), _frozen(stems[language])) for language in head[1:]}
    return TopicWords(len(numbers), lexicons)


def _frozen(found: Mapping[str, Sequence[int]]) -> dict[str, Matters]:
    return {form: tuple(dict.fromkeys(numbers)) for form, numbers in found.items()}


def _spoken_for(word: str, lexicon: Lexicon[Matters], compounding: bool) -> Iterator[Matters]:
    found = lexicon.find(word)
    if found is not None:
        yield found[0]
    if compounding:
        for start in range(_LEAST_BEFORE, len(word) - _LEAST_LAST + 1):
            last = lexicon.find(word[start:])
            if last is not None and last[1] >= _LEAST_LAST and len(word) - start - last[1] <= _ENDING:
                yield last[0]
                return
