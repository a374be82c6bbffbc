"""A second answer after a rejected one: honours what the caller's error message says, where that is possible."""

import re
from collections.abc import Mapping
from typing import Any, Final

from floodgate_nlu import schema
from floodgate_nlu.prompting import repair_note
from floodgate_nlu.text import clip, squeeze
from floodgate_nlu.types import ModelCall, ToolSpec

_AT_MOST: Final = re.compile(r"(?:at most|no more than|maximum(?: of)?|max(?:imum)?|<=|≤|up to)\s*(\d+)", re.IGNORECASE)
_QUOTED: Final = re.compile(r"[\"'`“«]([^\"'`”»]{1,80})[\"'`”»]")
_UNSUPPORTED: Final = re.compile(
    r"not in the|unsupported|invented|does not (?:occur|appear)|personal data", re.IGNORECASE
)


def repaired(filled: Mapping[str, Any], call: ModelCall, tool: ToolSpec) -> dict[str, Any]:
    """The answer fitted to its schema and, on a repair turn, to the error that the caller showed."""
    note = repair_note(call)
    specs = {n: schema.resolve(s, tool.schema) for n, s in schema.properties(tool.schema).items()}
    return {name: _fitted(name, value, specs.get(name, {}), note) for name, value in filled.items()}


def _fitted(name: str, value: Any, spec: schema.Schema, note: str | None) -> Any:
    if isinstance(value, str):
        if note and name in note:
            value = _named_instead(name, spec, note) or _corrected(value, note)
        return value if schema.enum_values(spec) else schema.fit_string(value, spec)
    if isinstance(value, float | int) and not isinstance(value, bool):
        return schema.fit_number(value, spec)
    if isinstance(value, list):
        if note and name in note and _UNSUPPORTED.search(note):
            value = [item for item in value if not isinstance(item, str) or item not in note]
        return schema.fit_list(value, spec)
    return value


def _named_instead(name: str, spec: schema.Schema, note: str) -> str | None:
    """The value of a closed set with which the note says that another part of the answer goes."""
    said = re.search(rf"\b{re.escape(name)}: [^;]*\bwhich says (\w+)", note)
    return said[1] if said and said[1] in schema.enum_values(spec) else None


def _corrected(value: str, note: str) -> str:
    """Drop what the note calls unsupported; shorten to the length that it states."""
    if _UNSUPPORTED.search(note):
        for quoted in _QUOTED.findall(note):
            if quoted != value:
                value = squeeze(value.replace(quoted, ""))
    limit = _AT_MOST.search(note)
    return clip(value, int(limit.group(1))) if limit and int(limit.group(1)) >= 20 else value
