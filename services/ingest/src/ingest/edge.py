"""Writing events where no engine stands behind: HTTP requests, files, S3 objects, the reconciler."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from floodgate.events import Approval, DeadLetter, Feedback, Interaction, Message
from floodgate.service import EVENT_ID_HEADER
from keyflow.errors import RetryableError

from ingest.domain.dead_letters import dead_letter_key
from ingest.ports import APPROVALS, DEAD_LETTERS, FEEDBACK, INTERACTIONS, MESSAGES, EventSink
from ingest.telemetry import EVENTS

EdgeEvent = Message | Feedback | Approval | Interaction | DeadLetter


def address_of(event: EdgeEvent) -> tuple[str, str]:
    """Topic and key of an event."""
    if isinstance(event, Message):
        return MESSAGES, event.conversation_id
    if isinstance(event, Interaction):
        return INTERACTIONS, str(event.interaction_id)
    if isinstance(event, Feedback):
        return FEEDBACK, event.conversation_id
    if isinstance(event, Approval):
        return APPROVALS, event.conversation_id
    return DEAD_LETTERS, dead_letter_key(event)


class EdgeWriter:
    """Writes events to their topics and counts them.

    Args:
        sink: Where they go.
        source: What the figures call this edge: webhook, rest, file, s3, reconciler.
        timeout_seconds: How long a caller is made to wait; None: as long as the producer tries.
    """

    def __init__(self, sink: EventSink, source: str, *, timeout_seconds: float | None = None) -> None:
        self._sink = sink
        self._source = source
        self._timeout_seconds = timeout_seconds

    async def write(self, events: Sequence[EdgeEvent]) -> None:
        """Returns once Kafka has every event, those of one key in their order.

        Raises:
            RetryableError: Kafka did not take all of them in time; sending again repeats only the same ids.
            PoisonMessageError: An event breaks its schema.
        """
        try:
            async with asyncio.timeout(self._timeout_seconds):
                if len(events) == 1:
                    await self._send(events[0])
                else:
                    # Each send hands its record to the producer in its first step, so the order is kept.
                    await asyncio.gather(*(self._send(event) for event in events))
        except TimeoutError as error:
            raise RetryableError(f"Kafka did not take the record within {self._timeout_seconds} s") from error
        for event in events:
            EVENTS.labels(self._source, _kind_of(event)).inc()

    async def _send(self, event: EdgeEvent) -> None:
        topic, key = address_of(event)
        await self._sink.send(topic, key, event, ((EVENT_ID_HEADER, str(event.event_id).encode()),))


def _kind_of(event: EdgeEvent) -> str:
    return str(event.kind) if isinstance(event, Message) else type(event).__name__.lower()
