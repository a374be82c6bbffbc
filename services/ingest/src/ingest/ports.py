"""What this service needs from the outside, in its own words."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from floodgate.events import AvroModel

from ingest.domain.timeline import Entry, TimelineEvent

MESSAGES: Final = "support.messages"
VERDICTS: Final = "support.verdicts"
REPLIES: Final = "support.replies"
ESCALATIONS: Final = "support.escalations"
INTERACTIONS: Final = "support.interactions"
FEEDBACK: Final = "support.feedback"
APPROVALS: Final = "support.approvals"
DEAD_LETTERS: Final = "support.dead-letters"
INTERCOM_RAW: Final = "support.intercom.raw"

Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class QueueMessage:
    """A message that was received and is hidden from others for a while."""

    receipt: str
    body: str


class EventSink(Protocol):
    """Where events go from an edge."""

    async def send(self, topic: str, key: str, value: AvroModel, headers: Headers = ()) -> None:
        """Returns once Kafka has the record.

        Raises:
            keyflow.errors.KeyflowError: It does not.
        """
        ...


class Timeline(Protocol):
    """The events of conversations, by conversation."""

    async def write(self, event: TimelineEvent, position: int) -> None:
        """Writes an event with its offset; writing it again adds nothing."""
        ...

    async def read(self, conversation_id: str) -> list[Entry]:
        """The entries of a conversation in order; none when it is not known."""
        ...

    async def known(self, event_ids: Sequence[str]) -> set[str]:
        """Those of the ids that have been written."""
        ...


class IntercomConversations(Protocol):
    """Intercom's conversations as documents, with every member that it sends."""

    async def conversation_document(self, conversation_id: str) -> Mapping[str, Any]:
        """One conversation with its parts, texts as plain text."""
        ...

    def updated_since(self, since: datetime) -> AsyncIterator[str]:
        """Ids of the conversations that changed since then."""
        ...


class Clock(Protocol):
    """The wall clock."""

    def __call__(self) -> datetime: ...
