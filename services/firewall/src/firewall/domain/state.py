"""What the firewall remembers of a conversation; kept as JSON in support.firewall.state."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from floodgate.events import Message, ReplyOption
from pydantic import BaseModel, ConfigDict

from firewall.domain.burst import Burst, digest_of

MAX_RECENT_EVENTS: Final = 64
MAX_DIGESTS: Final = 16


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class OpenQuestion(_Frozen):
    """A question of a workflow, from the agent's reply until it is answered for good."""

    workflow: str
    slot: str
    category: str | None = None
    answered_at: datetime | None = None


class OfferedCase(_Frozen):
    """What the last redirect offered, and what the text had been about. No customer text."""

    options: tuple[ReplyOption, ...]
    suggested_path: str
    category: str | None
    confidence: float
    wants: str
    language: str


class ConversationState(_Frozen):
    """One conversation.

    Attributes:
        channel_path: Path that the channel named last.
        path_instead: What holds in its place until the channel names another one: the path of our button that the
            user pressed, or "unknown" once a case was resolved and the path has served its purpose.
        waiting_for_human: It was handed over and nobody has come yet.
        digests: Event ids of the last messages with digests of their texts, to tell an edit from a repeat.
    """

    recent_event_ids: tuple[UUID, ...] = ()
    redirect_count: int = 0
    offered: OfferedCase | None = None
    channel_path: str | None = None
    path_instead: str | None = None
    language: str | None = None
    human_joined: bool = False
    waiting_for_human: bool = False
    question: OpenQuestion | None = None
    burst: Burst | None = None
    digests: tuple[tuple[UUID, str], ...] = ()

    def has_seen(self, event_id: UUID) -> bool:
        return event_id in self.recent_event_ids

    def is_edit(self, message: Message) -> bool:
        """Whether it is a message that was screened with another text, and never with this one."""
        known = [digest for event_id, digest in self.digests if event_id == message.event_id]
        return bool(known) and digest_of(message) not in known

    def seen(self, event_id: UUID) -> ConversationState:
        """With one more event remembered, the oldest forgotten."""
        recent = (*self.recent_event_ids, event_id)[-MAX_RECENT_EVENTS:]
        return self.model_copy(update={"recent_event_ids": recent})

    def with_text(self, message: Message) -> ConversationState:
        """With one more message's text told apart from its edits."""
        kept = (*self.digests, (message.event_id, digest_of(message)))[-MAX_DIGESTS:]
        return self.model_copy(update={"digests": kept}).seen(message.event_id)
