"""The limiter against a dependency with a quota, in virtual time."""

from __future__ import annotations

import asyncio
import math
import random
import selectors
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keyflow.limiter import AdaptiveLimiter, LimitConfig

SETTLED, END = 60.0, 150.0
"""From when until when it is measured, in seconds."""


class Jump(selectors.SelectSelector):
    """Instead of waiting for a timer, moves the time to it: minutes pass in a moment."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everything waits and no timer is set: a deadlock")
        self.now += max(timeout, 0.0)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its time starts at 0 and counts seconds that nobody waits for."""

    def __init__(self) -> None:
        self._jump = Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        return self._jump.now


def run_in_virtual_time(main: Coroutine[object, object, None]) -> None:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(main)


@dataclass
class Ended:
    throttled: bool = False
    tokens: int = 0

    @property
    def failed(self) -> bool:
        return self.throttled


@dataclass
class Dependency:
    """Answers after a log-normal time; throttles at once what is beyond its capacity, or all of it in an outage.

    And by chance, whatever the load: `refuses` of all calls.
    """

    calls_at_once: int = 1_000_000
    calls_per_minute: float = 60_000_000.0
    mean_seconds: float = 0.5
    uses_tokens: int = 0
    outage: tuple[float, float] = (0.0, 0.0)
    refuses: float = 0.0
    seed: int = 7
    under_way: int = 0
    answered: list[float] = field(default_factory=list)
    throttled: list[float] = field(default_factory=list)
    _level: float = math.inf
    _at: float = 0.0
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    async def call(self) -> Ended:
        now = asyncio.get_running_loop().time()
        if self._refuses(now) or (self.refuses and self._random.random() < self.refuses):
            await asyncio.sleep(0.02)
            self.throttled.append(now)
            return Ended(throttled=True)
        self.under_way += 1
        await asyncio.sleep(self.mean_seconds * self._random.lognormvariate(-0.125, 0.5))
        self.under_way -= 1
        self.answered.append(asyncio.get_running_loop().time())
        return Ended(tokens=self.uses_tokens)

    def _refuses(self, now: float) -> bool:
        per_second = self.calls_per_minute / 60
        self._level = min(max(per_second, 1.0), self._level + (now - self._at) * per_second)
        self._at = now
        if self.outage[0] <= now < self.outage[1] or self.under_way >= self.calls_at_once or self._level < 1:
            return True
        self._level -= 1
        return False

    def answered_per_second(self, since: float, until: float) -> float:
        return sum(since <= at < until for at in self.answered) / (until - since)

    def throttled_share(self, since: float, until: float) -> float:
        throttled = sum(since <= at < until for at in self.throttled)
        return throttled / (throttled + sum(since <= at < until for at in self.answered))


def drive(
    dependency: Dependency,
    make: Callable[[Callable[[], float]], AdaptiveLimiter],
    seconds: float,
    reserves: int = 0,
) -> None:
    """As many callers as ever want to, each trying again after a back-off when it was throttled."""

    async def caller(limiter: AdaptiveLimiter, until: float) -> None:
        loop = asyncio.get_running_loop()
        attempt = 0
        while loop.time() < until:
            slot = await limiter.acquire(reserves)
            ended = await dependency.call()
            limiter.release(slot, ended)
            attempt = attempt + 1 if ended.throttled else 0
            if attempt:
                await asyncio.sleep(random.Random(attempt).uniform(0, min(0.5 * 2**attempt, 8.0)))

    async def main() -> None:
        limiter = make(asyncio.get_running_loop().time)
        await asyncio.gather(*(caller(limiter, seconds) for _ in range(400)))
        assert (limiter.in_flight, limiter.waiting) == (0, 0)
        assert limiter.throttled == len(dependency.throttled)

    run_in_virtual_time(main())


def unshared(clock: Callable[[], float]) -> AdaptiveLimiter:
    return AdaptiveLimiter(LimitConfig(), monotonic=clock)


