"""Whether a command may be sent, judged by what the conversation shows. Pure.

Intercom has no idempotency keys. What tells our own earlier send is the entry itself, not a mark beside it, because
a mark that is written by a call of its own is missing in the very case that matters: sent, then killed.

- A reply: an entry of ours after the last one that we are known to have written, of the same kind, with the same
  words and the same buttons. The user sees nothing of it, and no clock is compared with another.
- A note: the event's mark in its last line, which helps a human to find the records too.
- Assignments, tags, attributes and closing set a state: doing them twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from delivery.domain.commands import CloseCommand, NoteCommand, Order, ReplyCommand


class Step(StrEnum):
    """What to do with a command."""

    SEND = "send"
    ALREADY_SENT = "already_sent"
    WITHHOLD = "withhold"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a conversation, oldest first.

    Attributes:
        kind: comment, note, quick_reply, assignment, close and the like.
        ours: Written by our own bot admin.
        human: Written by a teammate who is not our bot.
        option_ids: Buttons that it shows.
    """

    entry_id: str
    kind: str
    ours: bool
    human: bool
    text: str
    option_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation as it stands.

    Attributes:
        held_by_human: A teammate is its assignee.
    """

    entries: tuple[Entry, ...]
    held_by_human: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """The step, and the entry that is the earlier send."""

    step: Step
    entry_id: str | None = None


def decide(order: Order, conversation: Conversation, *, maybe_repeated: bool) -> Decision:
    """What to do with a command, given what the conversation shows."""
    if maybe_repeated:
        earlier = _earlier_send(order, conversation.entries)
        if earlier is not None:
            return Decision(Step.ALREADY_SENT, earlier)
    talks = isinstance(order.command, ReplyCommand | CloseCommand)
    if talks and human_has_joined(conversation):
        return Decision(Step.WITHHOLD)
    return Decision(Step.SEND)


def needs_reading(order: Order, *, maybe_repeated: bool) -> bool:
    """Whether the conversation has to be read before the command is sent."""
    return isinstance(order.command, ReplyCommand | CloseCommand) or (
        maybe_repeated and isinstance(order.command, NoteCommand)
    )


def human_has_joined(conversation: Conversation) -> bool:
    """Whether a teammate speaks with the user or holds the conversation, since it was last closed."""
    if conversation.held_by_human:
        return True
    return any(
        entry.human and entry.kind in {"comment", "quick_reply"} for entry in _since_closed(conversation.entries)
    )


def _since_closed(entries: Sequence[Entry]) -> Sequence[Entry]:
    closed = [index for index, entry in enumerate(entries) if entry.kind == "close"]
    return entries[closed[-1] + 1 :] if closed else entries


def _earlier_send(order: Order, entries: Sequence[Entry]) -> str | None:
    candidates = [entry for entry in _after(entries, order.after_part_id) if entry.ours]
    match order.command:
        case ReplyCommand() as reply:
            return next((entry.entry_id for entry in candidates if _same_reply(reply, entry)), None)
        case NoteCommand():
            return next(
                (entry.entry_id for entry in candidates if entry.kind == "note" and order.mark in entry.text), None
            )
        case _:
            return None


def _same_reply(reply: ReplyCommand, entry: Entry) -> bool:
    if entry.kind not in {"comment", "quick_reply"}:
        return False
    wanted = tuple(option.option_id for option in reply.options)
    if wanted or entry.option_ids:
        # The buttons' ids derive from the event: they alone tell it.
        return wanted == entry.option_ids
    return words_of(entry.text) == words_of(reply.text)


def _after(entries: Sequence[Entry], entry_id: str | None) -> Sequence[Entry]:
    """Entries after a known one; all of them when it is unknown or no longer shown."""
    for index, entry in enumerate(entries):
        if entry.entry_id == entry_id:
            return entries[index + 1 :]
    return entries


def words_of(text: str) -> str:
    """Text without differences that a channel's formatting makes."""
    return " ".join(text.split())
