"""What a model is asked and what it answers, independent of any wire protocol."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One turn of the conversation with the model; tool calls and tool results arrive as their text."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """The tool that the model is forced to call."""

    name: str
    description: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ModelCall:
    """One request to the model."""

    system: str
    messages: tuple[ChatMessage, ...]
    tool: ToolSpec | None
    max_tokens: int
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Completion:
    """Either plain text or the input of the forced tool."""

    text: str | None
    tool_input: Mapping[str, Any] | None
