"""The three processors: raw envelopes to events, closed conversations to interactions, events to the timeline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from floodgate.events import Interaction, Message, MessageKind
from floodgate.service import EVENT_ID_HEADER
from keyflow.errors import PoisonMessageError, RetryableError
from keyflow.types import Emit, Outcome, Record, Tools

from ingest.domain.errors import DocumentError
from ingest.domain.identity import ContactPseudonyms
from ingest.domain.intercom import feedback_of, map_envelope, messages_of_conversation
from ingest.domain.intercom_interaction import interaction_of_conversation
from ingest.domain.intercom_parts import CHANNEL as INTERCOM
from ingest.domain.intercom_parts import IntercomRules
from ingest.domain.lines import interaction_of, is_interaction, messages_of
from ingest.domain.timeline import interaction_of_timeline
from ingest.edge import EdgeEvent, address_of
from ingest.inbound import Inbound, InboundConversation, InboundEnvelope
from ingest.ports import IntercomConversations, Timeline
from ingest.telemetry import EVENTS

_TIMELINE_WAIT_SECONDS: Final = 1.0


def emit(event: EdgeEvent) -> Emit:
    """The record of an event, with its id as a header for whoever cannot decode it."""
    topic, key = address_of(event)
    return Emit(topic, key, event, ((EVENT_ID_HEADER, str(event.event_id).encode()),))


class RawHandler:
    """`ingest`: envelopes that a connector published, and redriven dead letters of the edges."""

    def __init__(self, rules: IntercomRules, pseudonyms: ContactPseudonyms) -> None:
        self._rules = rules
        self._pseudonyms = pseudonyms

    async def handle(self, record: Record, state: None, tools: Tools) -> Outcome[None]:
        try:
            events = self._events_of(record.value, tools.now_ms)
        except DocumentError as error:
            raise PoisonMessageError(str(error)) from error
        for event in events:
            EVENTS.labels("raw", event.kind if isinstance(event, Message) else type(event).__name__.lower()).inc()
        return Outcome([emit(event) for event in events])

    def _events_of(self, inbound: Inbound, now_ms: Callable[[], int]) -> Sequence[EdgeEvent]:
        if isinstance(inbound, InboundEnvelope):
            return map_envelope(inbound.document, self._rules).events
        if isinstance(inbound, InboundConversation):
            return messages_of_conversation(inbound.document, self._rules)
        read_at = datetime.fromtimestamp(now_ms() / 1000, UTC)
        # S3 drops hold finished interactions only, on their way back too.
        if inbound.source == "s3" or is_interaction(inbound.document):
            return (
                interaction_of(
                    inbound.document,
                    self._pseudonyms,
                    source=inbound.source,
                    origin=inbound.origin,
                    read_at=read_at,
                ),
            )
        return messages_of(inbound.document, self._pseudonyms, read_at=read_at)


class ClosedHandler:
    """`ingest-closed`: what was said in a conversation becomes a finished interaction when it closes.

    Args:
        conversations: Intercom; None where it is not set up.
        timeline: For channels that keep no record of their own.
        rules: How Intercom's conversations are read.
    """

    def __init__(self, conversations: IntercomConversations | None, timeline: Timeline, rules: IntercomRules) -> None:
        self._conversations = conversations
        self._timeline = timeline
        self._rules = rules

    async def handle(self, record: Record, state: None, tools: Tools) -> Outcome[None]:
        message: Message = record.value
        if message.kind is not MessageKind.CLOSED:
            return Outcome()
        try:
            if message.channel == INTERCOM:
                return Outcome([emit(event) for event in await self._from_intercom(message)])
            return Outcome([emit(await self._from_timeline(message))])
        except DocumentError as error:
            raise PoisonMessageError(str(error)) from error

    async def _from_intercom(self, closed: Message) -> Sequence[EdgeEvent]:
        if self._conversations is None:
            raise PoisonMessageError("Intercom is not set up: set FLOODGATE_INTERCOM_TOKEN and redrive")
        own_id = closed.conversation_id.partition(":")[2]
        document = await self._conversations.conversation_document(own_id)
        # Tags are often set just before closing; the same tag is the same judgement, however often it is told.
        return (interaction_of_conversation(document, closed, self._rules), *feedback_of(document, self._rules))

    async def _from_timeline(self, closed: Message) -> Interaction:
        entries = await self._timeline.read(closed.conversation_id)
        # The timeline is written in the order of the topic: once it holds the closing, it holds all before it.
        if not any(entry.event.event_id == closed.event_id for entry in entries):
            raise RetryableError("the timeline does not hold this closing yet", _TIMELINE_WAIT_SECONDS)
        return interaction_of_timeline(entries, closed)


class TimelineHandler:
    """`ingest-status`: every event of a conversation into the timeline."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline

    async def handle(self, record: Record, state: Any, tools: Tools) -> Outcome[Any]:
        await self._timeline.write(record.value, record.offset)
        return Outcome()
