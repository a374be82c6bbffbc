"""From one record to its outcomes: attempts, fallback, effects, dead letters. Knows no Kafka client."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Any, Final, Generic, TypeVar, cast

from keyflow.breaker import CircuitBreaker
from keyflow.errors import FatalError, OutageError, PoisonMessageError, RetryableError
from keyflow.leaving import resting
from keyflow.outcomes import FIRST_ATTEMPT, Attempts, Outcomes, state_of, where
from keyflow.parking import check
from keyflow.retry import Backoff
from keyflow.table import Table
from keyflow.types import (
    EffectResult,
    Outcome,
    PendingEffect,
    Processor,
    Record,
    ResumingHandler,
    Tools,
)
from keyflow.within import Limit, TimeLimits
from keyflow.work import Finished, Item

log = logging.getLogger(__name__)
S = TypeVar("S")

_SHORTEST_ATTEMPT_SECONDS: Final = 1.0
_MOMENT_SECONDS: Final = 0.005

Deliver = Callable[[Finished], Awaitable[None] | None]
"""Takes an outcome; what it returns, if anything, is done once the outcome is committed."""


class RecordRunner(Generic[S]):
    """Runs a processor's handler and effects for one item at a time; many items may run at once.

    Attributes:
        behind: The items that wait behind the one that the caller handles, of its key; None where nobody can tell.
    """

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
        check(processor)
        self._processor = processor
        self._outcomes = Outcomes(processor, max_message_bytes, clock_ms)
        self._first_seconds = max(processor.budget_seconds, _SHORTEST_ATTEMPT_SECONDS)
        self.limits = TimeLimits(monotonic)
        self._clock_ms = clock_ms
        self._backoff = backoff
        self._monotonic = monotonic
        self._last_success = monotonic()
        self.breaker = breaker or CircuitBreaker()
        self.behind: Callable[[], Sequence[Item]] | None = None
        self._budget = self._new_budget(-inf)
        # Watches only: effects are decided already, and each keeps trying by itself.
        self.effects_breaker = CircuitBreaker()

    async def run(self, item: Item, table: Table[S] | None, deliver: Deliver) -> None:
        """Delivers all outcomes of an item in order, each committed before its effect runs.

        Raises:
            FatalError: The process has to stop.
        """
        with self.limits.limit() as limit:
            deliver(await self.handled(item, table, deliver, limit))

    async def handled(self, item: Item, table: Table[S] | None, deliver: Deliver, limit: Limit) -> Finished:
        """The item's last outcome; those before it, whose effects run here, go to `deliver`.

        Nearly every record takes the way through this function alone, so it makes nothing that can be shared. The limit
        is the current task's, for the handler's attempts.

        Raises:
            FatalError: The process has to stop.
        """
        if table is not None and (table.parked_keys or item.source_topic == self._processor.redrive_topic):
            held = self._outcomes.held(item, table) if item.effect is None else None
            if held is not None:
                return held
        now = self._monotonic()
        if now - self._budget.began > _MOMENT_SECONDS:
            self._budget = self._new_budget(now)
        budget = self._budget
        record: Record | None = None
        outcome: Outcome[S] | None = None
        failed: Exception | None = None
        if item.effect is None and not self.breaker.is_open:
            try:
                record = self._decode(item)
                handling = self._called(record, table, budget)
                outcome = await self.limits.within(limit, budget.began + self._first_seconds, handling)
                self._worked(self._monotonic())
                if outcome.effect is None:
                    return self._outcomes.finished(item, outcome, table, FIRST_ATTEMPT)
            except FatalError:
                raise
            except Exception as error:
                failed = error
        tried = record is not None or failed is not None
        course = _Course(self._new_budget(budget.began), limit, Attempts(int(tried)), record, outcome, failed)
        return await self._go_on(course, item, table, deliver)

    async def _go_on(self, course: _Course[S], item: Item, table: Table[S] | None, deliver: Deliver) -> Finished:
        attempts = course.attempts
        try:
            if item.effect is None:
                outcome = course.outcome or await self._handle(course, item, table)
            else:
                pending = PendingEffect(item.effect, item.key, maybe_repeated=True)
                outcome = await self._resume(await self._run_effect(pending), item, table, attempts)
            while outcome.effect is not None:
                committed = deliver(await self._encoded(item, outcome, table, attempts))
                attempts.decided = True
                if committed is not None:
                    await committed
                result = await self._run_effect(PendingEffect(outcome.effect, item.key))
                outcome = await self._resume(result, item, table, attempts)
            return await self._encoded(item, outcome, table, attempts)
        except PoisonMessageError as error:
            return self._outcomes.dead_letter(item, course.record, error, table, attempts)

    async def _encoded(self, item: Item, outcome: Outcome[S], table: Table[S] | None, attempts: Attempts) -> Finished:
        count = 0
        while True:
            try:
                return self._outcomes.finished(item, outcome, table, attempts)
            except RetryableError as error:
                # What was decided stays so: its encoding alone waits, for a schema registry say.
                count += 1
                log.warning(
                    "keyflow.encode_retry processor=%s attempt=%d reason=%s", self._processor.name, count, error
                )
                with resting():
                    await asyncio.sleep(self._backoff.delay_seconds(count, error.retry_after_seconds))

    def _decode(self, item: Item) -> Record:
        key, data = item.key, item.raw_value
        if not key:
            raise PoisonMessageError("the record has no key in UTF-8")
        if data is None:
            raise PoisonMessageError("the record has no value")
        try:
            value = self._processor.decode(item.topic, data)
        except (FatalError, RetryableError, PoisonMessageError):
            raise
        except Exception as error:
            raise PoisonMessageError(f"cannot be decoded: {type(error).__name__}") from error
        place, offset = item.assignment.partition, item.offset or 0
        # Made for every record: in this way in less than half of the time.
        return tuple.__new__(Record, (item.topic, place, offset, key, value, item.headers, item.timestamp_ms, 1))

    def _queued(self) -> Sequence[Record]:
        """What cannot be read ends the list: it has its own turn to fail."""
        records: list[Record] = []
        for other in self.behind() if self.behind is not None else ():
            if other.effect is not None:
                break
            try:
                records.append(self._decode(other))
            except (RetryableError, PoisonMessageError):
                break
        return records

    # Handling

    async def _handle(self, course: _Course[S], item: Item, table: Table[S] | None) -> Outcome[S]:
        while True:
            try:
                outcome = await self._attempt(course, item, table)
            except (RetryableError, OutageError, TimeoutError) as error:
                self.breaker.failed(self._monotonic())
                fallen_back = await self._after_failure(error, course, table)
                if fallen_back is not None:
                    return fallen_back
            except (PoisonMessageError, FatalError):
                raise
            except Exception as error:
                raise PoisonMessageError(where(error)) from error
            else:
                self._worked(self._monotonic())
                return outcome

    async def _attempt(self, course: _Course[S], item: Item, table: Table[S] | None) -> Outcome[S]:
        error, course.error = course.error, None
        if error is not None:
            raise error  # what the first attempt came to
        attempts = course.attempts
        attempts.count += 1
        if self.breaker.is_open and self._processor.fallback is None:
            course.budget.pause(await self._wait_out())
        record = course.record or self._decode(item)
        course.record = record = record._replace(attempt=attempts.count)
        # At least a moment, so that an attempt after a long outage can still succeed.
        seconds = max(course.budget.left_seconds(), _SHORTEST_ATTEMPT_SECONDS)
        handling = self._called(record, table, course.budget)
        return await self.limits.within(course.limit, self._monotonic() + seconds, handling)

    def _called(self, record: Record, table: Table[S] | None, budget: _Budget) -> Awaitable[Outcome[S]]:
        state = None if table is None else state_of(table, record.key)
        return self._processor.handler.handle(record, state, budget.tools)

    def _new_budget(self, began: float) -> _Budget:
        queued = None if self.behind is None else self._queued
        return _Budget(self._processor.budget_seconds, began, self._monotonic, self._clock_ms, queued)

    def _worked(self, now: float) -> None:
        self._last_success = now
        self.breaker.succeeded(now)

    async def _after_failure(
        self,
        error: RetryableError | OutageError | TimeoutError,
        course: _Course[S],
        table: Table[S] | None,
    ) -> Outcome[S] | None:
        """Waits before the next attempt, or gives the outcome without one."""
        record, budget, attempts = course.record, course.budget, course.attempts
        fallback = self._processor.fallback
        # A record that cannot be decoded yet (the schema registry is down) is never to blame.
        outage = record is None or isinstance(error, OutageError) or self.breaker.is_open
        asked = error.retry_after_seconds if isinstance(error, RetryableError) else None
        delay = self._backoff.delay_seconds(attempts.count, asked)
        reason = str(error) or "the time budget was spent waiting"
        spent = delay >= budget.left_seconds()
        if fallback is not None and record is not None and (spent or outage):
            attempts.fallback = True
            try:
                return fallback(record, state_of(table, record.key), reason)
            except (PoisonMessageError, FatalError):
                raise
            except Exception as second:
                raise PoisonMessageError(where(second)) from second
        if spent and not outage and self._last_success > budget.began:
            attempts.error_class = "retries_exhausted"
            raise PoisonMessageError(
                f"time budget of {self._processor.budget_seconds:.0f} s spent: {reason}"
            ) from error
        name = self._processor.name
        log.warning("keyflow.retry processor=%s attempt=%d reason=%s", name, attempts.count, reason)
        with resting():
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
            with resting():
                await asyncio.sleep(delay)

    # Effects

    async def _resume(self, result: EffectResult, item: Item, table: Table[S] | None, attempts: Attempts) -> Outcome[S]:
        handler = cast(ResumingHandler[S], self._processor.handler)
        tools = self._new_budget(self._monotonic()).tools
        count = 0
        attempts.resumed = True
        while True:
            count += 1
            try:
                return await handler.resume(result, item.key, state_of(table, item.key), tools)
            except (PoisonMessageError, FatalError):
                raise
            except (RetryableError, OutageError) as error:
                # The effect is done: its result must not be lost to a passing fault.
                name = self._processor.name
                log.warning("keyflow.resume_retry processor=%s attempt=%d reason=%s", name, count, error)
                await asyncio.sleep(self._backoff.delay_seconds(count, None))
            except Exception as error:
                raise PoisonMessageError(where(error)) from error

    async def _run_effect(self, pending: PendingEffect) -> EffectResult:
        effect = pending.effect
        function = self._processor.effects.get(effect.kind)
        if function is None:
            raise PoisonMessageError(f"no effect of the kind {effect.kind!r} is known to this version")
        budget = self._new_budget(self._monotonic())
        attempt = 0
        while True:
            attempt += 1
            if effect.expires_at_ms is not None and self._clock_ms() >= effect.expires_at_ms:
                return EffectResult(effect, "expired", {}, pending.maybe_repeated)
            try:
                value: Mapping[str, Any] = await function(pending)
            except PoisonMessageError as error:
                self.effects_breaker.succeeded(self._monotonic())
                return EffectResult(effect, "refused", {"error": error.reason}, pending.maybe_repeated)
            except FatalError:
                raise
            except (RetryableError, OutageError) as error:
                self.effects_breaker.failed(self._monotonic())
                asked = error.retry_after_seconds if isinstance(error, RetryableError) else None
                delay = self._backoff.delay_seconds(attempt, asked)
                spent = delay >= budget.left_seconds()
                if spent and isinstance(error, RetryableError) and self._last_success > budget.began:
                    return EffectResult(effect, "failed", {"error": str(error)}, pending.maybe_repeated)
                log.warning("keyflow.effect_retry kind=%s attempt=%d reason=%s", effect.kind, attempt, error)
                # The earlier try may have arrived without an answer.
                pending = replace(pending, maybe_repeated=True)
                with resting():
                    await asyncio.sleep(delay)
            except Exception as error:
                return EffectResult(effect, "failed", {"error": where(error)}, pending.maybe_repeated)
            else:
                self._last_success = self._monotonic()
                self.effects_breaker.succeeded(self._last_success)
                return EffectResult(effect, "done", value, pending.maybe_repeated)


@dataclass(slots=True, eq=False)
class _Course(Generic[S]):
    """How far an item has come: what its first attempt gave is kept for those who go on with it."""

    budget: _Budget
    limit: Limit
    attempts: Attempts
    record: Record | None
    outcome: Outcome[S] | None
    error: Exception | None


class _Budget:
    """A record's time, monotonic from its first attempt; an outage that is waited out does not count.

    First attempts that begin within the same moment share one.
    """

    __slots__ = ("_monotonic", "_paused", "_seconds", "began", "tools")

    def __init__(
        self,
        seconds: float,
        began: float,
        monotonic: Callable[[], float],
        clock_ms: Callable[[], int],
        queued: Callable[[], Sequence[Record]] | None,
    ) -> None:
        self._seconds = seconds
        self._monotonic = monotonic
        self._paused = 0.0
        self.began = began
        self.tools = Tools(clock_ms, self.left_seconds, queued)

    def pause(self, seconds: float) -> None:
        self._paused += seconds

    def left_seconds(self) -> float:
        return self._seconds + self._paused - (self._monotonic() - self.began)
