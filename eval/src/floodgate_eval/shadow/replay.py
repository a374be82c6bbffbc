"""Conversations through a service's own processor, from their beginning, with the state in memory and no effect run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast
from uuid import UUID

from floodgate.events.generated import AvroModel
from keyflow import (
    KEEP,
    FailedRecord,
    OutageError,
    Outcome,
    PoisonMessageError,
    Processor,
    Record,
    RetryableError,
    Tools,
)
from keyflow.types import ResumingHandler

from floodgate_eval.shadow.asking import one_conversation
from floodgate_eval.shadow.history import Conversation, Entry, History
from floodgate_eval.shadow.taken import About, Subject, Taken

_MOST_EFFECTS: Final = 20
"""After one record; more is a workflow that goes round in circles, which the agent's own limits end before."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One record and what both versions decided about it.

    Attributes:
        follows: The conversation had gone another way before, and what the customer wrote here answers the live
            version: what the other one would have made of it is a guess.
        recorded: What the live version decided when it happened; None where nothing was recorded.
    """

    about: About
    before: Taken
    after: Taken
    follows: bool = False
    recorded: Taken | None = None


@dataclass(frozen=True, slots=True)
class Sides:
    """The processors; without `live` the recorded decisions are compared with."""

    subject: Subject
    candidate: Processor[Any]
    live: Processor[Any] | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """One conversation.

    Attributes:
        unrecorded: Records in the window without a recorded decision of a model: dead letters, not decided yet, or
            decided by local rules while the model was out.
    """

    pairs: tuple[Pair, ...]
    unrecorded: int = 0


async def compare_conversation(conversation: Conversation, history: History, sides: Sides) -> Compared:
    """Both versions over one conversation.

    Raises:
        FatalError: Credentials, access, the model, the budget or the shop do not allow it.
    """
    subject = sides.subject
    with one_conversation():
        live = await decisions(conversation, history, subject, sides.live) if sides.live is not None else None
        candidate = await decisions(conversation, history, subject, sides.candidate)
    pairs: list[Pair] = []
    unrecorded, moved = 0, False
    for entry, after in candidate.values():
        recorded = subject.taken(entry, history.made.get(event_id(entry), ()))
        if recorded is not None and recorded.failed:
            # What was decided while the model was out is no version's decision.
            recorded = None
        unrecorded += recorded is None
        before = recorded if live is None else live.get(event_id(entry), (entry, None))[1]
        if before is not None:
            pairs.append(Pair(subject.about(entry), before, after, moved, recorded))
            moved = moved or before.moved(after)
    return Compared(tuple(pairs), unrecorded)


async def decisions(
    conversation: Conversation, history: History, subject: Subject, processor: Processor[Any]
) -> dict[UUID, tuple[Entry, Taken]]:
    """What one version decides about the records of the window, in order, by their event ids."""
    made_before = [record for entry in conversation.entries for record in history.made.get(event_id(entry), ())]
    run = _Run(subject, processor, made_before)
    found: dict[UUID, tuple[Entry, Taken]] = {}
    for entry in conversation.entries:
        compared = subject.decides(entry) and history.window.holds(entry)
        if not compared and run.skip(entry, history.made.get(event_id(entry), ())):
            continue
        made, failed = await run.handle(entry)
        taken = subject.taken(entry, made, failed) if compared else None
        if taken is not None:
            # A record that came twice was decided about once.
            found.setdefault(event_id(entry), (entry, taken))
    return found


def event_id(entry: Entry) -> UUID:
    """Of the record's value; every record has one."""
    return cast(UUID, cast(Any, entry.value).event_id)


class _Run:
    """One version in one conversation: the state, and the handler's outcomes as the engine would take them."""

    def __init__(self, subject: Subject, processor: Processor[Any], recorded: Sequence[AvroModel]) -> None:
        self._subject = subject
        self._processor = processor
        self._recorded = recorded
        self._state: Any = None

    def skip(self, entry: Entry, made: Sequence[AvroModel]) -> bool:
        """Whether what was recorded tells enough of the state; then it is taken."""
        possible, state = self._subject.known_without(entry, self._state, made)
        if possible:
            self._state = state
        return possible

    async def handle(self, entry: Entry) -> tuple[list[AvroModel], str]:
        """What would be written, and why no model answered where none did."""
        tools = Tools(now_ms=lambda: entry.timestamp_ms, remaining_seconds=lambda: None)
        record = Record(entry.topic, entry.partition, entry.offset, entry.key, entry.value, (), entry.timestamp_ms)
        failed = ""
        try:
            outcome = await self._processor.handler.handle(record, self._state, tools)
        except (RetryableError, OutageError) as error:
            failed = type(error).__name__
            outcome = self._fallback(record, failed)
        except PoisonMessageError as error:
            failed = type(error).__name__
            outcome = self._on_poison(record)
        made = self._took(outcome)
        for _ in range(_MOST_EFFECTS):
            if outcome.effect is None:
                break
            result = self._subject.answered(outcome.effect, self._recorded)
            handler = cast(ResumingHandler[Any], self._processor.handler)
            outcome = await handler.resume(result, entry.key, self._state, tools)
            made += self._took(outcome)
        return made, failed

    def _took(self, outcome: Outcome[Any]) -> list[AvroModel]:
        if outcome.state is not KEEP:
            self._state = outcome.state
        return [emit.value for emit in outcome.events if isinstance(emit.value, AvroModel)]

    def _fallback(self, record: Record, reason: str) -> Outcome[Any]:
        # In production the engine comes back with this when the budget is spent: nobody waits for a model.
        if self._processor.fallback is None:
            return Outcome()
        return self._processor.fallback(record, self._state, reason)

    def _on_poison(self, record: Record) -> Outcome[Any]:
        if self._processor.on_poison is None:
            return Outcome()
        failed = FailedRecord(
            record.topic, record.partition, record.offset, record.timestamp_ms, record.key.encode(), None, ()
        )
        return self._processor.on_poison(failed, record, self._state)
