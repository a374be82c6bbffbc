r"""Token counts without the models' own tokenizers, which are not published.

The approximation walks the text the way a byte-pair tokenizer splits it and charges each piece by the average
that such vocabularies reach:

| piece | tokens |
|---|---|
| run of ASCII letters (with the blank before it) | one per 6 letters, rounded up |
| run of other alphabetic letters, accents included | one per 4 letters, rounded up |
| ideographs, kana, hangul | one each |
| run of digits | one per 3 digits, rounded up |
| run of punctuation | one per 2 characters, rounded up |
| line breaks and other runs of white space | one per run (a single blank is part of the next word) |

English prose comes out near 4 characters a token, the rule of thumb that the vendors give. The counts are
deterministic, and additive over the parts of a request.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

MESSAGE_OVERHEAD_TOKENS: Final = 4
TOOL_OVERHEAD_TOKENS: Final = 12

_PIECES: Final = re.compile(
    r" ?(?P<ascii>[A-Za-z]+)(?![^\W\d_])"
    r"|(?P<wide>[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af])"
    r"| ?(?P<letters>[^\W\d_]+)"
    r"| ?(?P<digits>\d+)"
    r"|(?P<space>\s+)"
    r"| ?(?P<other>(?:[^\w\s]|_)+)"
)
_CHARACTERS_PER_TOKEN: Final = {"ascii": 6, "wide": 1, "letters": 4, "digits": 3, "other": 2}


@lru_cache(maxsize=4_096)
def count_tokens(text: str) -> int:
    """The approximate number of tokens in a text."""
    total = 0
    for piece in _PIECES.finditer(text):
        kind = piece.lastgroup or "other"
        if kind == "space":
            total += piece.group() != " "
        else:
            total += -(-len(piece[kind]) // _CHARACTERS_PER_TOKEN[kind])
    return total


def truncate_to_tokens(text: str, limit: int) -> str:
    """The longest prefix of whole pieces that is at most `limit` tokens."""
    total, end = 0, 0
    for piece in _PIECES.finditer(text):
        total += count_tokens(piece.group())
        if total > limit:
            return text[:end]
        end = piece.end()
    return text
