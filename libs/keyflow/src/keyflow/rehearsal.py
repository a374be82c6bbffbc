"""A dry run: today's handler on a record that failed, with the key's current state, and nothing of it committed.

It goes the engine's own way (decode, budget, fallback, poison, encoding and size of outputs) with a table that is read
from the changelog and thrown away. No consumer group is joined, nothing is produced, an effect is shown and not run.
What the handler itself calls, it calls: a model that costs money, or a look-up elsewhere.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar, cast

from confluent_kafka import KafkaException

from keyflow.config import EngineConfig
from keyflow.errors import FatalError, KeyflowError, OutageError, RetryableError
from keyflow.parking import Parked, Turn, number_in, turn, with_number
from keyflow.restore import ChangelogReader
from keyflow.retry import Backoff
from keyflow.runner import RecordRunner
from keyflow.table import Entry, Table, decode_entry
from keyflow.types import (
    Effect,
    Emit,
    FailedRecord,
    Handler,
    Outcome,
    Processor,
    Record,
    ResumingHandler,
    StateSpec,
    Tools,
)
from keyflow.work import Assignment, Finished, Item, text_of

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the record would fail: as its dead letter would say, or what the engine would wait for."""

    error_class: str
    error_type: str
    reason: str
    raw_output: str | None = None


@dataclass(frozen=True, slots=True)
class Rehearsal(Generic[S]):
    """What would happen.

    Attributes:
        kind: "outcome", "fallback", "dead_letter", or "stopped": no outcome within the time, or a fatal error.
        turn: Whether the record would be handled at all, should its key be parked.
        outputs: Records that would be written, their values as the handler made them; no dead letter.
        state: What is known of the key afterwards; `state_before` is what it is now.
        effect: What would be done outside next.
    """

    kind: str
    turn: Turn = Turn.NOW
    outputs: tuple[Emit, ...] = ()
    state_before: S | None = None
    state: S | None = None
    effect: Effect | None = None
    failure: Failure | None = None


class KeyTable(Table[S]):
    """The table of one key, as if it were not parked; what others write is left out."""

    def __init__(self, spec: StateSpec[S], key: str) -> None:
        super().__init__(spec)
        self._key = key
        self.was_parked: Parked | None = None

    def restore(self, key: str, value: bytes | None) -> None:
        """Applies one changelog record, if it is the key's.

        Raises:
            ValueError: The bytes are not an entry.
        """
        if key == self._key:
            entry = Entry(None, None, 0) if value is None else decode_entry(value)
            self.was_parked = entry.parked
            self.put(key, replace(entry, parked=None))


def restored_key(processor: Processor[S], config: EngineConfig, key: str, partition: int) -> KeyTable[S] | None:
    """The key's current state, read from its partition of the changelog; None without a table.

    Raises:
        FatalError: The changelog cannot be read.
    """
    if processor.state is None:
        return None
    table = KeyTable(processor.state, key)
    changelog = processor.state.changelog
    try:
        with ChangelogReader[S](config, changelog) as reader:
            reader.restore({partition: table}, reader.ends({partition}))
    except KafkaException as error:
        raise FatalError(f"{changelog}/{partition} cannot be read: {error.args[0].str()}") from error
    return table


