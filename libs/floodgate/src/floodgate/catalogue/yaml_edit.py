"""Adds members to YAML files as a person would: comments, order and layout of everything else stay as they are."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import yaml
from keyflow.errors import FatalError

Place = tuple[str | int, ...]

_PLAIN: Final = re.compile(r"[A-Za-z_]+")
_NOT_TEXT: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


@dataclass(frozen=True, slots=True)
class Addition:
    """A member to add.

    Attributes:
        place: Where the mapping or list is.
        value: What is added: text, or a list of texts.
        key: Its name in a mapping; None for a list.
    """

    place: Place
    value: str | Sequence[str] | dict[str, Any]
    key: str | None = None


def add_members(name: str, text: str, additions: Sequence[Addition]) -> str:
    """The text with members added at the end of the mappings and lists that are named.

    Raises:
        FatalError: The file is laid out in a way that this cannot extend; it names the file.
    """
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    expected = yaml.safe_load(text)
    edits: list[tuple[int, str]] = []
    try:
        for addition in additions:
            edits.append(_edit(text, _find(root, addition.place), addition))
            _apply(expected, addition)
        for position, inserted in sorted(edits, key=lambda edit: edit[0], reverse=True):
            text = text[:position] + inserted + text[position:]
        sound = yaml.safe_load(text) == expected
    except (KeyError, IndexError, TypeError, yaml.YAMLError) as error:
        raise FatalError(f"{name}: cannot add to it ({type(error).__name__}): add it by hand") from error
    if not sound:
        raise FatalError(f"{name}: its layout does not let members be added: add them by hand")
    return text


def _find(node: Any, place: Place) -> Any:
    for part in place:
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            node = node.value[part]
        elif isinstance(node, yaml.MappingNode):
            node = {key.value: value for key, value in node.value}[part]
        else:
            raise KeyError(part)
    return node


def _apply(data: Any, addition: Addition) -> None:
    for part in addition.place:
        data = data[part]
    value = copy.deepcopy(addition.value)
    value = list(value) if isinstance(value, tuple) else value
    if addition.key is None:
        data.append(value)
    else:
        data[addition.key] = value


def _edit(text: str, node: Any, addition: Addition) -> tuple[int, str]:
    """Where to insert, and what."""
    if not isinstance(node, yaml.CollectionNode):
        raise TypeError("neither a mapping nor a list")
    if node.flow_style:
        head = f"{_flow(addition.key)}: " if addition.key is not None else ""
        before = ", " if node.value else ""
        position = len(text[: node.end_mark.index - 1].rstrip())
        return position, f"{before}{head}{_flow(addition.value)}"
    first = node.value[0][0] if isinstance(node, yaml.MappingNode) else node.value[0]
    # The items of a block list begin behind their dash.
    column = first.start_mark.column if isinstance(node, yaml.MappingNode) else node.start_mark.column
    indent = " " * column
    end = len(text[: _end(node)].rstrip())
    line_end = text.find("\n", end)
    position = len(text) if line_end < 0 else line_end
    return position, f"\n{indent}{_block(addition, indent)}"


def _end(node: Any) -> int:
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(node, yaml.MappingNode) else last)
    index: int = node.end_mark.index
    return index


def _block(addition: Addition, indent: str) -> str:
    head = f"{_flow(addition.key)}:" if addition.key is not None else "-"
    value = addition.value
    if isinstance(value, str | dict):
        return f"{head} {_flow(value)}"
    return "\n".join([head, *(f"{indent}  - {_flow(item)}" for item in value)])


def _flow(value: Any) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _NOT_TEXT:
        return value
    # A JSON string is a YAML string; Norway and Norwegian would be false without quotes.
    return json.dumps(value, ensure_ascii=False)
