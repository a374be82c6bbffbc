"""How many calls to keep in flight at a dependency that throttles: found out, not configured.

`AdaptiveLimit` is the rule (additive increase, multiplicative decrease), pure; `AdaptiveLimiter` hands out slots by
it to coroutines, within a static share of requests and tokens per minute.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

_BURST_SECONDS: Final = 2.0


class CallResult(Protocol):
    """How a call ended.

    Attributes:
        throttled: The other side said that there are too many.
        failed: It failed in any way.
        tokens: What it used of the quota.
    """

    @property
    def throttled(self) -> bool: ...
    @property
    def failed(self) -> bool: ...
    @property
    def latency_seconds(self) -> float: ...
    @property
    def tokens(self) -> int: ...


@dataclass(frozen=True, slots=True)
class LimitConfig:
    """The bounds of an adaptive limit.

    Attributes:
        decrease: Factor after a throttled call, once per round of calls.
    """

    least: int = 1
    most: int = 256
    start: int = 16
    decrease: float = 0.7

    def __post_init__(self) -> None:
        if not (1 <= self.least <= self.start <= self.most and 0 < self.decrease < 1):
            raise ValueError("a limit needs 1 <= least <= start <= most and 0 < decrease < 1")


class AdaptiveLimit:
    """Additive increase, multiplicative decrease; doubling per round until the first throttling.

    One round of calls that were under way together backs off once, not once per call: a call that started before
    the last decrease says nothing new. The limit grows only while it is used, so that a quiet hour does not
    lift it to where nobody has been.
    """

    def __init__(self, config: LimitConfig | None = None) -> None:
        self._config = config or LimitConfig()
        self._limit = float(self._config.start)
        self._decreased_at = float("-inf")
        self._slow_start = True

    @property
    def limit(self) -> int:
        """Calls that may be in flight now."""
        return int(self._limit)

    def ended(self, *, started_at: float, now: float, in_flight: int, throttled: bool, failed: bool) -> None:
        """A call ended; `in_flight` counts it too. Times are monotonic, in seconds."""
        if throttled:
            if started_at > self._decreased_at:
                self._limit = max(self._config.least, self._limit * self._config.decrease)
                self._decreased_at = now
                self._slow_start = False
        elif not failed and in_flight * 2 >= self._limit:
            step = 1.0 if self._slow_start else 1.0 / self._limit
            self._limit = min(self._config.most, self._limit + step)


class RateShare:
    """A token bucket: so much per minute, with a burst of two seconds' worth. Pure."""

    def __init__(self, per_minute: float, now: float) -> None:
        self._per_second = per_minute / 60.0
        self._burst = max(self._per_second * _BURST_SECONDS, 1.0)
        self._level = self._burst
        self._at = now

    def wait_seconds(self, now: float) -> float:
        """0 when something may be taken now; a larger debt is paid off before that."""
        self._level = min(self._burst, self._level + (now - self._at) * self._per_second)
        self._at = now
        return 0.0 if self._level > 0 else -self._level / self._per_second + 1e-3

    def take(self, amount: float) -> None:
        """Takes, into debt when the amount is larger than what is there."""
        self._level -= amount

    def give_back(self, amount: float) -> None:
        """What was reserved and not used."""
        self._level = min(self._burst, self._level + amount)


class AdaptiveLimiter:
    """Slots for calls, first come first served.

    Args:
        config: Bounds of the limit on calls in flight.
        requests_per_minute: This process's share of the account's quota; None: no limit.
        tokens_per_minute: The same for tokens, reserved by `acquire` and corrected by `release`.
    """

    def __init__(
        self,
        config: LimitConfig | None = None,
        *,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._adaptive = AdaptiveLimit(config)
        self._monotonic = monotonic
        now = monotonic()
        self._requests = RateShare(requests_per_minute, now) if requests_per_minute else None
        self._tokens = RateShare(tokens_per_minute, now) if tokens_per_minute else None
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._reserved: deque[int] = deque()
        self.in_flight = 0

    @property
    def limit(self) -> int:
        """Calls that may be in flight now."""
        return self._adaptive.limit

    async def acquire(self, tokens: int) -> None:
        """Waits until a call that reserves `tokens` of the quota may start."""
        if self._waiters or self.in_flight >= self.limit:
            await self._wait_for_slot()
        else:
            self.in_flight += 1
        try:
            await self._wait_for_share(tokens)
        except asyncio.CancelledError:
            self._free_slot()
            raise
        self._reserved.append(tokens)

    def release(self, observation: CallResult) -> None:
        """Gives the slot back, once per `acquire`."""
        now = self._monotonic()
        self._adaptive.ended(
            started_at=now - observation.latency_seconds,
            now=now,
            in_flight=self.in_flight,
            throttled=observation.throttled,
            failed=observation.failed,
        )
        # Calls end in any order; over many of them the reservations are corrected by what was really used.
        reserved = self._reserved.popleft() if self._reserved else 0
        if self._tokens is not None:
            self._tokens.give_back(reserved - observation.tokens)
        self._free_slot()

    async def _wait_for_slot(self) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._free_slot()
            else:
                self._waiters.remove(waiter)
            raise

    async def _wait_for_share(self, tokens: int) -> None:
        for share, amount in ((self._requests, 1), (self._tokens, tokens)):
            if share is None:
                continue
            while True:
                delay = share.wait_seconds(self._monotonic())
                if delay <= 0:
                    break
                await asyncio.sleep(delay)
            share.take(amount)

    def _free_slot(self) -> None:
        self.in_flight -= 1
        while self._waiters and self.in_flight < self.limit:
            waiter = self._waiters.popleft()
            if not waiter.done():
                self.in_flight += 1
                waiter.set_result(None)
