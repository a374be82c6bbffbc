"""JSON from outside, in a form that can be written as UTF-8 again."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from ingest.domain.errors import document_error

_SURROGATE_ESCAPE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_LONE_SURROGATES: Final = re.compile("[\ud800-\udfff]")


def load_json(data: bytes | str) -> Any:
    """A JSON document; half of a surrogate pair (a cut emoji) becomes the replacement character.

    Raises:
        DocumentError: Not UTF-8, not JSON, or nested too deeply.
    """
    try:
        text = data.decode("utf-8-sig") if isinstance(data, bytes) else data
        document = json.loads(text)
        if _SURROGATE_ESCAPE.search(text):
            written = json.dumps(document, ensure_ascii=False)
            document = json.loads(_LONE_SURROGATES.sub("\ufffd", written))
    except UnicodeDecodeError as error:
        raise document_error("document", f"not UTF-8 at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise document_error("document", f"not JSON: {error.msg} at character {error.pos}") from error
    except (ValueError, RecursionError) as error:
        raise document_error("document", f"not JSON that can be read ({type(error).__name__})") from error
    return document
