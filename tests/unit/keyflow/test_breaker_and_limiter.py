"""The breaker tells an outage from a bad record; the limiter finds how much the other side takes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keyflow.breaker import BreakerConfig, BreakerState, CircuitBreaker
from keyflow.limiter import AdaptiveLimit, AdaptiveLimiter, LimitConfig, RateShare


def opened(config: BreakerConfig | None = None) -> CircuitBreaker:
    breaker = CircuitBreaker(config)
    for _ in range(20):
        breaker.failed(100.0)
    assert breaker.is_open
    return breaker


@given(st.lists(st.booleans(), max_size=200))
def test_it_opens_only_when_most_calls_of_the_window_failed(calls: list[bool]) -> None:
    config = BreakerConfig(window_seconds=10.0, least_calls=8)
    breaker = CircuitBreaker(config)
    for number, failed in enumerate(calls):
        seen = calls[: number + 1]
        if failed:
            breaker.failed(number * 0.01)
        else:
            breaker.succeeded(number * 0.01)
        most = len(seen) >= 8 and sum(seen) * 2 > len(seen)
        assert breaker.is_open == (most and failed)
        if breaker.is_open:
            return


def test_one_bad_record_beside_calls_that_succeed_is_no_outage() -> None:
    breaker = CircuitBreaker()
    for second in range(300):
        breaker.failed(second)
        breaker.succeeded(second + 0.3)
        breaker.succeeded(second + 0.6)
    assert breaker.opened == 0


def test_failures_of_long_ago_do_not_count() -> None:
    breaker = CircuitBreaker(BreakerConfig(window_seconds=10.0, least_calls=8))
    for second in range(0, 200, 2):
        breaker.failed(second)
    assert not breaker.is_open


def test_one_probe_at_a_time_is_let_through_and_its_success_closes() -> None:
    breaker = opened(BreakerConfig(probe_after_seconds=1.0))
    assert breaker.state(100.5) is BreakerState.OPEN
    assert breaker.wait_seconds(100.5) == pytest.approx(0.5)
    assert breaker.state(101.5) is BreakerState.HALF_OPEN
    assert breaker.wait_seconds(101.5) == 0.0
    assert breaker.wait_seconds(101.6) > 0.0
    breaker.failed(101.7)
    assert breaker.wait_seconds(102.0) > 0.0
    assert breaker.wait_seconds(103.0) == 0.0
    breaker.succeeded(103.1)
    assert breaker.state(103.1) is BreakerState.CLOSED


@given(st.floats(0, 100))
def test_a_probe_that_never_reports_does_not_keep_it_open_for_ever(later: float) -> None:
    breaker = opened(BreakerConfig(probe_after_seconds=1.0))
    assert breaker.wait_seconds(102.0) == 0.0
    assert breaker.wait_seconds(103.0 + later) == 0.0


calls = st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(1, 300)), max_size=300)


@given(calls)
def test_the_limit_stays_within_its_bounds_whatever_happens(ended: list[tuple[bool, bool, int]]) -> None:
    limit = AdaptiveLimit(LimitConfig(least=2, most=40, start=8))
    for number, (throttled, failed, in_flight) in enumerate(ended):
        limit.ended(started_at=number, now=number + 0.5, in_flight=in_flight, throttled=throttled, failed=failed)
        assert 2 <= limit.limit <= 40


def test_one_round_of_throttled_calls_backs_off_once() -> None:
    limit = AdaptiveLimit(LimitConfig(start=100))
    for number in range(50):
        limit.ended(started_at=10.0, now=11.0 + number / 100, in_flight=100, throttled=True, failed=True)
    assert limit.limit == 70


@given(st.integers(10, 256), st.lists(st.booleans(), max_size=600))
def test_it_is_cut_at_the_latest_when_all_calls_of_a_round_are_refused(start: int, before: list[bool]) -> None:
    limit = AdaptiveLimit(LimitConfig(start=start))
    for number, throttled in enumerate(before):
        limit.ended(started_at=number, now=number + 0.5, in_flight=limit.limit, throttled=throttled, failed=throttled)
    was, at = limit.limit, float(len(before))
    for number in range(was):
        limit.ended(started_at=at + number, now=at + number + 0.5, in_flight=was, throttled=True, failed=True)
    assert limit.limit < was or was == 1
    assert 0.03 <= limit.chance <= 0.1


def test_an_unused_limit_does_not_grow_and_failures_that_are_not_throttling_do_not_move_it() -> None:
    limit = AdaptiveLimit(LimitConfig(start=16))
    for _ in range(100):
        limit.ended(started_at=0, now=1, in_flight=3, throttled=False, failed=False)
        limit.ended(started_at=0, now=1, in_flight=16, throttled=False, failed=True)
    assert limit.limit == 16


@settings(deadline=None, max_examples=15)
@given(st.integers(5, 100), st.integers(1, 200))
def test_it_finds_the_capacity_from_any_start_and_finds_its_way_up_again(capacity: int, start: int) -> None:
    limit = AdaptiveLimit(LimitConfig(most=200, start=start))
    now = 0.0
    for load in (capacity, capacity * 2):
        for _ in range(400):
            under_way = limit.limit
            for call in range(under_way):
                throttled = call >= load
                limit.ended(started_at=now, now=now + 1, in_flight=under_way, throttled=throttled, failed=throttled)
            now += 1.5
        # Where nobody can tell chance from load, a tenth and three deviations at most are taken for chance.
        chance = limit.limit / 10 + 3 * (limit.limit / 10) ** 0.5 if limit.limit >= 10 else 0
        assert 0.55 * min(load, 200) <= limit.limit <= load + 2 + chance


@given(st.lists(st.tuples(st.floats(0.01, 5), st.integers(1, 50)), min_size=1, max_size=100))
def test_a_share_never_gives_more_than_its_rate_and_one_burst(steps: list[tuple[float, int]]) -> None:
    share, now, taken, largest = RateShare(600, 0.0), 0.0, 0, 0
    for pause, amount in steps:
        now += pause
        if share.wait_seconds(now) == 0.0:
            share.take(amount, now)
            taken += amount
            largest = max(largest, amount)
    assert taken <= 10 * now + 20 + largest


@dataclass
class Ended:
    throttled: bool = False
    failed: bool = False
    tokens: int = 10


async def test_no_more_calls_than_the_limit_run_at_once_and_all_get_their_turn() -> None:
    limiter = AdaptiveLimiter(LimitConfig(start=3, most=3))
    most = 0

    async def call() -> None:
        nonlocal most
        slot = await limiter.acquire(10)
        most = max(most, limiter.in_flight)
        await asyncio.sleep(0)
        limiter.release(slot, Ended())

    await asyncio.gather(*(call() for _ in range(50)))
    assert (most, limiter.in_flight) == (3, 0)


async def test_a_call_that_is_cancelled_while_it_waits_loses_no_slot() -> None:
    limiter = AdaptiveLimiter(LimitConfig(start=1, most=1))
    slot = await limiter.acquire(1)
    waiting = [asyncio.create_task(limiter.acquire(1)) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    limiter.release(slot, Ended())
    waiting[1].cancel()
    limiter.release(await asyncio.wait_for(waiting[2], 5), Ended())
    ended = await asyncio.gather(*waiting[:2], return_exceptions=True)
    assert [type(end) for end in ended] == [asyncio.CancelledError, asyncio.CancelledError]
    assert (limiter.in_flight, limiter.waiting) == (0, 0)


async def test_a_deadline_ends_the_wait_for_the_limiter_and_takes_nothing() -> None:
    limiter = AdaptiveLimiter(LimitConfig(start=1, most=1), requests_per_minute=60)
    slot = await limiter.acquire(1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await limiter.acquire(1)
    limiter.release(slot, Ended())
    assert (await asyncio.wait_for(limiter.acquire(1), 5)).tokens == 1
    assert (limiter.in_flight, limiter.waiting) == (1, 0)


async def test_tokens_are_reserved_and_corrected_by_what_was_used() -> None:
    now = [0.0]
    limiter = AdaptiveLimiter(tokens_per_minute=6000, monotonic=lambda: now[0])
    # The burst is two seconds' worth, 200: this goes 50 into debt, which is half a second.
    slot = await limiter.acquire(250)
    waiting = asyncio.create_task(limiter.acquire(100))
    await asyncio.sleep(0)
    assert not waiting.done()
    limiter.release(slot, Ended(tokens=10))
    now[0] += 60.0
    await asyncio.wait_for(waiting, 120)
