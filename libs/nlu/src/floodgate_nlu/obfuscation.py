"""What a text says when its disguise is taken off: encoded, reversed, spaced out or written with look-alikes.

Costs nothing for ordinary text: each disguise is looked for by a sign before it is undone.
"""

import base64
import codecs
import re
import unicodedata
from collections.abc import Callable, Iterable
from typing import Final

from floodgate_nlu.language import function_words
from floodgate_nlu.text import tokens

_BASE64: Final = re.compile(r"(?<![\w+/])[A-Za-z0-9+/]{24,}={0,2}(?![\w+/])")
_HEX: Final = re.compile(r"(?<!\w)(?:0x)?((?:[0-9a-fA-F]{2}[ :]?){12,})(?!\w)")
_SPACED: Final = re.compile(r"(?<!\w)[^\W\d_](?:[ .\-_*]{1,4}[^\W\d_](?!\w)){8,}")
_LEET_WORD: Final = re.compile(r"(?<!\w)(?=\w*[a-zA-Z])(?=\w*[013457@$])[\w@$]{4,}(?!\w)")
_LEET: Final = str.maketrans("013457@$", "oieastas")
# Greek and Cyrillic letters that look like Latin ones.
_LOOK_ALIKES: Final = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0445\u0443\u0456\u0455\u0458\u04bb\u0501\u03bf\u03b1\u03b5\u03b9\u03ba\u03bd\u03c1\u03c4\u03c5\u03c7"
    "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0425\u0406\u0405\u0408",
    "aeopcxyisjhdoaeikvptuxABEKMHOPCTXISJ",
)
_MIXED_WORD: Final = re.compile(r"(?=\w*[A-Za-z])\w*[\u0370-\u03ff\u0400-\u052f]\w*")
_GAPS_IN_HEX: Final = re.compile(r"[ :]")
_GAP_AFTER_LETTER: Final = re.compile(r"(\w)[ .\-_*](?=\w|[ .\-_*])")
_FEWEST_WORDS: Final = 6
_FEWEST_DECODED_WORDS: Final = 2
_KNOWN_SHARE: Final = 0.25
_LEET_WORDS: Final = 2


def encoded(text: str) -> list[str]:
    """The readable texts that are encoded in a text or written backwards; nobody complains like that."""
    return [*_decoded(text), *_rotated_or_reversed(text)]


def disguised(text: str) -> list[str]:
    """A text written with gaps or look-alikes, in plain letters."""
    found = [*_spaced_out(text), *_look_alikes(text)]
    return [plain for plain in dict.fromkeys(found) if plain != text]


def _decoded(text: str) -> Iterable[str]:
    """Base64 and hexadecimal runs, where words come out."""
    for match in _BASE64.finditer(text):
        run = match.group().rstrip("=")
        yield from _words_of(run + "=" * (-len(run) % 4), base64.b64decode)
    for match in _HEX.finditer(text):
        yield from _words_of(_GAPS_IN_HEX.sub("", match.group(1)), bytes.fromhex)


def _words_of(run: str, decode: Callable[[str], bytes]) -> Iterable[str]:
    try:
        found = decode(run).decode("utf-8")
    except ValueError:
        return
    if len(tokens(found)) >= _FEWEST_DECODED_WORDS and found.isprintable():
        yield found


def _rotated_or_reversed(text: str) -> Iterable[str]:
    """ROT13 and reversed writing, where that gives more of the words every text has."""
    words = tokens(text)
    if len(words) < _FEWEST_WORDS or _known(words) >= _KNOWN_SHARE:
        return
    for candidate in (codecs.encode(text, "rot13"), text[::-1]):
        if _known(tokens(candidate)) > max(_KNOWN_SHARE, _known(words)):
            yield candidate


def _known(words: list[str]) -> float:
    """The share of function words of three letters or more; shorter ones turn up by chance."""
    known = function_words()
    return sum(word in known and len(word) > 2 for word in words) / len(words) if words else 0.0


def _spaced_out(text: str) -> Iterable[str]:
    """Letters with a space or a mark after each: joined, words apart where the gap is wider."""
    if _SPACED.search(text):
        yield _SPACED.sub(lambda match: _GAP_AFTER_LETTER.sub(r"\1", match.group()), text)


def _look_alikes(text: str) -> Iterable[str]:
    """Digits and foreign letters in place of Latin ones, and letters of mathematics or full width."""
    if not text.isascii() and (_MIXED_WORD.search(text) or unicodedata.normalize("NFKC", text) != text):
        yield unicodedata.normalize("NFKC", text).translate(_LOOK_ALIKES)
    if len(_LEET_WORD.findall(text)) >= _LEET_WORDS:
        yield _LEET_WORD.sub(lambda match: match.group().translate(_LEET), text)
