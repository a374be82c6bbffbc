"""JSON from outside, in a form that can be written as UTF-8 again."""

from __future__ import annotations

import json
from typing import Any

from floodgate.surrogates import load_text

from ingest.domain.errors import document_error


def load_json(data: bytes | str) -> Any:
    """A JSON document; half of a surrogate pair (a cut emoji) becomes the replacement character.

    Raises:
        DocumentError: Not UTF-8, not JSON, or nested too deeply.
    """
    try:
        text = data.decode("utf-8-sig") if isinstance(data, bytes) else data
        document = load_text(text)
    except UnicodeDecodeError as error:
        raise document_error("document", f"not UTF-8 at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise document_error("document", f"not JSON: {error.msg} at character {error.pos}") from error
    except (ValueError, RecursionError) as error:
        raise document_error("document", f"not JSON that can be read ({type(error).__name__})") from error
    return document
