"""Conversations through the summarizer's own handler: transcript, prompt, model call, validation and repair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from floodgate.bedrock import ModelClient, ModelResult, Usage
from floodgate.events import Interaction, Summary, Turn, TurnRole
from floodgate.settings import load
from keyflow import OutageError, PoisonMessageError, Record, RetryableError, Tools
from summarizer.adapters.nlu_language import NluLanguages
from summarizer.handlers import SummarizerHandler
from summarizer.settings import SummarizerSettings

from floodgate_eval.catalogues import Measured
from floodgate_eval.recording import Note, RecordingModel, note
from floodgate_eval.rows import TurnRow

_NOW: Final = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
_NOW_MS: Final = int(_NOW.timestamp() * 1000)
_TOOLS: Final = Tools(now_ms=lambda: _NOW_MS, remaining_seconds=lambda: None)
_TOPIC: Final = "support.interactions"
UNKNOWN_PATH: Final = "unknown"


@dataclass(frozen=True, slots=True)
class Conversation:
    """One finished conversation.

    Attributes:
        declared: Language that its source is said to declare; None leaves it to the summarizer.
    """

    turns: Sequence[TurnRow]
    country: str | None = None
    declared: str | None = None
    chosen_path: str | None = None


@dataclass(frozen=True, slots=True)
class Summarized:
    """A feature record; None where no valid answer came.

    Attributes:
        error: Why none came.
    """

    summary: Summary | None
    error: str
    usage: Usage | None
    call_seconds: float
    results: tuple[ModelResult[Any], ...] = field(repr=False, default=())

    @property
    def failed(self) -> bool:
        """Whether the record would have gone to the dead letters."""
        return self.summary is None

    @property
    def key(self) -> str:
        """What the record says, to compare repeats by."""
        if self.summary is None:
            return ""
        return f"{self.summary.sentiment.value}|{self.summary.summary}"


class Summarizing:
    """The summarizer over one catalogue and one model."""

    def __init__(self, measured: Measured, model: ModelClient) -> None:
        catalogue = measured.catalogue
        self._handler = SummarizerHandler(
            catalogue=catalogue,
            model=RecordingModel(model),
            languages=NluLanguages(catalogue.languages, catalogue.default_language),
            settings=load(SummarizerSettings),
            service_version="evaluation",
        )

    async def ask(self, conversation: Conversation) -> Summarized:
        """Make the feature record of one conversation.

        Raises:
            FatalError: Credentials, access, model or budget do not allow the call.
        """
        interaction = _interaction(conversation)
        record = Record(_TOPIC, 0, 0, str(interaction.interaction_id), interaction, timestamp_ms=_NOW_MS)
        taken = Note()
        token = note.set(taken)
        summary: Summary | None = None
        failure = ""
        try:
            outcome = await self._handler.handle(record, None, _TOOLS)
            summary = next((emit.value for emit in outcome.events if isinstance(emit.value, Summary)), None)
        except (RetryableError, OutageError, PoisonMessageError) as error:
            failure = f"{type(error).__name__}: {error}"  # in production a dead letter
        finally:
            note.reset(token)
        usage = taken.results[-1].usage if taken.results else None
        return Summarized(summary, failure, usage, taken.call_seconds, tuple(taken.results))


def _interaction(conversation: Conversation) -> Interaction:
    text = "\0".join(f"{turn.role}\0{turn.text}" for turn in conversation.turns)
    identifier = uuid5(NAMESPACE_URL, text)
    return Interaction(
        event_id=identifier,
        occurred_at=_NOW,
        interaction_id=identifier,
        source="file",
        channel="eval",
        contact_id="evaluation",
        country=conversation.country,
        language=(conversation.declared or "").split("-")[0].lower() or None,
        chosen_path=conversation.chosen_path or UNKNOWN_PATH,
        turns=tuple(Turn(role=TurnRole(turn.role), text=turn.text) for turn in conversation.turns),
    )
