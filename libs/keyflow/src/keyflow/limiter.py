"""How many calls to keep in flight at a dependency that throttles: found out, not configured.

`AdaptiveLimit` is the rule, pure; `AdaptiveLimiter` hands out slots by it to coroutines, within a static share of
requests and tokens per minute.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from keyflow.leaving import resting

_BURST_SECONDS: Final = 2.0
_APPROACH: Final = 0.5
"""Share of its distance from where it aims that a limit goes in one round of calls."""
_SLOW_START: Final = 1.0
"""The same before it was ever cut: it doubles."""
_PROBE: Final = 0.1
"""Calls by which a limit that is where it aimed goes on in one round."""
_PAUSES_SECONDS: Final = (0.1, 5.0)
"""First and longest pause while the least that is allowed is throttled too."""
_CHANCE: Final = (0.03, 0.1)
"""Shares of throttled calls that are taken for chance: at least and at most."""
_DEVIATIONS: Final = 3.0
"""So many standard deviations more than chance explains are congestion."""
_FEW_CALLS: Final = 10
"""With fewer at a time nobody can tell chance from load: one that is refused counts."""
_WELL_BELOW: Final = 0.9
"""What is refused below this part of where the last cut was is not refused because of the load."""
_REMEMBERED_CALLS: Final = 250


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
    """Multiplicative decrease; increase by the distance from where throttling began.

    From its start it doubles with each round of calls until the first cut. After a cut each round goes half of the way
    back to just below that point, stays there for some rounds, and then goes beyond it, slowly and ever faster (after
    BIC, Xu et al., INFOCOM 2004): most of the time is spent at the capacity, and a capacity that is back or has grown
    is found in a number of rounds that goes with its logarithm.

    A refusal alone says nothing: some dependencies refuse a few calls whatever the load. A round is cut as soon as more
    of it was refused than chance explains; how much that is, calls tell that are well below the last cut, because what
    is refused there a lower limit would not help. More than a tenth is never taken for chance.

    One round of calls that were under way together backs off once, not once per call: a call that started before the
    last decrease says nothing new. Where even the least limit is throttled, pauses that double come between the
    calls. The limit grows only while it is used, so that a quiet hour does not lift it to where nobody has been.
    """

    def __init__(self, config: LimitConfig | None = None) -> None:
        self._config = config or LimitConfig()
        self._limit = float(self._config.start)
        self._aim = 0.0
        self._approach = _SLOW_START
        self._decreased_at = float("-inf")
        self._pause_seconds = 0.0
        self._ended = self._refused = 0  # in this round
        self._refused_share = self._refused_below = 0.0  # of all calls; of those well below the last cut

    @property
    def limit(self) -> int:
        """Calls that may be in flight now."""
        return int(self._limit)

    @property
    def chance(self) -> float:
        """The share of calls that are refused whatever the load."""
        least, most = _CHANCE
        return min(max(min(self._refused_share, self._refused_below), least), most)

    def wait_seconds(self, now: float) -> float:
        """0 when the next call may start, as far as pauses go."""
        return max(self._decreased_at + self._pause_seconds - now, 0.0)

    def ended(self, *, started_at: float, now: float, in_flight: int, throttled: bool, failed: bool) -> None:
        """A call ended; `in_flight` counts it too. Times are monotonic, in seconds."""
        if failed and not throttled:
            return
        if not throttled:
            self._answered(in_flight)
        if started_at > self._decreased_at:
            self._count(now, throttled)

    def _answered(self, in_flight: int) -> None:
        self._pause_seconds = 0.0
        if in_flight * 2 >= self._limit:
            per_round = max(_PROBE, abs(self._limit - self._aim) * self._approach)
            self._limit = min(self._config.most, self._limit + per_round / self._limit)

    def _count(self, now: float, throttled: bool) -> None:
        self._refused_share += (throttled - self._refused_share) / _REMEMBERED_CALLS
        if self._limit < self._aim * _WELL_BELOW:
            self._refused_below += (throttled - self._refused_below) / _REMEMBERED_CALLS
        self._ended += 1
        self._refused += throttled
        if self._refused > self._refused_by_chance():
            self._decrease(now)
        elif self._ended >= self._limit:
            self._ended = self._refused = 0

    def _refused_by_chance(self) -> float:
        """How many of a round, at most."""
        if self._limit < _FEW_CALLS:
            return 0.0
        mean = self._limit * self.chance
        return mean + _DEVIATIONS * math.sqrt(mean)

    def _decrease(self, now: float) -> None:
        first, longest = _PAUSES_SECONDS
        if self.limit == self._config.least:
            self._pause_seconds = min(max(self._pause_seconds * 2, first), longest)
        self._aim = self._limit - 1.0
        self._approach = _APPROACH
        self._limit = max(self._config.least, self._limit * self._config.decrease)
        self._decreased_at = now
        self._ended = self._refused = 0


class RateShare:
    """A token bucket: so much per minute, with a burst of two seconds' worth. Pure."""

    def __init__(self, per_minute: float, now: float) -> None:
        self._per_second = per_minute / 60.0
        self._burst = max(self._per_second * _BURST_SECONDS, 1.0)
        self._level = self._burst
        self._at = now

    def wait_seconds(self, now: float) -> float:
        """0 when something may be taken now; a larger debt is paid off before that."""
        self._fill(now)
        return 0.0 if self._level > 0 else -self._level / self._per_second + 1e-3

    def take(self, amount: float, now: float) -> None:
        """Takes, into debt when the amount is larger than what is there."""
        # First what came since: what overflowed until now must not be counted later.
        self._fill(now)
        self._level -= amount

    def give_back(self, amount: float) -> None:
        """What was reserved and not used; negative when more was used."""
        self._level = min(self._burst, self._level + amount)

    def _fill(self, now: float) -> None:
        self._level = min(self._burst, self._level + (now - self._at) * self._per_second)
        self._at = now


