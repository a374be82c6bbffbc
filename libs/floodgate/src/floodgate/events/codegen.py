"""Generates the pydantic models of `floodgate.events` from the Avro schemas in `schemas/`.

The `.avsc` files are the single source of truth. `generated.py` and `contract.json` beside this file are
written from them (`floodgate schemas generate`); a test fails when they differ from what this would write.
"""

from __future__ import annotations

import json
import keyword
import re
from pathlib import Path
from typing import Any, Final

import fastavro
import yaml

NAMESPACE: Final = "floodgate.support"

_PRIMITIVES: Final = {
    "string": "str",
    "long": "int",
    "int": "int",
    "double": "float",
    "boolean": "bool",
    "bytes": "bytes",
}
_LOGICAL: Final = {"uuid": "UUID", "timestamp-millis": "AwareDatetime"}

_HEADER: Final = '''"""Written by `floodgate schemas generate` from the Avro files in schemas/. Do not edit."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class AvroModel(BaseModel):
    """An immutable record; unknown members are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")
'''


def load_schemas(directory: Path) -> dict[str, dict[str, Any]]:
    """Reads every `.avsc` of a directory, by record name.

    Raises:
        ValueError: A file is not JSON, or its record is not named like the file.
    """
    schemas: dict[str, dict[str, Any]] = {}
    for path in sorted(directory.glob("*.avsc")):
        try:
            schema = json.loads(path.read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            raise ValueError(f"{path.name}: not JSON ({error})") from error
        if schema.get("name") != path.stem:
            raise ValueError(f"{path.name}: holds the record {schema.get('name')!r}; name file and record alike")
        schemas[path.stem] = schema
    return schemas


def expand(name: str, schemas: dict[str, dict[str, Any]], *, seen: set[str] | None = None) -> dict[str, Any]:
    """Replaces the first mention of every other record by its definition, so that the schema stands alone.

    Documentation is left out: the registry compares what decides the bytes.
    """
    seen = set() if seen is None else seen
    seen.add(name)
    schema = schemas[name]
    fields = [_expand_field(field, schemas, seen) for field in schema["fields"]]
    return {"type": "record", "name": name, "namespace": NAMESPACE, "fields": fields}


def _expand_field(field: dict[str, Any], schemas: dict[str, dict[str, Any]], seen: set[str]) -> dict[str, Any]:
    result = {"name": field["name"], "type": _expand_type(field["type"], schemas, seen)}
    if "default" in field:
        result["default"] = field["default"]
    return result


def _expand_type(type_: Any, schemas: dict[str, dict[str, Any]], seen: set[str]) -> Any:
    if isinstance(type_, list):
        return [_expand_type(branch, schemas, seen) for branch in type_]
    if isinstance(type_, str) and type_.startswith(NAMESPACE + "."):
        name = type_.removeprefix(NAMESPACE + ".")
        return type_ if name in seen else expand(name, schemas, seen=seen)
    if isinstance(type_, dict):
        kept = {key: value for key, value in type_.items() if key != "doc"}
        for part in ("items", "values"):
            if part in kept:
                kept[part] = _expand_type(kept[part], schemas, seen)
        return kept
    return type_


def write_contract(schema_dir: Path) -> str:
    """The expanded schemas and the topics as one JSON text, shipped with the package."""
    schemas = load_schemas(schema_dir)
    topics = yaml.safe_load((schema_dir / "topics.yaml").read_text(encoding="utf-8"))
    expanded = {name: expand(name, schemas) for name in schemas}
    for schema in expanded.values():
        fastavro.parse_schema(schema, _write_hint=False)
    return json.dumps({"topics": topics, "schemas": expanded}, indent=1, ensure_ascii=False) + "\n"


def write_models(schema_dir: Path) -> str:
    """The source of `generated.py`, records after those that they mention."""
    schemas = load_schemas(schema_dir)
    enums: dict[str, str] = {}
    classes: dict[str, str] = {}
    pending = sorted(schemas)
    while pending:
        ready = [name for name in pending if _mentions(schemas[name]) <= set(classes)]
        if not ready:
            raise ValueError(f"schemas mention each other in a circle: {', '.join(pending)}")
        for name in ready:
            classes[name] = _class(schemas[name], enums)
        pending = [name for name in pending if name not in classes]
    names = ", ".join(f'"{name}"' for name in sorted([*classes, *enums, "AvroModel"]))
    return "\n\n".join([_HEADER, *enums.values(), *classes.values()]) + f"\n\n__all__ = [{names}]\n"


def _mentions(schema: dict[str, Any]) -> set[str]:
    return set(re.findall(rf'"{re.escape(NAMESPACE)}\.(\w+)"', json.dumps(schema["fields"])))


def _class(schema: dict[str, Any], enums: dict[str, str]) -> str:
    lines = [f"class {schema['name']}(AvroModel):", f'    """{schema["doc"]}"""', ""]
    for field in schema["fields"]:
        annotation = _annotation(field["type"], enums)
        default = _default(field, annotation)
        lines.append(f"    {field['name']}: {annotation} = Field({default}description={field['doc']!r})")
    return "\n".join(lines) + "\n"


def _annotation(type_: Any, enums: dict[str, str]) -> str:
    if isinstance(type_, list):
        others = [_annotation(branch, enums) for branch in type_ if branch != "null"]
        return " | ".join([*others, "None"])
    if isinstance(type_, str):
        return _PRIMITIVES.get(type_, type_.removeprefix(NAMESPACE + "."))
    if "logicalType" in type_:
        return _LOGICAL[type_["logicalType"]]
    if type_["type"] == "array":
        return f"tuple[{_annotation(type_['items'], enums)}, ...]"
    if type_["type"] == "map":
        return f"dict[str, {_annotation(type_['values'], enums)}]"
    if type_["type"] == "enum":
        enums[type_["name"]] = _enum(type_)
        return str(type_["name"])
    raise ValueError(f"no model for the Avro type {type_!r}")


def _enum(type_: dict[str, Any]) -> str:
    lines = [f"class {type_['name']}(StrEnum):", f'    """{type_["doc"]}"""', ""]
    for symbol in type_["symbols"]:
        name = symbol.upper()
        lines.append(f"    {name + '_' if keyword.iskeyword(name) else name} = {symbol!r}")
    return "\n".join(lines) + "\n"


def _default(field: dict[str, Any], annotation: str) -> str:
    if "default" not in field:
        return ""
    value = field["default"]
    if value == []:
        return "default=(), "
    if value == {}:
        factory = "dict" if annotation.startswith("dict") else annotation
        return f"default_factory={factory}, "
    return f"default={value!r}, "
