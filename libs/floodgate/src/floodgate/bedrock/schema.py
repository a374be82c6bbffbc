"""A pydantic model as the JSON schema of a tool, in the form that every model on Bedrock takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel

_DEFINITIONS: Final = "#/$defs/"
# Nova takes nothing else at the top level of a tool's schema.
_TOP_LEVEL_KEYS: Final = ("type", "properties", "required")


def tool_schema(output: type[BaseModel]) -> dict[str, Any]:
    """The schema with references put in place and titles dropped (they repeat names and cost tokens).

    Raises:
        ValueError: When the model refers to itself, which an inlined schema cannot express.
    """
    schema = output.model_json_schema()
    inlined = _inline(schema, schema.get("$defs", {}), ())
    return {key: inlined[key] for key in _TOP_LEVEL_KEYS if key in inlined}


def _inline(node: Any, definitions: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    if isinstance(node, list):
        return [_inline(item, definitions, path) for item in node]
    if not isinstance(node, dict):
        return node
    reference = node.get("$ref")
    if isinstance(reference, str):
        name = reference.removeprefix(_DEFINITIONS)
        if name in path:
            raise ValueError(f"the output model refers to itself through {name}")
        beside = {key: value for key, value in node.items() if key != "$ref"}
        return _inline({**definitions[name], **beside}, definitions, (*path, name))
    return {
        key: _inline_properties(value, definitions, path) if key == "properties" else _inline(value, definitions, path)
        for key, value in node.items()
        if key not in {"$defs", "title"}
    }


def _inline_properties(
    properties: Mapping[str, Any], definitions: Mapping[str, Any], path: tuple[str, ...]
) -> dict[str, Any]:
    # The keys here are the model's own field names, "title" among them perhaps.
    return {name: _inline(value, definitions, path) for name, value in properties.items()}
