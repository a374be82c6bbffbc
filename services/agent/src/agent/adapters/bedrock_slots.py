"""Reads answers with a model on Bedrock, on placeholders. What comes back is read again by the validators."""

from __future__ import annotations

from functools import lru_cache
from html import escape
from typing import Any, Final, Literal

from floodgate.bedrock import ModelClient, ModelRequest, Prompt, load_prompt
from floodgate.events import ModelUsage
from floodgate.privacy import redact, restore
from pydantic import BaseModel, Field, create_model

from agent.domain.exchange import ModelReading
from agent.domain.model import SlotSpec
from agent.ports import ReadingRequest

_FILE: Final = "read_slots.md"
_PACKAGE: Final = "agent.prompts"
_MAX_TEXT_CHARS: Final = 2_000
Command = Literal["answer", "cancel", "human", "correct", "question", "none"]


class BedrockSlotReader:
    """A SlotReader on the shared model client."""

    def __init__(self, model: ModelClient) -> None:
        self._model = model

    @property
    def prompt(self) -> str:
        """Name and version of the prompt."""
        prompt = load_prompt(_PACKAGE, _FILE, _Empty)
        return f"{prompt.name}@{prompt.version}"

    async def read(self, request: ReadingRequest) -> tuple[ModelReading, ModelUsage]:
        """Asks for one slot and the command.

        Raises:
            KeyflowError: As the model client raises.
        """
        redacted = redact(request.text[:_MAX_TEXT_CHARS], language=request.language, country=request.country)
        prompt = _prompt(request.slot, str(request.spec.type), request.spec.description)
        question = ModelRequest(
            prompt=prompt,
            user_text=_user_text(request, redacted.text),
            metadata={"service": "agent"},
            deadline_seconds=request.deadline_seconds,
        )
        result = await self._model.call(question)
        value: Any = getattr(result.value, request.slot)
        restored = None if value is None else restore(str(value), redacted.placeholders)
        command: str = getattr(result.value, "command", "none")
        return ModelReading({request.slot: _as_choice(request, restored)}, command), result.usage.to_record()


class _Empty(BaseModel):
    """Stands in where only the prompt's name is wanted."""


@lru_cache(maxsize=256)
def _prompt(slot: str, kind: str, description: str) -> Prompt[Any]:
    """One prompt per slot: its tool names the slot, so the prefix is the same in every call for it."""
    choices: Any = str | None
    fields: dict[str, Any] = {
        slot: (choices, Field(default=None, description=f"{description} ({kind})")),
        "command": (Command, "none"),
    }
    output: type[BaseModel] = create_model(f"Read_{slot}", **fields)
    return load_prompt(_PACKAGE, _FILE, output)


def _user_text(request: ReadingRequest, text: str) -> str:
    spec: SlotSpec = request.spec
    labels = "; ".join(choice.label for choice in request.choices)
    offered = f"; choices: {escape(labels)}" if labels else ""
    # To the model a button is a choice whatever it stands for.
    kind = "choice" if request.choices else str(spec.type)
    return (
        f"<language>{request.language}</language>\n"
        f'<slots><slot name="{request.slot}" type="{kind}">{escape(spec.description)}{offered}</slot></slots>\n'
        f"<customer_message>{escape(text, quote=False)}</customer_message>"
    )


def _as_choice(request: ReadingRequest, value: str | None) -> str | None:
    """The value of the button whose label the model named."""
    if value is None or not request.choices:
        return value
    for choice in request.choices:
        if value.strip().casefold() in {choice.label.casefold(), choice.value.casefold()}:
            return choice.value
    return None
