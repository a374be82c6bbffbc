"""What the handlers need from outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from floodgate.events import ModelUsage

from agent.domain.exchange import ModelReading
from agent.domain.model import SlotSpec
from agent.domain.slots import Choice


@dataclass(frozen=True, slots=True)
class ReadingRequest:
    """One answer of a user that the parsers could not read.

    Attributes:
        text: As the user wrote it; whoever calls a model puts placeholders in.
        deadline_seconds: Time for everything.
    """

    slot: str
    spec: SlotSpec
    text: str
    choices: Sequence[Choice]
    language: str
    country: str | None
    deadline_seconds: float


class SlotReader(Protocol):
    """Reads values out of free text. What it says is validated; it decides nothing."""

    async def read(self, request: ReadingRequest) -> tuple[ModelReading, ModelUsage]:
        """Reads one answer.

        Raises:
            KeyflowError: It cannot be asked now; the question is then simply put again.
        """
        ...
