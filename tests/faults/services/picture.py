"""What the audit looks at: what Kafka holds, what the outside shows, and what was broken on purpose."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from faults.services.journal import Entry, Journal, Place, Source
from floodgate.events import DeadLetter, Escalation, Message, MessageKind, Reply, Verdict
from keyflow.table import Entry as TableEntry


@dataclass(frozen=True, slots=True)
class Conversation:
    """What the Intercom stand-in shows of one conversation.

    Attributes:
        said: What users see from the bot, oldest first, as (words, ids of the buttons).
        notes: Internal notes of the bot.
        written: How often the user wrote or pressed a button.
    """

    said: tuple[tuple[str, tuple[str, ...]], ...] = ()
    notes: tuple[str, ...] = ()
    written: int = 0
    closed: bool = False
    assigned: bool = False


@dataclass(slots=True)
class Picture:
    """Everything that the audit looks at.

    Attributes:
        decoded: By topic: the records that can be read, in the order of their partitions.
        poison: Places of records that were broken on purpose, and whom they have to break: None is every reader.
        broken_lines: Lines of dropped files that were broken on purpose.
        expects_broken_answers: The model was told to break its schema: its answers may be dead letters.
        restored: By changelog: the table that an engine restores.
        folded: By changelog: the last value of every key.
        actions: The shop's journal.
        conversations: By number, those that were begun here.
        dropped: Ids of the interactions in dropped files.
        stored: Ids of the interactions that the feature store holds.
    """

    journal: Journal
    decoded: dict[str, list[tuple[Entry, Any]]]
    committed: Mapping[str, Mapping[Source, tuple[int, str]]]
    poison: Mapping[Place, tuple[str, ...] | None] = field(default_factory=dict)
    broken_lines: int = 0
    expects_broken_answers: bool = False
    restored: Mapping[str, Mapping[str, TableEntry]] = field(default_factory=dict)
    folded: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    states: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    actions: Sequence[Mapping[str, Any]] = ()
    conversations: Mapping[str, Conversation] = field(default_factory=dict)
    dropped: Collection[UUID] = ()
    stored: Collection[UUID] = ()

    def records(self, topic: str, kind: type[Any]) -> list[Any]:
        return [value for _, value in self.decoded.get(topic, ()) if isinstance(value, kind)]

    @property
    def user_messages(self) -> dict[UUID, Message]:
        """By id: an edge may write a message twice, under the same id."""
        every: list[Message] = self.records("support.messages", Message)
        return {m.event_id: m for m in reversed(every) if m.kind is MessageKind.USER_MESSAGE}

    @property
    def repeatable(self) -> dict[UUID, int]:
        """By id: how often a poisoned message stands on its topic. Each copy is handled: a letter leaves no memory."""
        poisoned = {
            (letter.origin_topic, letter.origin_partition, letter.origin_offset)
            for letter in self.letters
            if letter.service == "firewall"
        }
        messages = self.decoded.get("support.messages", ())
        ids = {message.event_id for entry, message in messages if entry.place in poisoned}
        return Counter(message.event_id for _, message in messages if message.event_id in ids)

    @property
    def verdicts(self) -> list[Verdict]:
        return self.records("support.verdicts", Verdict)

    @property
    def replies(self) -> list[Reply]:
        return self.records("support.replies", Reply)

    @property
    def escalations(self) -> list[Escalation]:
        return self.records("support.escalations", Escalation)

    @property
    def letters(self) -> list[DeadLetter]:
        return self.records("support.dead-letters", DeadLetter)
