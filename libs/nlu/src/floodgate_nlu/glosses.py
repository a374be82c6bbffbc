"""What a text of another served language says in English, word by word: the sentence encoder reads English alone.

A gloss is no translation: it keeps the order of the words, and words that the table does not know are left out.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final, Generic, TypeVar

from floodgate_nlu.resources import read_text
from floodgate_nlu.text import tokens

T = TypeVar("T")

TABLE: Final = "glosses.txt"
_STEM: Final = "*"
_ENGLISH: Final = "en"
_CELLS: Final = "|"
_LEAST_STEM: Final = 3
COMPOUNDING: Final = frozenset({"nl", "de", "sv"})
"""Languages that write two nouns as one word ("Ticketpreis")."""
# With up to so many letters between them.
_LINKING_LETTERS: Final = 3
_LEAST_PART: Final = 4
_WORDS_KEPT: Final = 16_384
# Tables of English sentences whose words other languages often share.
_ENGLISH_TABLES: Final = ("support_topics.txt", "moods.txt")
_LEAST_COGNATE: Final = 5
# How shared words end in other languages and in English; the longest ending that fits is tried first.
_ENDINGS: Final = {
    **dict.fromkeys(("zione", "zioni", "cion", "ciones", "cao", "coes", "cja", "cji", "cje", "ce", "ci"), ("tion",)),
    **dict.fromkeys(("tat", "taten", "dad", "dade", "tet", "teten", "teit", "te", "ta"), ("ty", "t", "te")),
    **dict.fromkeys(("isch", "ische", "ischen", "isk", "iska", "ico", "ica", "ique", "iczny", "icky"), ("ic", "ical")),
    **dict.fromkeys(("ia", "ie", "ii"), ("y", "ia", "ie")),
    **dict.fromkeys(("ista", "iste"), ("ist",)),
    **dict.fromkeys(("mento", "mentos", "menti"), ("ment",)),
    **dict.fromkeys(
        ("a", "o", "e", "i", "y", "u", "en", "er", "es", "os", "as", "s", "et", "em", "ar", "n"), ("", "e")
    ),
}


@dataclass(frozen=True, slots=True)
class Lexicon(Generic[T]):
    """One language: what is known of whole words, and of beginnings of words."""

    words: Mapping[str, T]
    stems: Mapping[str, T]

    def find(self, word: str) -> tuple[T, int] | None:
        """What is known of a word, and how many of its letters that covers: all, or the longest known beginning."""
        if word in self.words:
            return self.words[word], len(word)
        for end in range(len(word), _LEAST_STEM - 1, -1):
            if word[:end] in self.stems:
                return self.stems[word[:end]], end
        return None


@cache
def lexicons() -> Mapping[str, Lexicon[str]]:
    """The table by language; where two rows have the same form, the first counts."""
    head, *rows = (cells(line) for line in read_text(TABLE).splitlines() if line)
    words: dict[str, dict[str, str]] = {language: {} for language in head[1:]}
    stems: dict[str, dict[str, str]] = {language: {} for language in head[1:]}
    for english, *columns in rows:
        for language, written in zip(head[1:], columns, strict=False):
            for folded, is_stem in forms(written):
                (stems if is_stem else words)[language].setdefault(folded, english)
    return {language: Lexicon(words[language], stems[language]) for language in head[1:]}


def forms(cell: str) -> Iterator[tuple[str, bool]]:
    """The folded forms of a cell, and whether each is the beginning of words."""
    for form in filter(None, (form.strip() for form in cell.split(","))):
        (folded,) = tokens(form.removesuffix(_STEM))
        yield folded, form.endswith(_STEM)


def cells(line: str) -> list[str]:
    """A line of a table."""
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
        shared = word if word in _english_words() else _cognate(word)
        return (shared,) if shared else ()
    english, covered = found
    return (english, *_rest(word[covered:], lexicon)) if language in COMPOUNDING else (english,)


@cache
def _shared_words() -> frozenset[str]:
    """English words that are long enough to be known again in another language."""
    words = [word for table in _ENGLISH_TABLES for word in tokens(read_text(table))]
    return frozenset(word for word in (*words, *_english_words()) if len(word) >= _LEAST_COGNATE)


def _cognate(word: str) -> str:
    """The English word that a word of another language is written nearly like ("insulina"); empty without one."""
    if word in _shared_words():
        return word
    for size in range(min(len(word) - _LEAST_STEM, max(map(len, _ENDINGS))), 0, -1):
        for ending in _ENDINGS.get(word[-size:], ()):
            if (candidate := word[:-size] + ending) in _shared_words():
                return candidate
    return ""


def _rest(letters: str, lexicon: Lexicon[str]) -> Iterator[str]:
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


def plainly(text: str) -> str:
    """An English text in the words that glosses are made of, so that what is learned from it holds for glosses."""
    return " ".join(filter(None, (_plain_word(word) for word in tokens(text)))) or text


@lru_cache(maxsize=_WORDS_KEPT)
def _plain_word(word: str) -> str:
    """The word of a gloss that an English word is a form of; empty where there is none."""
    tried = (word, word.rstrip("s"), word.removesuffix("ed"), word.removesuffix("d"), word.removesuffix("ing"))
    return next((form for form in tried if form in _english_words()), "")