@pytest.mark.parametrize("capacity", [3, 10, 40, 200])
def test_it_settles_near_the_number_of_calls_that_the_other_side_takes_at_once(capacity: int) -> None:
    dependency = Dependency(calls_at_once=capacity)
    drive(dependency, unshared, END)
    assert dependency.answered_per_second(SETTLED, END) >= 0.85 * capacity / dependency.mean_seconds
    assert dependency.throttled_share(SETTLED, END) <= 0.05


@pytest.mark.parametrize("per_minute", [600.0, 6_000.0])
def test_it_settles_near_a_rate_that_nobody_told_it(per_minute: float) -> None:
    dependency = Dependency(calls_per_minute=per_minute)
    drive(dependency, unshared, END)
    assert dependency.answered_per_second(SETTLED, END) >= 0.85 * per_minute / 60
    assert dependency.throttled_share(SETTLED, END) <= 0.05


def test_within_its_share_of_the_rate_it_is_hardly_ever_throttled_and_uses_it_all() -> None:
    dependency = Dependency(calls_per_minute=3_000)
    drive(dependency, lambda clock: AdaptiveLimiter(requests_per_minute=2_900, monotonic=clock), END)
    assert dependency.answered_per_second(SETTLED, END) >= 0.95 * 2_900 / 60
    assert dependency.throttled_share(SETTLED, END) == 0


def test_it_uses_its_share_of_tokens_by_what_calls_really_use() -> None:
    # 10 calls a second of 400 tokens, each reserving 1,000.
    dependency = Dependency(uses_tokens=400)
    drive(
        dependency,
        lambda clock: AdaptiveLimiter(tokens_per_minute=240_000, monotonic=clock),
        END,
        reserves=1_000,
    )
    assert 9.5 <= dependency.answered_per_second(SETTLED, END) <= 10.1


@pytest.mark.parametrize("capacity", [10, 100])
def test_after_a_minute_of_outage_it_finds_its_way_up_again(capacity: int) -> None:
    dependency = Dependency(calls_at_once=capacity, outage=(120.0, 180.0))
    drive(dependency, unshared, 300)
    assert dependency.answered_per_second(130, 180) == 0
    # A call every five seconds asks whether it is over.
    assert len([at for at in dependency.throttled if 130 <= at < 180]) <= 10
    assert dependency.answered_per_second(200, 300) >= 0.85 * capacity / dependency.mean_seconds


MOST = LimitConfig().most


def test_a_limit_that_nothing_refuses_doubles_until_it_is_all_there_is() -> None:
    dependency = Dependency(mean_seconds=2.0)
    limits: list[int] = []

    def watched(clock: Callable[[], float]) -> AdaptiveLimiter:
        limiter = unshared(clock)
        asyncio.get_running_loop().call_later(15.0, lambda: limits.append(limiter.limit))
        return limiter

    drive(dependency, watched, 16)
    assert limits == [MOST]


@settings(deadline=None, max_examples=2)
@given(st.integers(0, 1_000_000), st.floats(0.0, 0.025))
def test_what_is_refused_whatever_the_load_costs_no_more_than_itself(seed: int, share: float) -> None:
    dependency = Dependency(refuses=share, seed=seed)
    drive(dependency, unshared, 40)
    assert dependency.answered_per_second(20, 40) >= 0.85 * MOST * (1 - share) / dependency.mean_seconds


def test_a_larger_share_that_is_refused_whatever_the_load_is_found_out() -> None:
    dependency = Dependency(refuses=0.05)
    drive(dependency, unshared, 90)
    assert dependency.answered_per_second(SETTLED, 90) >= 0.85 * MOST * 0.95 / dependency.mean_seconds


@pytest.mark.parametrize("capacity", [40, 200])
def test_a_capacity_is_found_behind_refusals_that_have_nothing_to_do_with_it(capacity: int) -> None:
    dependency = Dependency(calls_at_once=capacity, refuses=0.02)
    drive(dependency, unshared, END)
    assert dependency.answered_per_second(SETTLED, END) >= 0.85 * capacity * 0.98 / dependency.mean_seconds
    assert dependency.throttled_share(SETTLED, END) <= 0.02 + 0.05


