"""Half of a surrogate pair (an emoji that was cut) is valid in JSON and no text: it cannot be written as UTF-8."""

from __future__ import annotations

import json
import re
from typing import Any, Final

_ESCAPE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_LONE: Final = re.compile("[\ud800-\udfff]")


def load_text(text: str) -> Any:
    """A JSON document with the replacement character for each half.

    Raises:
        ValueError: Not JSON.
        RecursionError: Nested too deeply.
    """
    document = json.loads(text)
    if not _ESCAPE.search(text):
        return document
    return json.loads(_LONE.sub("\ufffd", json.dumps(document, ensure_ascii=False)))


def without_lone_surrogates(data: bytes) -> bytes:
    """The same JSON with the replacement character for each half; what is not JSON comes back as it is."""
    if b"\\u" not in data:
        return data
    try:
        return json.dumps(load_text(data.decode())).encode()
    except ValueError:
        return data
