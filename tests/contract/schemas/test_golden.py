"""Bytes of every published version stay decodable with today's schemas."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import fastavro
import pytest
from floodgate.events.golden import golden_text
from floodgate.events.topics import model, schema

SCHEMAS = Path(__file__).parents[3] / "schemas"
PUBLISHED = sorted((SCHEMAS / "history").glob("*.json"), key=lambda path: path.name)


def test_there_is_a_golden_file_for_every_published_version() -> None:
    assert PUBLISHED
    golden = {path.stem for path in (SCHEMAS / "golden").glob("*.txt")}
    assert golden == {path.stem for path in PUBLISHED}


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.stem)
def test_golden_bytes_decode_into_todays_model(path: Path) -> None:
    record = path.stem.partition(".v")[0]
    writer = fastavro.parse_schema(json.loads(path.read_text(encoding="utf-8")))
    data = base64.b64decode((SCHEMAS / "golden" / f"{path.stem}.txt").read_text(encoding="utf-8"))
    fields = fastavro.schemaless_reader(io.BytesIO(data), writer, fastavro.parse_schema(schema(record)))
    decoded = model(record).model_validate(fields)
    assert set(type(decoded).model_fields) == set(fields)


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.stem)
def test_golden_bytes_are_what_the_published_schema_writes(path: Path) -> None:
    text = (SCHEMAS / "golden" / f"{path.stem}.txt").read_text(encoding="utf-8").strip()
    assert text == golden_text(json.loads(path.read_text(encoding="utf-8")))
