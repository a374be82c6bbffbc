"""What the summarizer remembers of an interaction; kept as JSON in support.summarizer.state."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict

MAX_RECENT_EVENTS: Final = 16


class InteractionState(BaseModel):
    """One interaction: which events brought it and what it said last."""

    model_config = ConfigDict(frozen=True)

    recent_event_ids: tuple[UUID, ...] = ()
    content_hash: str = ""

    def after(self, event_id: UUID, content_hash: str) -> InteractionState:
        """With one more event and what it brought."""
        recent = (*self.recent_event_ids, event_id)[-MAX_RECENT_EVENTS:]
        return InteractionState(recent_event_ids=recent, content_hash=content_hash)
