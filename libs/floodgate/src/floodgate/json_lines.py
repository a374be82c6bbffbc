"""JSON Lines files of people: a bad line is one sentence that names file, line and remedy."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from keyflow.errors import FatalError


def json_objects(paths: Sequence[Path], shape: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of JSON Lines files, each with its place (file and line).

    Args:
        paths: The files; blank lines are left out.
        shape: What a row looks like, for whoever has to mend one.

    Raises:
        FatalError: A file cannot be read, or a line is no object: file, line, what, and the remedy.
    """
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise FatalError(f"{path}: {error.strerror}; name a JSON Lines file") from error
        except UnicodeDecodeError as error:
            raise FatalError(f"{path}: is not UTF-8; save it as UTF-8") from error
        # Only line feeds end a row: U+2028 and the like may stand inside a text.
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                yield f"{path}:{number}", _object(f"{path}:{number}", line, shape)


def _object(place: str, line: str, shape: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise FatalError(f"{place}: is not JSON ({error}); write one object per line: {shape}") from error
    if not isinstance(value, dict):
        raise FatalError(f"{place}: is not an object; write {shape}")
    return value
