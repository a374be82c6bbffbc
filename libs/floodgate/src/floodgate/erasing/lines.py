"""Lines and rows that name a person, taken out of documents: JSON Lines, packed or not, and Parquet."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable, Iterator
from typing import Any, Final

from keyflow.errors import FatalError

from floodgate.erasing.planning import Sought

Names = Callable[[bytes, Sought], bool]
"""Whether a line, or a row as JSON, names the person."""

_GZIP: Final = b"\x1f\x8b"
_PARQUET: Final = b"PAR1"


def by_id(line: bytes, sought: Sought) -> bool:
    """An id or a given word stands in it."""
    return sought.needles.within(line)


def named(data: bytes, sought: Sought, names: Names) -> Iterator[int]:
    """The numbers, from 1, of the lines or rows that name the person.

    Raises:
        FatalError: It is damaged, or Parquet cannot be read here.
    """
    return (number for number, line in enumerate(_lines(data), 1) if names(line, sought))


def without(data: bytes, sought: Sought, names: Names) -> bytes:
    """The document without them; lines that stay are the same bytes, and packed as before.

    Raises:
        FatalError: As for `named`.
    """
    if data.startswith(_PARQUET):
        return _without_rows(data, sought, names)
    kept = b"".join(line for line in _lines(data) if not names(line, sought))
    return gzip.compress(kept, mtime=0) if data.startswith(_GZIP) else kept


def is_empty(data: bytes) -> bool:
    """Whether it has no line or row."""
    return not any(line.strip() for line in _lines(data))


def _lines(data: bytes) -> list[bytes]:
    if data.startswith(_PARQUET):
        rows = _table(data).to_pylist()
        return [json.dumps(row, default=str, ensure_ascii=False).encode() for row in rows]
    try:
        return (gzip.decompress(data) if data.startswith(_GZIP) else data).splitlines(keepends=True)
    except (OSError, EOFError) as error:
        raise FatalError("damaged gzip data: nobody can say whom they name; remove them") from error


def _without_rows(data: bytes, sought: Sought, names: Names) -> bytes:
    table = _table(data)
    kept = [not names(line, sought) for line in _lines(data)]
    out = io.BytesIO()
    _parquet().write_table(table.filter(kept), out)
    return out.getvalue()


def _table(data: bytes) -> Any:
    return _parquet().ParquetFile(io.BytesIO(data)).read()


def _parquet() -> Any:
    # Only whoever keeps features has it: 100 MB that no other image needs.
    try:
        import pyarrow.parquet  # noqa: PLC0415
    except ImportError as error:
        raise FatalError("Parquet cannot be read here: run this where the summarizer is installed") from error
    return pyarrow.parquet