def test_a_rate_is_found_behind_refusals_that_have_nothing_to_do_with_it() -> None:
    dependency = Dependency(calls_per_minute=6_000, refuses=0.02)
    drive(dependency, unshared, END)
    assert dependency.answered_per_second(SETTLED, END) >= 0.85 * 100
    assert dependency.throttled_share(SETTLED, END) <= 0.02 + 0.05


def test_an_outage_is_backed_off_from_where_some_calls_are_refused_anyway() -> None:
    dependency = Dependency(calls_at_once=100, refuses=0.02, outage=(60.0, 120.0))
    drive(dependency, unshared, 200)
    assert len([at for at in dependency.throttled if 70 <= at < 120]) <= 10
    assert dependency.answered_per_second(140, 200) >= 0.85 * 98 / dependency.mean_seconds


async def test_reservations_do_not_drift_when_calls_are_cancelled_and_end_in_any_order() -> None:
    clock = [0.0]
    limiter = AdaptiveLimiter(LimitConfig(start=8), tokens_per_minute=60_000, monotonic=lambda: clock[0])
    draws = random.Random(3)
    slots = []
    for _ in range(2_000):
        clock[0] += 1.0
        cancelled = asyncio.create_task(limiter.acquire(5_000))
        cancelled.cancel()
        await asyncio.gather(cancelled, return_exceptions=True)
        slots.append(await limiter.acquire(draws.choice([100, 900])))
        if len(slots) > 4:
            slot = slots.pop(draws.randrange(len(slots)))
            limiter.release(slot, Ended(tokens=slot.tokens // 2))
    while slots:
        limiter.release(slots.pop(), Ended(tokens=0))
    # The bucket is full again: two seconds' worth and not a token more.
    await asyncio.wait_for(limiter.acquire(2_000), 5)
    waiting = asyncio.create_task(limiter.acquire(1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()
    assert limiter.in_flight == 1


callers = st.lists(
    st.tuples(
        st.floats(0, 5),  # comes
        st.floats(0.001, 4),  # calls for so long
        st.floats(0.001, 6) | st.none(),  # waits at most
        st.integers(1, 3_000),  # reserves
        st.integers(0, 3_000),  # uses
        st.booleans(),  # is throttled
    ),
    max_size=40,
)


@settings(deadline=None, max_examples=60)
@given(callers, st.integers(1, 6))
def test_whoever_comes_leaves_or_gives_up_no_slot_and_no_token_is_lost(
    comes: list[tuple[float, float, float | None, int, int, bool]], most: int
) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        limiter = AdaptiveLimiter(
            LimitConfig(most=most, start=most),
            requests_per_minute=600,
            tokens_per_minute=60_000,
            monotonic=loop.time,
        )
        used, served = 0, 0

        async def caller(at: float, lasts: float, patience: float | None, reserves: int, uses: int, no: bool) -> None:
            nonlocal used, served
            await asyncio.sleep(at)
            try:
                async with asyncio.timeout(patience):
                    slot = await limiter.acquire(reserves)
            except TimeoutError:
                return
            assert limiter.in_flight <= most
            await asyncio.sleep(lasts)
            limiter.release(slot, Ended(throttled=no, tokens=uses))
            used, served = used + uses, served + 1

        await asyncio.gather(*(caller(*who) for who in comes))
        assert (limiter.in_flight, limiter.waiting) == (0, 0)
        assert served >= sum(patience is None for _, _, patience, *_ in comes)
        # 1,000 tokens a second: what was used beyond that is owed, and after it the burst of two seconds is back.
        await asyncio.sleep(used / 1_000 + 8)
        before = loop.time()
        limiter.release(await limiter.acquire(2_000), Ended(tokens=2_000))
        assert loop.time() == before
        await limiter.acquire(1)
        assert before < loop.time() < before + 0.01

    run_in_virtual_time(main())
