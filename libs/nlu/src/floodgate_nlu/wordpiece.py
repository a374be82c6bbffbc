"""BERT's uncased WordPiece tokenizer: a text as the numbers of the vocabulary's word pieces."""

import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import Final

_UNKNOWN: Final = "[UNK]"
_FIRST: Final = "[CLS]"
_LAST: Final = "[SEP]"
_MAX_WORD_CHARS: Final = 100
_WORDS_KEPT: Final = 20_000
_CJK: Final = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2FA1F))


class WordPiece:
    """Greedy longest match first; the pieces of frequent words are kept."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self._numbers = {piece: number for number, piece in enumerate(vocabulary)}
        self._first = self._numbers[_FIRST]
        self._last = self._numbers[_LAST]
        self._unknown = self._numbers[_UNKNOWN]
        self._pieces = lru_cache(maxsize=_WORDS_KEPT)(self._split)

    def encode(self, text: str, max_pieces: int) -> list[int]:
        """The pieces of a text between the two marks, cut to `max_pieces` in all."""
        pieces = (piece for word in _words(text) for piece in self._pieces(word))
        return [self._first, *islice(pieces, max_pieces - 2), self._last]

    def _split(self, word: str) -> tuple[int, ...]:
        if len(word) > _MAX_WORD_CHARS:
            return (self._unknown,)
        found: list[int] = []
        start = 0
        while start < len(word):
            end = self._longest(word, start)
            if end is None:
                return (self._unknown,)
            found.append(self._numbers[_piece(word, start, end)])
            start = end
        return tuple(found)

    def _longest(self, word: str, start: int) -> int | None:
        for end in range(len(word), start, -1):
            if _piece(word, start, end) in self._numbers:
                return end
        return None


def _piece(word: str, start: int, end: int) -> str:
    return word[start:end] if start == 0 else f"##{word[start:end]}"


def _words(text: str) -> Iterator[str]:
    """Lower-case words without accents; punctuation and ideographs stand alone."""
    decomposed = text.lower() if text.isascii() else unicodedata.normalize("NFD", text.lower())
    word: list[str] = []
    for char in decomposed:
        if char.isalnum() and not (char > "\u2fff" and _is_cjk(char)):
            word.append(char)
            continue
        category = "Zs" if char in " \t\n\r" else unicodedata.category(char)
        if category == "Mn" or (category in {"Cc", "Cf", "Co", "Cn", "Cs"} and char not in "\t\n\r"):
            continue
        alone = category.startswith("P") or _is_cjk(char) or (char.isascii() and not char.isspace())
        if not alone and category != "Zs":
            word.append(char)
            continue
        if word:
            yield "".join(word)
            word = []
        if alone:
            yield char
    if word:
        yield "".join(word)


def _is_cjk(char: str) -> bool:
    return any(first <= ord(char) <= last for first, last in _CJK)
