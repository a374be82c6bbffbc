"""Timeline entries as the REST API shows them: what a caller acts on, no versions, no costs, no raw record.

Every reply of ours is marked as automated, and the first of a conversation says so in words: on a channel whose
callers poll nothing else tells the user. Delivery says the same where replies are sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from floodgate.events import Message

from ingest.domain.timeline import Entry, EntryType, state_of
from ingest.http.models import ConversationView, TimelineEntry

_SHOWN: Final[Mapping[EntryType, frozenset[str]]] = {
    EntryType.MESSAGE: frozenset(
        ("channel_message_id", "text", "attachment_count", "chosen_path", "clicked_option", "contact_id")
    ),
    EntryType.VERDICT: frozenset(
        (
            "decision",
            "category",
            "matches_chosen_path",
            "suggested_path",
            "misuse",
            "urgent",
            "urgency",
            "urgency_reasons",
            "workflow",
            "confidence",
            "explanation",
            "language",
            "team",
            "reply",
            "screened",
        )
    ),
    EntryType.REPLY: frozenset(("reply", "awaits", "workflow", "step", "resolved", "actions", "expires_at")),
    EntryType.ESCALATION: frozenset(
        (
            "source",
            "reason_code",
            "priority",
            "urgent",
            "category",
            "team",
            "wants",
            "steps",
            "actions",
            "suggested_next_step",
            "note",
            "reply",
            "expires_at",
        )
    ),
}

Notice = Callable[[str], str]
"""What tells the user that a reply is automated, by the reply's language."""


class LiveNotice:
    """A notice whose words may be exchanged while the service runs.

    Args:
        notice: The words to begin with.
    """

    def __init__(self, notice: Notice) -> None:
        self._notice = notice

    def exchange(self, _version: str, notice: Notice) -> None:
        """Those of another version of the catalogue from now on."""
        self._notice = notice

    def __call__(self, language: str) -> str:
        """See `Notice`."""
        return self._notice(language)


def conversation_view(conversation_id: str, entries: Sequence[Entry], notice: Notice) -> ConversationView:
    """The entries, given in order, as a caller reads them."""
    shown = [_entry_view(entry) for entry in entries]
    _mark_as_automated([entry.detail["reply"] for entry in shown if entry.detail.get("reply")], notice)
    return ConversationView(conversation_id=conversation_id, state=state_of(entries), entries=shown)


def _mark_as_automated(replies: Sequence[dict[str, Any]], notice: Notice) -> None:
    for number, reply in enumerate(replies):
        reply["automated"] = True
        if number == 0:
            # Within the text, so that a caller who shows nothing but the text tells the user too.
            reply["notice"] = notice(reply["language"])
            reply["text"] = f"{reply['notice']}\n\n{reply['text']}"


def _entry_view(entry: Entry) -> TimelineEntry:
    event = entry.event
    detail: dict[str, Any] = event.model_dump(mode="json", include=set(_SHOWN[entry.type]))
    return TimelineEntry(
        type=entry.type,
        event_id=event.event_id,
        occurred_at=event.occurred_at,
        causation_id=event.causation_id,
        kind=event.kind if isinstance(event, Message) else None,
        detail=detail,
    )
