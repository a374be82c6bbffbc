"""The records of the benchmark: Avro behind a header of five bytes, for every contender the same code."""

from __future__ import annotations

from io import BytesIO
from typing import Any, Final

import fastavro

SCHEMA: Final = {
    "type": "record",
    "name": "BenchRecord",
    "fields": [
        {"name": "number", "type": "long"},
        {"name": "sent_at", "type": "double"},
        {"name": "key", "type": "string"},
        {"name": "latency_seconds", "type": "double"},
        {"name": "text", "type": "string"},
    ],
}
_PARSED: Final = fastavro.parse_schema(SCHEMA)
_HEADER: Final = b"\0\0\0\0\1"


def encode(value: dict[str, Any]) -> bytes:
    """A record to bytes."""
    buffer = BytesIO()
    buffer.write(_HEADER)
    fastavro.schemaless_writer(buffer, _PARSED, value)
    return buffer.getvalue()


def decode(data: bytes) -> Any:
    """The reverse."""
    stream = BytesIO(data)
    stream.seek(len(_HEADER))
    return fastavro.schemaless_reader(stream, _PARSED, None)
