"""Small readings of JSON schemas, and fitting a value into one."""

from collections.abc import Mapping, Sequence
from typing import Any

from floodgate_nlu.text import clip

Schema = Mapping[str, Any]


def properties(schema: Schema) -> dict[str, Schema]:
    """The properties of an object schema."""
    found = schema.get("properties")
    return {str(name): spec for name, spec in found.items()} if isinstance(found, Mapping) else {}


def resolve(spec: Schema, root: Schema) -> Schema:
    """Follow a local `$ref` and unwrap `anyOf`/`oneOf` with null and single `allOf`."""
    for _ in range(8):
        reference = spec.get("$ref")
        if isinstance(reference, str) and reference.startswith("#/"):
            target: Any = root
            for key in reference[2:].split("/"):
                target = target.get(key, {}) if isinstance(target, Mapping) else {}
            spec = target
            continue
        options = spec.get("anyOf") or spec.get("oneOf") or spec.get("allOf")
        if not isinstance(options, Sequence) or isinstance(options, str):
            break
        real = [option for option in options if option.get("type") != "null"]
        if not real:
            break
        spec = {**{k: v for k, v in spec.items() if k not in {"anyOf", "oneOf", "allOf"}}, **real[0]}
    return spec


def enum_values(spec: Schema) -> list[Any]:
    """The closed set of a property (of its items, for an array); empty when open."""
    if "const" in spec:
        return [spec["const"]]
    values = spec.get("enum")
    if isinstance(values, Sequence) and not isinstance(values, str):
        return list(values)
    items = spec.get("items")
    return enum_values(items) if isinstance(items, Mapping) else []


def type_of(spec: Schema) -> str:
    """The JSON type that a property asks for; the first that is not null where several are allowed."""
    declared = spec.get("type")
    if isinstance(declared, str):
        return declared
    if isinstance(declared, Sequence):
        return next((str(name) for name in declared if name != "null"), "null")
    values = [value for value in enum_values(spec) if value is not None]
    if values and isinstance(values[0], bool):
        return "boolean"
    if values and isinstance(values[0], int | float):
        return "number"
    return "object" if "properties" in spec else "array" if "items" in spec else "string"


def allows_null(spec: Schema) -> bool:
    """Whether null is a valid value."""
    declared = spec.get("type")
    if declared == "null" or (isinstance(declared, Sequence) and not isinstance(declared, str) and "null" in declared):
        return True
    if spec.get("nullable") is True or None in (spec.get("enum") or ()):
        return True
    return any(option.get("type") == "null" for key in ("anyOf", "oneOf") for option in spec.get(key) or ())


def fit_string(value: str, spec: Schema) -> str:
    """The text within `maxLength`, no word cut."""
    limit = spec.get("maxLength")
    return clip(value, int(limit)) if isinstance(limit, int) else value


def fit_number(value: float, spec: Schema) -> float | int:
    """The number within its bounds; whole where the schema says integer."""
    low, high = spec.get("minimum"), spec.get("maximum")
    if isinstance(low, int | float):
        value = max(value, float(low))
    if isinstance(high, int | float):
        value = min(value, float(high))
    # Four digits that count: two small probabilities stay apart, which a figure at one per cent needs.
    return round(value) if type_of(spec) == "integer" else float(f"{value:.4g}")


def fit_list(values: Sequence[Any], spec: Schema) -> list[Any]:
    """The list within `maxItems`, its items within their own schema's lengths."""
    items = spec.get("items")
    limit = spec.get("maxItems")
    bounded = list(values)[: int(limit)] if isinstance(limit, int) else list(values)
    if isinstance(items, Mapping):
        return [fit_string(value, items) if isinstance(value, str) else value for value in bounded]
    return bounded


def choose(preferred: Sequence[str], spec: Schema) -> str | None:
    """The first preferred value that the closed set has; an open property takes the first preference.

    Where the closed set has none of them, a value that says "nothing" is taken, then null, then the first value.
    """
    values = enum_values(spec)
    if not values:
        return preferred[0] if preferred else None
    for value in preferred:
        if value in values:
            return value
    for value in ("none", "other", "unknown", "general", "neutral"):
        if value in values:
            return value
    if None in values or allows_null(spec):
        return None
    return str(values[0])
