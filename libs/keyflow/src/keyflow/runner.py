"""From one record to its outcomes: attempts, fallback, effects, dead letters. Knows no Kafka client."""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar, cast

from keyflow.errors import FatalError, OutageError, PoisonMessageError, RetryableError
from keyflow.kafka_io import Source, Write
from keyflow.retry import Backoff
from keyflow.table import Table
from keyflow.types import (
    KEEP,
    Effect,
    EffectResult,
    Emit,
    FailedRecord,
    Outcome,
    PendingEffect,
    Processor,
    Record,
    ResumingHandler,
    Tools,
    _Keep,
)

log = logging.getLogger(__name__)
S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Item:
    """Work of one key: a fetched record, or an effect that a restored table says is pending."""

    source: Source
    offset: int | None
    failed: FailedRecord | None
    key: str
    effect: Effect | None
    topic: str = ""


@dataclass(slots=True)
class Finished:
    """One outcome on its way into a transaction.

    Attributes:
        offset: The record's offset when it is finished with this outcome; None when its effect is still to run.
        wait_for_commit: True when an effect follows, which must not run before this is committed.
        kind: "outcome", "fallback", "dead_letter" or "expired", for the figures.
    """

    source: Source
    offset: int | None
    key: str
    writes: list[Write]
    state: Any | _Keep | None = KEEP
    effect: Effect | None = None
    clears_effect: bool = False
    changelog: str | None = None
    kind: str = "outcome"
    attempts: int = 1
    waiter: asyncio.Future[None] | None = None

    @property
    def wait_for_commit(self) -> bool:
        """Whether an effect waits for this to be committed."""
        return self.effect is not None

    def write_state(self, table: Table[Any] | None, now_ms: int) -> None:
        """Applies the state to the table and adds the changelog's record to the writes."""
        unchanged = self.state is KEEP and self.effect is None and not self.clears_effect
        if table is None or self.changelog is None or unchanged:
            return
        state = table.get(self.key) if self.state is KEEP else self.state
        value = table.put(self.key, state, self.effect, now_ms)
        self.writes.append(Write(self.changelog, self.key.encode(), value, (), self.source[1]))

    @classmethod
    def tombstone(cls, source: Source, key: str, table: Table[Any], now_ms: int) -> Finished:
        """Forgets a key that nobody wrote for longer than the table keeps it."""
        finished = cls(source, None, key, [], None, changelog=table.changelog, kind="expired")
        finished.write_state(table, now_ms)
        return finished