async def rehearse(
    processor: Processor[S],
    failed: FailedRecord,
    table: KeyTable[S] | None,
    *,
    max_message_bytes: int = 1_000_000,
    clock_ms: Callable[[], int] = lambda: int(time.time() * 1000),
    within_seconds: float | None = None,
) -> Rehearsal[S]:
    """Handles a record that failed, for show.

    Args:
        processor: Today's.
        failed: The record, its topic being the one that it first came from.
        table: Its key's, from `restored_key`; it is changed.
        max_message_bytes: As the engine has it.
        clock_ms: Wall clock.
        within_seconds: How long an outage is waited for; the record's budget by default.

    Raises:
        ValueError: The handler writes outside by itself, so a rehearsal would be the performance.
    """
    if processor.writes_outside:
        raise ValueError(
            f"{processor.name} writes outside Kafka in its handler, so that running it is doing it: redrive the record"
        )
    key = text_of(failed.raw_key)
    before = None if table is None else table.get(key)
    stage = _Stage(processor, table)
    runner = RecordRunner(stage.processor, max_message_bytes, clock_ms, Backoff())
    try:
        async with asyncio.timeout(processor.budget_seconds if within_seconds is None else within_seconds):
            await runner.run(_item(failed, key), table, stage.deliver)
    except _EffectDecided:
        pass
    except TimeoutError:
        stage.failure = _waits(stage.watched.last)
    except KeyflowError as error:
        stage.failure = Failure("fatal", type(error).__name__, str(error))
    whose = turn(table.was_parked, number_in(failed.headers)) if table is not None else Turn.NOW
    after = None if table is None else table.get(key)
    return stage.result(whose, before, after)


class _EffectDecided(Exception):
    """The show ends where the effect would begin."""


class _Watched(Generic[S]):
    """The handler, and what it last waited for."""

    def __init__(self, handler: Handler[S]) -> None:
        self._handler = handler
        self.last: Exception | None = None

    async def handle(self, record: Record, state: S | None, tools: Tools) -> Outcome[S]:
        try:
            return await self._handler.handle(record, state, tools)
        except (RetryableError, OutageError) as error:
            self.last = error
            raise

    async def resume(self, result: Any, key: str, state: S | None, tools: Tools) -> Outcome[S]:
        return await cast(ResumingHandler[S], self._handler).resume(result, key, state, tools)


class _Stage(Generic[S]):
    """The processor with everything noted that it gives away."""

    def __init__(self, processor: Processor[S], table: Table[S] | None) -> None:
        self._changelog = None if table is None else table.changelog
        self._original = processor
        self._values: dict[tuple[str, bytes], Any] = {}
        self._finished: Finished | None = None
        self.failure: Failure | None = None
        self.watched = _Watched(processor.handler)
        self.processor = replace(
            processor, handler=self.watched, encode=self._encode, dead_letter=self._dead_letter, parking=False
        )

    def deliver(self, finished: Finished) -> Awaitable[None] | None:
        self._finished = finished
        if finished.effect is not None:
            raise _EffectDecided
        return None

    def result(self, whose: Turn, before: S | None, after: S | None) -> Rehearsal[S]:
        done = self._finished
        if done is None:
            return Rehearsal("stopped", whose, (), before, after, None, self.failure)
        writes = done.writes[1:] if done.kind == "dead_letter" else done.writes
        outputs = tuple(
            Emit(write.topic, (write.key or b"").decode(), self._values.get((write.topic, write.value or b"")),
                 write.headers)
            for write in writes
            if write.topic != self._changelog
        )  # fmt: skip
        return Rehearsal(done.kind, whose, outputs, before, after, done.effect, self.failure)

    def _encode(self, topic: str, value: Any) -> bytes:
        data = self._original.encode(topic, value)
        self._values[topic, data] = value
        return data

    def _dead_letter(self, failed: FailedRecord) -> Emit:
        self.failure = Failure(failed.error_class, failed.error_type, failed.reason, failed.raw_output)
        return self._original.dead_letter(failed)


def _item(failed: FailedRecord, key: str) -> Item:
    assignment: Assignment[Any] = Assignment(max(failed.partition, 0), {})
    headers = with_number(failed.headers, None)
    return Item(
        assignment, failed.topic, failed.offset, failed.topic, key, failed.raw_key, failed.raw_value, headers,
        failed.timestamp_ms,
    )  # fmt: skip


def _waits(last: Exception | None) -> Failure:
    if last is None:
        return Failure("retryable", "TimeoutError", "the handler did not come to an end within the time")
    kind = "outage" if isinstance(last, OutageError) else "retryable"
    return Failure(kind, type(last).__name__, f"it would be tried again: {last}")
