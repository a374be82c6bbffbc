"""Fakes of the ports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from floodgate.events import AvroModel, DeadLetter
from ingest.domain.timeline import Entry, TimelineEvent, entry_of, in_order

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def clock() -> datetime:
    return NOW


@dataclass
class FakeSink:
    """Keeps what it was given; fails or hangs on demand."""

    sent: list[tuple[str, str, AvroModel]] = field(default_factory=list)
    failure: Exception | None = None
    hangs: bool = False

    async def send(self, topic: str, key: str, value: AvroModel, headers: tuple[tuple[str, bytes], ...] = ()) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        if self.failure is not None:
            raise self.failure
        self.sent.append((topic, key, value))

    def on(self, topic: str) -> list[Any]:
        return [value for sent_topic, _, value in self.sent if sent_topic == topic]

    @property
    def dead_letters(self) -> list[DeadLetter]:
        return self.on("support.dead-letters")


@dataclass
class FakeTimeline:
    """Implements ports.Timeline in memory."""

    events: dict[str, TimelineEvent] = field(default_factory=dict)
    positions: dict[str, int] = field(default_factory=dict)
    failure: Exception | None = None

    async def write(self, event: TimelineEvent, position: int) -> None:
        if self.failure is not None:
            raise self.failure
        self.events[str(event.event_id)] = event
        self.positions[str(event.event_id)] = position

    async def read(self, conversation_id: str) -> list[Entry]:
        if self.failure is not None:
            raise self.failure
        found = [(key, e) for key, e in self.events.items() if e.conversation_id == conversation_id]
        return in_order([entry_of(event, self.positions.get(key, 0)) for key, event in found])

    async def known(self, event_ids: Sequence[str]) -> set[str]:
        if self.failure is not None:
            raise self.failure
        return set(event_ids) & set(self.events)


@dataclass
class FakeConversations:
    """Implements ports.IntercomConversations in memory."""

    documents: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    asked_since: list[datetime] = field(default_factory=list)
    failure: Exception | None = None
    refused: Exception | None = None

    async def conversation_document(self, conversation_id: str) -> Mapping[str, Any]:
        if self.refused is not None:
            raise self.refused
        if self.failure is not None:
            raise self.failure
        return self.documents[conversation_id]

    async def updated_since(self, since: datetime) -> AsyncIterator[str]:
        self.asked_since.append(since)
        if self.failure is not None:
            raise self.failure
        for conversation_id, document in self.documents.items():
            if document["updated_at"] >= since.timestamp():
                yield conversation_id


async def until(holds: Callable[[], object], seconds: float = 5.0) -> None:
    """Waits until something holds; fails when it does not within the time."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 (what is waited for is anything at all, no event of asyncio)
            await asyncio.sleep(0.001)
