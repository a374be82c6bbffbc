"""Published versions of the schemas: each is kept with golden bytes that must stay decodable for ever."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import fastavro

from floodgate.events.codegen import expand, load_schemas


def versions(directory: Path, record: str) -> list[Path]:
    """The published schema files of a record, oldest first."""
    found = (directory / "history").glob(f"{record}.v*.json")
    return sorted(found, key=lambda path: int(path.stem.rpartition(".v")[2]))


def unpublished(directory: Path) -> list[str]:
    """Records whose schema differs from its newest published version."""
    schemas = load_schemas(directory)
    return [name for name in schemas if not _is_published(directory, name, expand(name, schemas))]


def _is_published(directory: Path, record: str, schema: dict[str, Any]) -> bool:
    known = versions(directory, record)
    return bool(known) and json.loads(known[-1].read_text(encoding="utf-8")) == schema


def publish(directory: Path) -> list[str]:
    """Writes a new version of every changed record, with golden bytes; the names written."""
    schemas = load_schemas(directory)
    written: list[str] = []
    for name in unpublished(directory):
        schema = expand(name, schemas)
        number = len(versions(directory, name)) + 1
        base = f"{name}.v{number}"
        (directory / "history").mkdir(exist_ok=True)
        (directory / "golden").mkdir(exist_ok=True)
        (directory / "history" / f"{base}.json").write_text(json.dumps(schema, indent=1) + "\n", encoding="utf-8")
        (directory / "golden" / f"{base}.txt").write_text(golden_text(schema) + "\n", encoding="utf-8")
        written.append(base)
    return written


def golden_text(schema: dict[str, Any]) -> str:
    """Base64 of one record in which every field is set to something that is not its default."""
    parsed = fastavro.parse_schema(schema)
    out = io.BytesIO()
    fastavro.schemaless_writer(out, parsed, sample(schema, {}))
    return base64.b64encode(out.getvalue()).decode()


def sample(type_: Any, named: dict[str, Any]) -> Any:
    """A value of an Avro type, the same each time; unions take their last branch, which is not null."""
    if isinstance(type_, list):
        return sample(type_[-1], named)
    if isinstance(type_, str):
        return sample(named[type_], named) if type_ in named else _PRIMITIVE[type_]
    if type_["type"] == "record":
        named[f"{type_.get('namespace', 'floodgate.support')}.{type_['name']}"] = type_
        return {field["name"]: sample(field["type"], named) for field in type_["fields"]}
    return _sample_of(type_, named)


def _sample_of(type_: dict[str, Any], named: dict[str, Any]) -> Any:
    match type_:
        case {"type": "enum"}:
            return type_["symbols"][0]
        case {"type": "array"}:
            return [sample(type_["items"], named)]
        case {"type": "map"}:
            return {"key": sample(type_["values"], named)}
        case {"logicalType": "uuid"}:
            return "00000000-0000-5000-8000-000000000001"
        case _:
            return _PRIMITIVE[type_["type"]]


_PRIMITIVE: dict[str, Any] = {
    "string": "text – ż",
    "long": 1_795_000_000_000,
    "int": 7,
    "double": 0.25,
    "boolean": True,
    "bytes": b"\x00\xff",
}