class RecordRunner(Generic[S]):
    """Runs a processor's handler and effects for one item at a time; many items may run at once."""

    def __init__(
        self,
        processor: Processor[S],
        max_message_bytes: int,
        clock_ms: Callable[[], int],
        backoff: Backoff,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if processor.effects and processor.state is None:
            raise ValueError(f"{processor.name}: effects need a state table, in which they wait for their result")
        self._processor = processor
        self._max_message_bytes = max_message_bytes
        self._clock_ms = clock_ms
        self._backoff = backoff
        self._monotonic = monotonic
        self._last_success = monotonic()

    async def run(self, item: Item, table: Table[S] | None) -> AsyncIterator[Finished]:
        """Yields the item's outcomes in order; the caller commits each before it asks for the next.

        Raises:
            FatalError: The process has to stop.
        """
        attempts = _Attempts()
        record: Record | None = None
        try:
            if item.effect is not None:
                result = await self._run_effect(PendingEffect(item.effect, item.key, maybe_repeated=True))
                outcome = await self._resume(result, item, table, attempts)
            else:
                record = self._decode(item)
                outcome = await self._handle(record, table, attempts)
            writes = self._encode(outcome)
            while outcome.effect is not None:
                yield self._finished(item, outcome, writes, attempts, last=False)
                result = await self._run_effect(PendingEffect(outcome.effect, item.key))
                outcome = await self._resume(result, item, table, attempts)
                writes = self._encode(outcome)
            yield self._finished(item, outcome, writes, attempts, last=True)
        except PoisonMessageError as error:
            yield self._dead_letter(item, record, error, attempts)

    def _decode(self, item: Item) -> Record:
        failed = item.failed
        assert failed is not None
        if not item.key:
            raise PoisonMessageError("the record has no key in UTF-8")
        if failed.raw_value is None:
            raise PoisonMessageError("the record has no value")
        try:
            value = self._processor.decode(item.topic, failed.raw_value)
        except (FatalError, RetryableError, PoisonMessageError):
            raise
        except Exception as error:
            raise PoisonMessageError(f"cannot be decoded: {type(error).__name__}") from error
        return Record(item.topic, failed.partition, failed.offset, item.key, value, failed.headers, failed.timestamp_ms)

    async def _handle(self, record: Record, table: Table[S] | None, attempts: _Attempts) -> Outcome[S]:
        budget = self._processor.budget_seconds
        began = self._monotonic()
        tools = Tools(self._clock_ms, lambda: budget - (self._monotonic() - began))
        fallback = self._processor.fallback
        while True:
            attempts.count += 1
            state = table.get(record.key) if table is not None else None
            left = budget - (self._monotonic() - began)
            try:
                # At least a moment, so that an attempt after a long outage can still succeed.
                async with asyncio.timeout(max(left, 1.0)):
                    tried = replace(record, attempt=attempts.count)
                    outcome = await self._processor.handler.handle(tried, state, tools)
            except (PoisonMessageError, FatalError):
                raise
            except (RetryableError, OutageError, TimeoutError) as error:
                asked = error.retry_after_seconds if isinstance(error, RetryableError) else None
                delay = self._backoff.delay_seconds(attempts.count, asked)
                reason = str(error) or "the time budget was spent waiting"
                spent = self._monotonic() - began + delay >= budget
                if fallback is not None and (spent or isinstance(error, OutageError)):
                    attempts.fallback = True
                    return fallback(record, state, reason)
                if spent and not isinstance(error, OutageError) and self._last_success > began:
                    attempts.error_class = "retries_exhausted"
                    raise PoisonMessageError(f"time budget of {budget:.0f} s spent: {reason}") from error
                log.warning(
                    "keyflow.retry processor=%s attempt=%d reason=%s",
                    self._processor.name,
                    attempts.count,
                    reason,
                )
                await asyncio.sleep(delay)
            except Exception as error:
                raise PoisonMessageError(_where(error)) from error
            else:
                self._last_success = self._monotonic()
                return outcome

    async def _resume(
        self, result: EffectResult, item: Item, table: Table[S] | None, attempts: _Attempts
    ) -> Outcome[S]:
        handler = cast(ResumingHandler[S], self._processor.handler)
        began = self._monotonic()
        budget = self._processor.budget_seconds
        tools = Tools(self._clock_ms, lambda: budget - (self._monotonic() - began))
        attempts.resumed = True
        count = 0
        while True:
            count += 1
            state = table.get(item.key) if table is not None else None
            try:
                return await handler.resume(result, item.key, state, tools)
            except (PoisonMessageError, FatalError):
                raise
            except (RetryableError, OutageError) as error:
                # The effect is done: its result must not be lost to a passing fault.
                log.warning(
                    "keyflow.resume_retry processor=%s attempt=%d reason=%s",
                    self._processor.name,
                    count,
                    error,
                )
                await asyncio.sleep(self._backoff.delay_seconds(count, None))
            except Exception as error:
                raise PoisonMessageError(_where(error)) from error

    async def _run_effect(self, pending: PendingEffect) -> EffectResult:
        effect = pending.effect
        function = self._processor.effects.get(effect.kind)
        if function is None:
            raise PoisonMessageError(f"no effect of the kind {effect.kind!r} is known to this version")
        began = self._monotonic()
        attempt = 0
        while True:
            attempt += 1
            if effect.expires_at_ms is not None and self._clock_ms() >= effect.expires_at_ms:
                return EffectResult(effect, "expired", {}, pending.maybe_repeated)
            try:
                value: Mapping[str, Any] = await function(pending)
            except PoisonMessageError as error:
                return EffectResult(effect, "refused", {"error": error.reason}, pending.maybe_repeated)
            except FatalError:
                raise
            except (RetryableError, OutageError) as error:
                asked = error.retry_after_seconds if isinstance(error, RetryableError) else None
                delay = self._backoff.delay_seconds(attempt, asked)
                spent = self._monotonic() - began + delay >= self._processor.budget_seconds
                if spent and isinstance(error, RetryableError) and self._last_success > began:
                    return EffectResult(effect, "failed", {"error": str(error)}, pending.maybe_repeated)
                log.warning("keyflow.effect_retry kind=%s attempt=%d reason=%s", effect.kind, attempt, error)
                # The earlier try may have arrived without an answer.
                pending = replace(pending, maybe_repeated=True)
                await asyncio.sleep(delay)
            except Exception as error:
                return EffectResult(effect, "failed", {"error": _where(error)}, pending.maybe_repeated)
            else:
                self._last_success = self._monotonic()
                return EffectResult(effect, "done", value, pending.maybe_repeated)

    def _encode(self, outcome: Outcome[S]) -> list[Write]:
        return [self._write(emit) for emit in outcome.events]

    def _write(self, emit: Emit) -> Write:
        try:
            value = None if emit.value is None else self._processor.encode(emit.topic, emit.value)
        except (FatalError, RetryableError):
            raise
        except Exception as error:
            raise PoisonMessageError(f"output for {emit.topic} breaks its schema: {type(error).__name__}") from error
        if value is not None and len(value) > self._max_message_bytes:
            raise PoisonMessageError(
                f"output for {emit.topic} has {len(value)} bytes, more than the {self._max_message_bytes} allowed"
            )
        return Write(emit.topic, emit.key.encode(), value, emit.headers)

    def _finished(
        self, item: Item, outcome: Outcome[S], writes: list[Write], attempts: _Attempts, *, last: bool
    ) -> Finished:
        return Finished(
            source=item.source,
            offset=item.offset if last else None,
            key=item.key,
            writes=writes,
            state=outcome.state,
            effect=outcome.effect,
            clears_effect=attempts.resumed,
            changelog=self._processor.state.changelog if self._processor.state else None,
            kind="fallback" if attempts.fallback else "outcome",
            attempts=max(attempts.count, 1),
        )

    def _dead_letter(
        self, item: Item, record: Record | None, error: PoisonMessageError, attempts: _Attempts
    ) -> Finished:
        cause = error.__cause__
        base = item.failed or _effect_as_failed(item)
        failed = replace(
            base,
            error_class=attempts.error_class,
            error_type=type(cause or error).__name__,
            reason=error.reason,
            attempts=max(attempts.count, 1),
            raw_output=error.raw_output,
        )
        log.error("keyflow.dead_letter processor=%s topic=%s offset=%d class=%s reason=%s",
                  self._processor.name, failed.topic, failed.offset, failed.error_class, failed.reason)  # fmt: skip
        emits = [self._processor.dead_letter(failed)]
        if self._processor.on_poison is not None:
            emits += self._processor.on_poison(failed, record)
        return Finished(
            source=item.source,
            offset=item.offset,
            key=item.key,
            writes=[self._write_unbounded(emit) for emit in emits],
            clears_effect=attempts.resumed or item.effect is not None,
            changelog=self._processor.state.changelog if self._processor.state else None,
            kind="dead_letter",
            attempts=failed.attempts,
        )

    def _write_unbounded(self, emit: Emit) -> Write:
        # Whatever could be read can be written: topics of dead letters take larger records than others.
        return Write(emit.topic, emit.key.encode(), self._processor.encode(emit.topic, emit.value), emit.headers)


@dataclass(slots=True)
class _Attempts:
    count: int = 0
    fallback: bool = False
    resumed: bool = False
    error_class: str = "poison"


def _effect_as_failed(item: Item) -> FailedRecord:
    topic, partition = item.source
    return FailedRecord(topic, partition, -1, 0, item.key.encode(), None, ())


def _where(error: Exception) -> str:
    """Names the type and the place; the message may hold customer text and stays out."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno}" if frames else ""
    return f"unexpected {type(error).__name__}{place}"
