"""What the summarizer remembers of an interaction; kept as JSON in support.summarizer.state."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict

MAX_RECENT_EVENTS: Final = 16


class InteractionState(BaseModel):
    """One interaction: which events brought it, what it said last, and of which events a batch answer is due."""

    model_config = ConfigDict(frozen=True)

    recent_event_ids: tuple[UUID, ...] = ()
    content_hash: str = ""
    in_batch: tuple[UUID, ...] = ()

    def after(self, event_id: UUID, content_hash: str) -> InteractionState:
        """With one more event and what it brought."""
        recent = (*self.recent_event_ids, event_id)[-MAX_RECENT_EVENTS:]
        return InteractionState(recent_event_ids=recent, content_hash=content_hash, in_batch=self.in_batch)

    def sent(self, event_id: UUID) -> InteractionState:
        """With an event that batch inference is asked about."""
        return self.model_copy(update={"in_batch": (*self.in_batch, event_id)})

    def answered(self, event_id: UUID) -> InteractionState:
        """Without it: its answer came."""
        return self.model_copy(update={"in_batch": tuple(each for each in self.in_batch if each != event_id)})
