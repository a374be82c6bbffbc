"""What a text of another served language says in English, word by word: the sentence encoder reads English alone.

A gloss is no translation: it keeps the order of the words, and words that the table does not know are left out.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

from floodgate_nlu.resources import read_text
from floodgate_nlu.text import tokens

TABLE: Final = "glosses.txt"
_ENGLISH: Final = "en"
_CELLS: Final = "|"
_STEM: Final = "*"
_LEAST_STEM: Final = 3
# Languages that write two nouns as one word ("Ticketpreis"), with up to so many letters between them.
_COMPOUNDING: Final = frozenset({"nl", "de", "sv"})
_LINKING_LETTERS: Final = 3
_LEAST_PART: Final = 4
_WORDS_KEPT: Final = 16_384


@dataclass(frozen=True, slots=True)
class Lexicon:
    """One language: whole words, and beginnings of words."""

    words: Mapping[str, str]
    stems: Mapping[str, str]

    def find(self, word: str) -> tuple[str, int] | None:
        """The English for a word, and how many of its letters that covers: all, or the longest known beginning."""
        if word in self.words:
            return self.words[word], len(word)
        for end in range(len(word), _LEAST_STEM - 1, -1):
            if word[:end] in self.stems:
                return self.stems[word[:end]], end
        return None


@cache
def lexicons() -> Mapping[str, Lexicon]:
    """The table by language; where two rows have the same form, the first counts."""
    head, *rows = (_cells(line) for line in read_text(TABLE).splitlines() if line)
    words: dict[str, dict[str, str]] = {language: {} for language in head[1:]}
    stems: dict[str, dict[str, str]] = {language: {} for language in head[1:]}
    for english, *columns in rows:
        for language, forms in zip(head[1:], columns, strict=False):
            for form in filter(None, (form.strip() for form in forms.split(","))):
                (folded,) = tokens(form.removesuffix(_STEM))
                (stems if form.endswith(_STEM) else words)[language].setdefault(folded, english)
    return {language: Lexicon(words[language], stems[language]) for language in head[1:]}


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split(_CELLS)]


@cache
def _english_words() -> frozenset[str]:
    """Words of the glosses themselves, which other languages borrow ("ticket", "download")."""
    tables = [table for lexicon in lexicons().values() for table in (lexicon.words, lexicon.stems)]
    return frozenset(
        word for table in tables for english in table.values() for word in tokens(english) if len(word) > 2
    )


@lru_cache(maxsize=_WORDS_KEPT)
def _of_word(word: str, language: str) -> tuple[str, ...]:
    lexicon = lexicons()[language]
    found = lexicon.find(word)
    if found is None:
        return (word,) if word in _english_words() else ()
    english, covered = found
    return (english, *_rest(word[covered:], lexicon)) if language in _COMPOUNDING else (english,)


def _rest(letters: str, lexicon: Lexicon) -> Iterator[str]:
    """The second noun of a compound."""
    for skipped in range(_LINKING_LETTERS + 1):
        part = letters[skipped:]
        found = lexicon.find(part) if len(part) >= _LEAST_PART else None
        if found is not None:
            yield found[0]
            return


def coverage(text: str, language: str) -> float:
    """The share of a text's words that the table knows; low where the text is in a language that is not served."""
    words = tokens(text)
    if language not in lexicons() or not words:
        return 0.0
    return sum(bool(_of_word(word, language)) for word in words) / len(words)


def gloss(text: str, language: str) -> str:
    """The text in English words; English itself, and a text none of whose words is known, as it is."""
    if language == _ENGLISH or language not in lexicons():
        return text
    said: list[str] = []
    for word in tokens(text):
        said += [english for english in _of_word(word, language) if english not in said[-1:]]
    return " ".join(said) or text
