"""What became of a conversation: its messages, verdicts, replies and hand-offs as one list in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from floodgate.events import (
    Escalation,
    Interaction,
    Message,
    MessageKind,
    OutboundReply,
    Reply,
    Turn,
    TurnRole,
    Verdict,
    derive_event_id,
)

from ingest.domain.errors import document_error
from ingest.domain.identity import UNKNOWN_PATH, interaction_id_of

TimelineEvent = Message | Verdict | Reply | Escalation


class EntryType(StrEnum):
    """What an entry is; in this order when two happened at the same millisecond."""

    MESSAGE = "message"
    VERDICT = "verdict"
    REPLY = "reply"
    ESCALATION = "escalation"


class ConversationState(StrEnum):
    """Where a conversation stands, as far as its entries tell."""

    OPEN = "open"
    RESOLVED = "resolved"
    WITH_PERSON = "with_person"
    CLOSED = "closed"


_TYPE_OF: Final[Mapping[type, EntryType]] = {
    Message: EntryType.MESSAGE,
    Verdict: EntryType.VERDICT,
    Reply: EntryType.REPLY,
    Escalation: EntryType.ESCALATION,
}
_MODEL_OF: Final[Mapping[EntryType, type[TimelineEvent]]] = {
    EntryType.MESSAGE: Message,
    EntryType.VERDICT: Verdict,
    EntryType.REPLY: Reply,
    EntryType.ESCALATION: Escalation,
}
_RANK: Final[Mapping[EntryType, int]] = {entry_type: rank for rank, entry_type in enumerate(EntryType)}


@dataclass(frozen=True, slots=True)
class Entry:
    """One event of a conversation with what it is.

    Attributes:
        position: Offset in its topic: the order of two that happened at the same time, as a channel that
            counts in seconds tells it.
    """

    type: EntryType
    event: TimelineEvent
    position: int = 0


def entry_of(event: TimelineEvent, position: int = 0) -> Entry:
    return Entry(_TYPE_OF[type(event)], event, position)


def document_of(event: TimelineEvent, position: int) -> dict[str, Any]:
    """The index document of an event; its id is the event id, so that writing it again adds nothing."""
    return {
        "event_id": str(event.event_id),
        "conversation_id": event.conversation_id,
        "type": str(_TYPE_OF[type(event)]),
        "occurred_at": event.occurred_at.isoformat(),
        "position": position,
        "record": event.model_dump(mode="json"),
    }


def entry_from_document(document: Mapping[str, Any]) -> Entry:
    """The entry that an index document holds.

    Raises:
        pydantic.ValidationError: The document was written by a version that knew another record.
    """
    entry_type = EntryType(document["type"])
    event = _MODEL_OF[entry_type].model_validate(document["record"])
    return Entry(entry_type, event, int(document.get("position", 0)))


def in_order(entries: Sequence[Entry]) -> list[Entry]:
    """Entries by time, an effect never before its cause even where clocks disagree."""
    by_id = {str(entry.event.event_id): entry for entry in entries}
    moments: dict[str, datetime] = {}

    def moment_of(entry: Entry, depth: int = 0) -> datetime:
        key = str(entry.event.event_id)
        if key not in moments:
            cause = by_id.get(str(entry.event.causation_id))
            own = entry.event.occurred_at
            # The depth bounds a cycle, which only a corrupt index could hold.
            moments[key] = max(own, moment_of(cause, depth + 1)) if cause and depth < 64 else own
        return moments[key]

    return sorted(entries, key=lambda entry: (moment_of(entry), _RANK[entry.type], entry.position))


def state_of(entries: Sequence[Entry]) -> ConversationState:
    """Where a conversation stands after its entries, given in order."""
    state = ConversationState.OPEN
    for entry in entries:
        event = entry.event
        if isinstance(event, Escalation):
            state = ConversationState.WITH_PERSON
        elif isinstance(event, Reply) and event.resolved:
            state = ConversationState.RESOLVED
        elif isinstance(event, Message):
            state = _after_message(event.kind, state)
    return state


def _after_message(kind: MessageKind, state: ConversationState) -> ConversationState:
    if kind is MessageKind.CLOSED:
        return ConversationState.CLOSED
    if kind is MessageKind.HUMAN_JOINED:
        return ConversationState.WITH_PERSON
    if kind is MessageKind.REOPENED or state in (ConversationState.CLOSED, ConversationState.RESOLVED):
        return ConversationState.OPEN
    return state


def interaction_of_timeline(entries: Sequence[Entry], closed: Message) -> Interaction:
    """A closed conversation of a channel that keeps no record of its own, from what went through Floodgate.

    Raises:
        DocumentError: No user message is among the entries.
    """
    ordered = in_order(entries)
    messages = [
        entry.event
        for entry in ordered
        if isinstance(entry.event, Message) and entry.event.kind is MessageKind.USER_MESSAGE
    ]
    if not messages:
        raise document_error("conversation", "closed, but no message of a user is known: nothing to learn")
    verdicts = [entry.event for entry in ordered if isinstance(entry.event, Verdict)]
    paths = [message.chosen_path for message in messages if message.chosen_path != UNKNOWN_PATH]
    return Interaction(
        event_id=derive_event_id(closed.event_id, "interaction"),
        occurred_at=closed.occurred_at,
        causation_id=closed.event_id,
        interaction_id=interaction_id_of(closed.conversation_id),
        source=closed.channel,
        channel=closed.channel,
        contact_id=messages[0].contact_id,
        conversation_id=closed.conversation_id,
        country=next((message.country for message in messages if message.country), None),
        language=next((message.language for message in messages if message.language), None)
        or next((verdict.language for verdict in verdicts if verdict.language), None),
        chosen_path=paths[-1] if paths else UNKNOWN_PATH,
        started_at=messages[0].occurred_at,
        ended_at=closed.occurred_at,
        turns=tuple(turn for entry in ordered if (turn := _turn_of(entry.event)) is not None),
        origin=closed.conversation_id,
    )


def _turn_of(event: TimelineEvent) -> Turn | None:
    if isinstance(event, Message):
        text = event.text if event.kind is MessageKind.USER_MESSAGE else ""
        return Turn(role=TurnRole.CUSTOMER, text=text, at=event.occurred_at) if text else None
    spoken: OutboundReply | None = event.reply
    return Turn(role=TurnRole.BOT, text=spoken.text, at=event.occurred_at) if spoken and spoken.text else None
