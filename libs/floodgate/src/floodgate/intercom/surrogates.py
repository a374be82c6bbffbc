"""Half of a surrogate pair (an emoji that was cut) is valid in JSON and no text: it cannot be written as UTF-8."""

from __future__ import annotations

import json
import re
from typing import Final

_ESCAPE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_LONE: Final = re.compile("[\ud800-\udfff]")


def without_lone_surrogates(document: bytes) -> bytes:
    """The same JSON with the replacement character for each half; what is not JSON comes back as it is."""
    if not _ESCAPE.search(document):
        return document
    try:
        parsed = json.loads(document)
    except ValueError:
        return document
    return _LONE.sub("\ufffd", json.dumps(parsed, ensure_ascii=False)).encode()
