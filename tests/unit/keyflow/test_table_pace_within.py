"""The table's expiry and restore, the rhythm of commits, and time limits that are armed late."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from keyflow import Effect, StateSpec
from keyflow.pace import Pace
from keyflow.parking import Parked
from keyflow.table import Entry, Table, decode_entry, encode_entry
from keyflow.within import TimeLimits

SPEC: StateSpec[str] = StateSpec("changelog", str.encode, bytes.decode, ttl_seconds=10.0)
effects = st.none() | st.builds(
    Effect, st.text(), st.text(), st.dictionaries(st.text(), st.integers()), st.none() | st.integers()
)


numbers = st.none() | st.builds(Parked, st.integers(0, 2**31), st.integers(0, 2**31))


@given(st.none() | st.binary(), effects, st.integers(0, 2**45), numbers)
def test_an_entry_reads_back_as_it_was_written(
    state: bytes | None, effect: Effect | None, at_ms: int, parked: Parked | None
) -> None:
    value = encode_entry(Entry(state, effect, at_ms, parked))
    if state is None and effect is None and parked is None:
        assert value is None
    else:
        assert value is not None
        assert decode_entry(value) == Entry(state, effect, at_ms, parked)


@pytest.mark.parametrize(
    "value", [b"", b"[]", b"{}\nstate", b'{"at": null}', b'{"at": 1, "effect": 3}', b'{"at": 1, "parked": [1]}']
)
def test_what_is_no_entry_is_refused(value: bytes) -> None:
    with pytest.raises(ValueError):
        decode_entry(value)


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.none() | st.binary(max_size=5)), max_size=60))
def test_a_restored_table_is_the_fold_of_its_changelog(writes: list[tuple[str, bytes | None]]) -> None:
    live: Table[str] = Table(SPEC)
    again: Table[str] = Table(SPEC)
    for at_ms, (key, state) in enumerate(writes):
        entry = Entry(state, None, at_ms)
        live.put(key, entry)
        again.restore(key, encode_entry(entry))
    assert {key: again.raw(key) for key in "abcdef"} == {key: live.raw(key) for key in "abcdef"}
    assert again.expired(10**9, 100) == live.expired(10**9, 100)


def test_keys_expire_the_oldest_first_a_few_at_a_time_and_never_with_an_effect_pending() -> None:
    table: Table[str] = Table(SPEC)
    for number in range(10):
        table.put(f"key-{number}", Entry(b"x", Effect("e", "i", {}) if number == 1 else None, number * 1000))
    table.put("key-0", Entry(b"y", None, 10_000))
    assert table.expired(15_500, 3) == ["key-2", "key-3", "key-4"]
    assert table.expired(15_500, 100) == [f"key-{number}" for number in range(2, 6)]
    assert table.expired(9_000, 100) == []


def test_a_parked_key_does_not_expire_and_does_not_keep_others_from_it() -> None:
    table: Table[str] = Table(SPEC)
    for number in range(5):
        table.put(f"key-{number}", Entry(b"x", None, number, Parked(0, 2) if number < 3 else None))
    assert table.parked_keys == 3
    assert table.expired(100_000, 2) == ["key-3", "key-4"]
    table.put("key-0", Entry(b"x", None, 9))
    table.put("key-1", Entry(None, None, 9))
    assert table.parked_keys == 1
    assert table.expired(100_000, 9) == ["key-3", "key-4", "key-0"]


def test_the_first_record_after_a_pause_is_committed_at_once_and_a_load_in_batches() -> None:
    pace = Pace(0.005, 100.0)
    assert pace.commit_due(100.0, 1, idle=False)
    pace.committed(100.01, 0.006, 1, saturated=False)
    assert not pace.commit_due(100.017, 1, idle=False)
    assert pace.commit_due(100.018, 1, idle=False)
    pace.committed(100.01, 0.040, 1, saturated=False)
    assert not pace.commit_due(100.019, 1, idle=False)
    assert pace.commit_due(100.021, 1, idle=False)
    pace.committed(100.03, 0.010, 500, saturated=False)
    assert not pace.commit_due(100.07, 1, idle=False)
    assert pace.commit_due(100.081, 1, idle=False)
    pace.committed(100.1, 0.010, 500, saturated=True)
    assert not pace.commit_due(100.19, 1, idle=False)
    assert pace.commit_due(100.21, 1, idle=False)
    pace.committed(101.0, 30.0, 500, saturated=False)
    assert pace.commit_due(101.3, 1, idle=False)


def test_a_commit_comes_early_when_much_is_ready_or_nothing_more_can_come() -> None:
    pace = Pace(0.005, now=0.0)
    pace.committed(100.0, took_seconds=0.1, outcomes=1000, saturated=False)
    assert not pace.commit_due(100.05, 7_999, idle=False)
    assert pace.commit_due(100.05, 8_000, idle=False)
    assert pace.commit_due(100.05, 1, idle=True)
    assert not pace.commit_due(100.05, 0, idle=True)
    pace.active(100.05)
    assert not pace.commit_due(100.055, 1, idle=True)


@given(st.floats(0, 1000), st.booleans(), st.booleans(), st.booleans())
def test_it_never_waits_past_a_commit_that_is_due(later: float, in_flight: bool, ready: bool, saturated: bool) -> None:
    pace = Pace(0.005, 0.0)
    pace.committed(0.0, 0.02, 100, saturated=False)
    wait = pace.poll_seconds(later, in_flight=in_flight, ready=ready, saturated=saturated)
    assert 0.0 <= wait <= 0.25
    if ready:
        assert later + wait <= max(0.1, later) + 1e-9
    if in_flight:
        assert wait <= 0.05


T = TypeVar("T")


async def within(seconds: float, awaited: Awaitable[T], limits: TimeLimits | None = None) -> T:
    limits = limits or TimeLimits(time.monotonic)
    with limits.limit() as limit:
        return await limits.within(limit, time.monotonic() + seconds, awaited)


async def test_a_coroutine_that_need_not_wait_is_not_cut_off() -> None:
    async def quick() -> int:
        return 5

    assert await within(0.0, quick()) == 5


async def test_what_takes_too_long_is_cancelled_inside_and_times_out_outside() -> None:
    seen: list[str] = []

    async def slow() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            seen.append("cleaned up")

    with pytest.raises(TimeoutError):
        await within(0.001, slow())
    task = asyncio.current_task()
    assert task is not None
    assert (seen, task.cancelling()) == (["cleaned up"], 0)


async def test_a_cancellation_from_outside_stays_one() -> None:
    async def waits() -> None:
        await within(3600, asyncio.sleep(3600))

    task = asyncio.create_task(waits())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_errors_results_and_nested_time_limits_pass_through() -> None:
    async def fails() -> None:
        await asyncio.sleep(0)
        raise KeyError("inner")

    async def nested() -> str:
        try:
            async with asyncio.timeout(0.001):
                await asyncio.sleep(3600)
        except TimeoutError:
            await asyncio.sleep(0)
            return "inner time-out"
        return ""

    with pytest.raises(KeyError):
        await within(5, fails())
    assert await within(5, nested()) == "inner time-out"


async def test_limits_of_tasks_that_wait_at_once_are_told_apart() -> None:
    limits = TimeLimits(time.monotonic)

    async def waits(seconds: float, limit_seconds: float) -> str:
        try:
            return await within(limit_seconds, asyncio.sleep(seconds, "done"), limits)
        except TimeoutError:
            return "too late"

    given = [(3600, 0.02), (0.001, 3600), (3600, 0.001), (0, 0.001), (3600, 0.01)]
    found = await asyncio.gather(*(waits(seconds, limit) for seconds, limit in given))
    assert found == ["too late", "done", "too late", "done", "too late"]


async def test_what_ignores_its_cancellation_may_still_give_a_result() -> None:
    async def stubborn() -> str:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            await asyncio.sleep(0)
        return "done"

    task = asyncio.current_task()
    assert task is not None
    assert await within(0.001, stubborn()) == "done"
    assert task.cancelling() == 0