@dataclass(frozen=True, slots=True, eq=False)
class Slot:
    """One call's place: what `acquire` gave and `release` takes back.

    Attributes:
        tokens: What was reserved of the quota.
        started_at: Monotonic, in seconds.
    """

    tokens: int
    started_at: float


class AdaptiveLimiter:
    """Slots for calls, first come first served. One event loop's.

    Whoever waits may be cancelled, by a deadline say: nothing is taken before the call may start.

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
        # Only the first in line looks for a slot and a share; the lock is fair and is the line.
        self._line = asyncio.Lock()
        self._freed = asyncio.Event()
        self.in_flight = 0
        self.waiting = 0
        self.throttled = 0

    @property
    def limit(self) -> int:
        """Calls that may be in flight now."""
        return self._adaptive.limit

    async def acquire(self, tokens: int) -> Slot:
        """Waits until a call that reserves `tokens` of the quota may start."""
        self.waiting += 1
        try:
            with resting():
                return await self._in_turn(tokens)
        finally:
            self.waiting -= 1

    async def _in_turn(self, tokens: int) -> Slot:
        async with self._line:
            # The share of a call that waits for a slot only fills meanwhile; the other way round, calls that
            # wait for their share would count as in flight and lift the limit.
            await self._share_available()
            await self._slot_free()
            return self._taken(tokens)

    def release(self, slot: Slot, result: CallResult) -> None:
        """Gives the slot back, once per `acquire`."""
        self._adaptive.ended(
            started_at=slot.started_at,
            now=self._monotonic(),
            in_flight=self.in_flight,
            throttled=result.throttled,
            failed=result.failed,
        )
        self.throttled += result.throttled
        if self._tokens is not None:
            self._tokens.give_back(slot.tokens - result.tokens)
        self.in_flight -= 1
        self._freed.set()

    def _taken(self, tokens: int) -> Slot:
        now = self._monotonic()
        if self._requests is not None:
            self._requests.take(1, now)
        if self._tokens is not None:
            self._tokens.take(tokens, now)
        self.in_flight += 1
        return Slot(tokens, now)

    async def _slot_free(self) -> None:
        while True:
            pause_seconds = self._adaptive.wait_seconds(self._monotonic())
            if self.in_flight >= self.limit:
                self._freed.clear()
                await self._freed.wait()
            elif pause_seconds > 0:
                await asyncio.sleep(pause_seconds)
            else:
                return

    async def _share_available(self) -> None:
        for share in (self._requests, self._tokens):
            if share is not None:
                await self._passed(share.wait_seconds)

    async def _passed(self, wait_seconds: Callable[[float], float]) -> None:
        while True:
            delay = wait_seconds(self._monotonic())
            if delay <= 0:
                return
            await asyncio.sleep(delay)
