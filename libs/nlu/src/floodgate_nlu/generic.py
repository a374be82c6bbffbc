"""Fills any tool's schema from a text: closed sets by similarity, numbers and dates as found, texts extracted."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from floodgate_nlu import schema
from floodgate_nlu.embedding import embed
from floodgate_nlu.language import identify
from floodgate_nlu.sentiment import sentiment_of
from floodgate_nlu.slot_values import find_amount, find_date, find_email, find_reference, find_yes_no
from floodgate_nlu.text import clip, sentences, tokens
from floodgate_nlu.types import ModelCall, ToolSpec
from floodgate_nlu.urgency import default_rules

_SIZE: Final = 256
_TEXT_CHARS: Final = 400
_MIN_SIMILARITY: Final = 0.12
_TAG: Final = re.compile(r"</?[A-Za-z_][^<>]*>")
_NAMED: Final = frozenset({"positive", "neutral", "negative"})


def fill_tool(call: ModelCall, tool: ToolSpec) -> dict[str, Any]:
    """An input for the tool that its schema accepts, from what the user turns say."""
    text = " ".join(message.text for message in call.messages if message.role == "user")
    return _fill_object(tool.schema, tool.schema, _TAG.sub(" ", text))


def _fill_object(spec: schema.Schema, root: schema.Schema, text: str) -> dict[str, Any]:
    required = set(spec.get("required") or ())
    filled: dict[str, Any] = {}
    for name, raw in schema.properties(spec).items():
        value = fill_property(name, schema.resolve(raw, root), text, root=root)
        if value is not None or (name in required and schema.allows_null(raw)):
            filled[name] = value
        elif name in required:
            filled[name] = _empty(schema.resolve(raw, root))
    return filled


def fill_property(name: str, spec: schema.Schema, text: str, *, root: schema.Schema | None = None) -> Any:
    """One value for one property; None when the text says nothing about it and null or absence is allowed."""
    kind = schema.type_of(spec)
    if kind == "object":
        return _fill_object(spec, root or spec, text)
    if kind == "array":
        return _fill_array(spec, text)
    closed = schema.enum_values(spec)
    if closed:
        return _pick(name, closed, str(spec.get("description", "")), text)
    if kind == "boolean":
        return bool(find_yes_no(text))
    if kind in {"number", "integer"}:
        return _number(name, spec, text)
    return _string(name, spec, text)


def _empty(spec: schema.Schema) -> Any:
    kind = schema.type_of(spec)
    if kind in {"number", "integer"}:
        return schema.fit_number(0.0, spec)
    return {"boolean": False, "array": [], "object": {}}.get(kind, "")


def _fill_array(spec: schema.Schema, text: str) -> list[Any]:
    closed = schema.enum_values(spec)
    if closed:
        near = [value for value in closed if _similarity(str(value).replace("_", " "), text) > _MIN_SIMILARITY]
        return schema.fit_list(near, spec)
    least = spec.get("minItems")
    quotes = sentences(text)[: max(int(least) if isinstance(least, int) else 0, 1)]
    items = spec.get("items")
    return schema.fit_list(quotes, spec) if not isinstance(items, Mapping) or schema.type_of(items) == "string" else []


def _pick(name: str, closed: Sequence[Any], description: str, text: str) -> Any:
    if set(closed) >= _NAMED:
        return sentiment_of(text, identify(text)).label
    if "lang" in name.lower():
        found = identify(text)
        if found in closed:
            return found
    scored = [(_similarity(f"{str(value).replace('_', ' ')}", text), -i) for i, value in enumerate(closed)]
    best, position = max(scored)
    if best < _MIN_SIMILARITY:
        for fallback in ("none", "other", "unknown"):
            if fallback in closed:
                return fallback
    return closed[-position]


def _similarity(label: str, text: str) -> float:
    """Cosine of label and text, plus the share of the label's word beginnings that the text has."""
    if not tokens(label):
        return 0.0
    cosine = sum(a * b for a, b in zip(embed(label, _SIZE), embed(text, _SIZE), strict=True))
    stems = {word[:5] for word in tokens(text)}
    wanted = [word for word in tokens(label) if len(word) > 2]
    shared = sum(1 for word in wanted if word[:5] in stems) / len(wanted) if wanted else 0.0
    return 0.5 * cosine + 0.5 * shared


def _number(name: str, spec: schema.Schema, text: str) -> float | int:
    lowered = name.lower()
    if "urgen" in lowered:
        return schema.fit_number(default_rules().assess(text).score, spec)
    if any(word in lowered for word in ("confidence", "probability", "score")):
        return schema.fit_number(0.5, spec)
    found = find_amount(text, bare_number=True)
    return schema.fit_number(found if found is not None else 0.0, spec)


def _string(name: str, spec: schema.Schema, text: str) -> str | None:
    lowered = f"{name} {spec.get('format', '')}".lower()
    if "mail" in lowered:
        return find_email(text)
    if "date" in lowered:
        return find_date(text, None)
    if "order" in lowered or "reference" in lowered:
        return find_reference(text)
    if "lang" in lowered:
        return identify(text)
    limit = spec.get("maxLength")
    return clip(central_sentence(text), int(limit) if isinstance(limit, int) else _TEXT_CHARS)


def central_sentence(text: str) -> str:
    """The sentence that shares most words with the rest of the text."""
    parts = sentences(text)
    if not parts:
        return ""
    counts: dict[str, int] = {}
    for sentence in parts:
        for word in set(tokens(sentence)):
            counts[word] = counts.get(word, 0) + 1
    return max(parts, key=lambda s: sum(counts[w] for w in set(tokens(s)) if len(w) > 3) / (5 + len(tokens(s))))
