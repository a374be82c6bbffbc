"""What delivery remembers of a conversation, kept as JSON in the changelog."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, ConfigDict

from delivery.domain.commands import AnyCommand

RECENT_EVENTS: Final = 100


class Queued(BaseModel):
    """A command that waits for those before it; with the first of an event goes when Kafka got the event."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    event_id: str
    number: int
    command: AnyCommand
    expires_at_ms: int | None = None
    recorded_at_ms: int = 0


class DeliveryState(BaseModel):
    """Everything about one conversation.

    Attributes:
        notice_sent: The user has been told that replies are automated.
        last_part_id: The last reply or note that we are known to have written.
        queue: Commands of the event being delivered, the one under way excluded.
        rescue_team: Who gets the conversation if the reply under way cannot be sent.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    recent_event_ids: tuple[str, ...] = ()
    channel: str = ""
    human_joined: bool = False
    notice_sent: bool = False
    last_part_id: str | None = None
    queue: tuple[Queued, ...] = ()
    rescue_team: str | None = None

    def seen(self, event_id: str) -> bool:
        """Whether an event was handled before."""
        return event_id in self.recent_event_ids

    def noted(self, event_id: str) -> DeliveryState:
        """The state after an event, whose repeats are dropped from now on."""
        recent = (*self.recent_event_ids, event_id)[-RECENT_EVENTS:]
        return self.model_copy(update={"recent_event_ids": recent})
