"""From one record to its outcomes: attempts, fallback, effects, dead letters. Knows no Kafka client."""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, TypeVar, cast

from keyflow.breaker import CircuitBreaker
from keyflow.config import DEAD_LETTER_ROOM_BYTES
from keyflow.errors import FatalError, OutageError, PoisonMessageError, RetryableError
from keyflow.retry import Backoff
from keyflow.table import Entry, Table, encode_entry
from keyflow.types import (
    KEEP,
    EffectResult,
    Emit,
    Outcome,
    PendingEffect,
    Processor,
    Record,
    ResumingHandler,
    Tools,
)
from keyflow.within import within
from keyflow.work import Finished, Item, Write

log = logging.getLogger(__name__)
S = TypeVar("S")

_SHORTEST_ATTEMPT_SECONDS: Final = 1.0

Deliver = Callable[[Finished], Awaitable[None] | None]
"""Takes an outcome; what it returns, if anything, is done once the outcome is committed."""


class RecordRunner(Generic[S]):
    """Runs a processor's handler and effects for one item at a time; many items may run at once."""

    def __init__(
        self,
        processor: Processor[S],
        max_message_bytes: int,
        clock_ms: Callable[[], int],
        backoff: Backoff,
        *,
        breaker: CircuitBreaker | None = None,
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
        self.breaker = breaker or CircuitBreaker()

    async def run(self, item: Item, table: Table[S] | None, deliver: Deliver) -> None:
        """Delivers the item's outcomes in order, each committed before its effect runs.

        Raises:
            FatalError: The process has to stop.
        """
        attempts = _Attempts()
        record: Record | None = None
        try:
            if item.effect is None:
                record = self._decode(item)
                outcome = await self._handle(record, table, attempts)
            else:
                pending = PendingEffect(item.effect, item.key, maybe_repeated=True)
                outcome = await self._resume(await self._run_effect(pending), item, table, attempts)
            while outcome.effect is not None:
                committed = deliver(self._finished(item, outcome, table, attempts))
                if committed is not None:
                    await committed
                result = await self._run_effect(PendingEffect(outcome.effect, item.key))
                outcome = await self._resume(result, item, table, attempts)
            finished = self._finished(item, outcome, table, attempts)
        except PoisonMessageError as error:
            finished = self._dead_letter(item, record, error, table, attempts)
        deliver(finished)

    def _decode(self, item: Item) -> Record:
        if not item.key:
            raise PoisonMessageError("the record has no key in UTF-8")
        if item.raw_value is None:
            raise PoisonMessageError("the record has no value")
        try:
            value = self._processor.decode(item.topic, item.raw_value)
        except (FatalError, RetryableError, PoisonMessageError):
            raise
        except Exception as error:
            raise PoisonMessageError(f"cannot be decoded: {type(error).__name__}") from error
        offset = item.offset or 0
        return Record(item.topic, item.assignment.partition, offset, item.key, value, item.headers, item.timestamp_ms)

    # Handling

    async def _handle(self, record: Record, table: Table[S] | None, attempts: _Attempts) -> Outcome[S]:
        budget = _Budget(self._processor.budget_seconds, self._monotonic)
        tools = Tools(self._clock_ms, budget.left_seconds)
        handle = self._processor.handler.handle
        while True:
            attempts.count += 1
            if self.breaker.is_open and self._processor.fallback is None:
                budget.pause(await self._wait_out())
            if attempts.count > 1:
                record = replace(record, attempt=attempts.count)
            state = None if table is None else self._state(table, record.key)
            # At least a moment, so that an attempt after a long outage can still succeed.
            seconds = max(budget.left_seconds(), _SHORTEST_ATTEMPT_SECONDS)
            try:
                outcome: Outcome[S] = await within(seconds, cast(Any, handle(record, state, tools)))
            except (RetryableError, OutageError, TimeoutError) as error:
                self.breaker.failed(self._monotonic())
                fallen_back = await self._after_failure(error, record, table, budget, attempts)
                if fallen_back is not None:
                    return fallen_back
            except (PoisonMessageError, FatalError):
                raise
            except Exception as error:
                raise PoisonMessageError(_where(error)) from error
            else:
                self._last_success = now = self._monotonic()
                self.breaker.succeeded(now)
                return outcome

    async def _after_failure(
        self,
        error: RetryableError | OutageError | TimeoutError,
        record: Record,
        table: Table[S] | None,
        budget: _Budget,
        attempts: _Attempts,
    ) -> Outcome[S] | None:
        """Waits before the next attempt, or gives the outcome without one."""
        fallback = self._processor.fallback
        outage = isinstance(error, OutageError) or self.breaker.is_open
        asked = error.retry_after_seconds if isinstance(error, RetryableError) else None
        delay = self._backoff.delay_seconds(attempts.count, asked)
        reason = str(error) or "the time budget was spent waiting"
        spent = delay >= budget.left_seconds()
        if fallback is not None and (spent or outage):
            attempts.fallback = True
            return fallback(record, self._state(table, record.key), reason)
        if spent and not outage and self._last_success > budget.began:
            attempts.error_class = "retries_exhausted"
            raise PoisonMessageError(
                f"time budget of {self._processor.budget_seconds:.0f} s spent: {reason}"
            ) from error
        name = self._processor.name
        log.warning("keyflow.retry processor=%s attempt=%d reason=%s", name, attempts.count, reason)
        await asyncio.sleep(delay)
        return None

    async def _wait_out(self) -> float:
        """Waits until the breaker lets a call through; how long that took."""
        began = self._monotonic()
        while True:
            now = self._monotonic()
            delay = self.breaker.wait_seconds(now)
            if delay <= 0:
                return now - began
            await asyncio.sleep(delay)

    def _state(self, table: Table[S] | None, key: str) -> S | None:
        try:
            return None if table is None else table.get(key)
        except Exception as error:
            changelog = "" if table is None else table.changelog
            raise FatalError(f"{changelog}: a state cannot be decoded: {_where(error)}") from error

    # Effects

    async def _resume(
        self, result: EffectResult, item: Item, table: Table[S] | None, attempts: _Attempts
    ) -> Outcome[S]:
        handler = cast(ResumingHandler[S], self._processor.handler)
        budget = _Budget(self._processor.budget_seconds, self._monotonic)
        tools = Tools(self._clock_ms, budget.left_seconds)
        count = 0
        attempts.resumed = True
        while True:
            count += 1
            try:
                return await handler.resume(result, item.key, self._state(table, item.key), tools)
            except (PoisonMessageError, FatalError):
                raise
            except (RetryableError, OutageError) as error:
                # The effect is done: its result must not be lost to a passing fault.
                name = self._processor.name
                log.warning("keyflow.resume_retry processor=%s attempt=%d reason=%s", name, count, error)
                await asyncio.sleep(self._backoff.delay_seconds(count, None))
            except Exception as error:
                raise PoisonMessageError(_where(error)) from error

    async def _run_effect(self, pending: PendingEffect) -> EffectResult:
        effect = pending.effect
        function = self._processor.effects.get(effect.kind)
        if function is None:
            raise PoisonMessageError(f"no effect of the kind {effect.kind!r} is known to this version")
        budget = _Budget(self._processor.budget_seconds, self._monotonic)
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
                spent = delay >= budget.left_seconds()
                if spent and isinstance(error, RetryableError) and self._last_success > budget.began:
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

    # Outcomes

    def _finished(self, item: Item, outcome: Outcome[S], table: Table[S] | None, attempts: _Attempts) -> Finished:
        writes = [self._write(emit) for emit in outcome.events]
        if table is not None and (outcome.state is not KEEP or outcome.effect is not None or attempts.resumed):
            self._write_state(item, outcome, table, writes)
        return Finished(
            item,
            item.offset if outcome.effect is None else None,
            writes,
            outcome.effect,
            "fallback" if attempts.fallback else "outcome",
            max(attempts.count, 1),
        )

    def _write(self, emit: Emit) -> Write:
        try:
            value = None if emit.value is None else self._processor.encode(emit.topic, emit.value)
        except (FatalError, RetryableError):
            raise
        except Exception as error:
            raise PoisonMessageError(f"output for {emit.topic} breaks its schema: {type(error).__name__}") from error
        return self._checked(Write(emit.topic, emit.key.encode(), value, emit.headers), "output for")

    def _write_state(self, item: Item, outcome: Outcome[S], table: Table[S], writes: list[Write]) -> None:
        spec = self._processor.state
        assert spec is not None
        state = outcome.state
        try:
            data = table.raw(item.key) if state is KEEP else None if state is None else spec.encode(state)
            entry = Entry(data, outcome.effect, self._clock_ms())
            value = encode_entry(entry)
        except Exception as error:
            raise PoisonMessageError(f"the state cannot be encoded: {type(error).__name__}") from error
        write = Write(spec.changelog, item.key.encode(), value, (), item.assignment.partition)
        writes.append(self._checked(write, "state in"))
        # Nothing of the outcome can fail any more: the key's next record may see it.
        table.put(item.key, entry)

    def _checked(self, write: Write, what: str) -> Write:
        if write.size_bytes > self._max_message_bytes:
            raise PoisonMessageError(
                f"{what} {write.topic} has {write.size_bytes} bytes, more than the {self._max_message_bytes} allowed"
            )
        return write

    def _dead_letter(
        self, item: Item, record: Record | None, error: PoisonMessageError, table: Table[S] | None, attempts: _Attempts
    ) -> Finished:
        failed = replace(
            item.as_failed(),
            error_class=attempts.error_class,
            error_type=type(error.__cause__ or error).__name__,
            reason=error.reason,
            attempts=max(attempts.count, 1),
            raw_output=error.raw_output,
        )
        log.error("keyflow.dead_letter processor=%s topic=%s partition=%d offset=%d class=%s reason=%s",
                  self._processor.name, failed.topic, failed.partition, failed.offset, failed.error_class,
                  failed.reason)  # fmt: skip
        try:
            letter = self._unchecked(self._processor.dead_letter(failed))
            if letter.size_bytes > self._max_message_bytes + DEAD_LETTER_ROOM_BYTES:
                letter = self._unchecked(self._processor.dead_letter(replace(failed, raw_output=None)))
            more = self._processor.on_poison(failed, record) if self._processor.on_poison is not None else ()
            writes = [letter, *(self._write(emit) for emit in more)]
            if table is not None and (attempts.resumed or item.effect is not None):
                self._write_state(item, Outcome(), table, writes)
        except Exception as second:
            place = f"{failed.topic}/{failed.partition}/{failed.offset}"
            raise FatalError(f"the dead letter of {place} cannot be written: {_where(second)}") from second
        return Finished(item, item.offset, writes, kind="dead_letter", attempts=failed.attempts)

    def _unchecked(self, emit: Emit) -> Write:
        # Whatever could be read can be written: topics of dead letters take larger records than others.
        return Write(emit.topic, emit.key.encode(), self._processor.encode(emit.topic, emit.value), emit.headers)


@dataclass(slots=True)
class _Attempts:
    count: int = 0
    fallback: bool = False
    resumed: bool = False
    error_class: str = "poison"


class _Budget:
    """A record's time, monotonic from its first attempt; an outage that is waited out does not count."""

    __slots__ = ("_monotonic", "_paused", "_seconds", "began")

    def __init__(self, seconds: float, monotonic: Callable[[], float]) -> None:
        self._seconds = seconds
        self._monotonic = monotonic
        self._paused = 0.0
        self.began = monotonic()

    def pause(self, seconds: float) -> None:
        self._paused += seconds

    def left_seconds(self) -> float:
        return self._seconds + self._paused - (self._monotonic() - self.began)


def _where(error: Exception) -> str:
    """Names the type and the place; the message may hold customer text and stays out."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno}" if frames else ""
    return f"unexpected {type(error).__name__}{place}"
