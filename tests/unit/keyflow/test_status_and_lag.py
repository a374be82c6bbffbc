"""How far an engine is behind, and when that is a reason to worry."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from keyflow.breaker import CircuitBreaker
from keyflow.lag import Lag, measured
from keyflow.offsets import OffsetTracker
from keyflow.status import COMMIT_BOUNDS_SECONDS, Status
from keyflow.work import Assignment

NOW_MS = 1_000_000


def partition(number: int, **trackers: OffsetTracker) -> Assignment[Any]:
    return Assignment(number, trackers)


def holding(start: int, *records: tuple[int, int]) -> OffsetTracker:
    tracker = OffsetTracker(start)
    for offset, timestamp_ms in records:
        tracker.take(offset, timestamp_ms)
    return tracker


def test_the_lag_of_a_topic_goes_from_the_lowest_unfinished_offsets_to_the_ends() -> None:
    first = partition(0, messages=holding(5, (5, 990_000), (6, 991_000)), replies=OffsetTracker(3))
    second = partition(1, messages=holding(0, (0, 995_000)))
    first.trackers["messages"].finish([5])
    ends = {("messages", 0): (0, 10), ("messages", 1): (0, 2), ("replies", 0): (0, 3)}
    lag = measured([first, second], ends, {}, NOW_MS)
    assert lag == Lag({"messages": 4 + 2, "replies": 0}, oldest_seconds=9.0)
    assert lag.behind


def test_with_nothing_unfinished_the_position_beyond_markers_counts_and_else_it_does_not() -> None:
    idle, busy = partition(0, messages=OffsetTracker(7)), partition(1, messages=holding(7, (7, 0)))
    ends = {("messages", 0): (0, 9), ("messages", 1): (0, 9)}
    positions = {("messages", 0): 9, ("messages", 1): 9}
    assert measured([idle], ends, positions, NOW_MS) == Lag({"messages": 0})
    assert measured([busy], ends, positions, NOW_MS).offsets == {"messages": 2}


def test_what_the_topic_no_longer_holds_and_what_is_not_known_yet_are_no_lag() -> None:
    fresh = partition(0, messages=OffsetTracker(0), replies=OffsetTracker(0))
    lag = measured([fresh], {("messages", 0): (100, 120)}, {}, NOW_MS)
    assert lag.offsets == {"messages": 20, "replies": 0}


def test_a_record_from_a_clock_that_is_ahead_has_no_negative_age() -> None:
    assert measured([partition(0, messages=holding(0, (0, NOW_MS + 60_000)))], {}, {}, NOW_MS).oldest_seconds == 0


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Rig:
    clock: Clock = field(default_factory=Clock)
    breaker: CircuitBreaker = field(default_factory=CircuitBreaker)

    def __post_init__(self) -> None:
        self.status = Status("test", self.breaker, self.clock)

    def watch(self, seconds: int, lag: Lag) -> None:
        """As housekeeping does, once a second."""
        for _ in range(seconds):
            self.clock.now += 1.0
            self.status.watched(lag)


@pytest.fixture
def rig() -> Rig:
    return Rig()


BEHIND = Lag({"messages": 3})


def test_lag_with_nothing_finished_is_a_stall_though_nothing_was_fetched(rig: Rig) -> None:
    rig.watch(130, BEHIND)
    assert rig.status.stalled_seconds() == 130.0
    rig.status.committed(0.01)
    assert rig.status.stalled_seconds() == 0.0


def test_a_quiet_hour_does_not_count_when_work_comes_and_nobody_asked_meanwhile(rig: Rig) -> None:
    rig.watch(3600, Lag({"messages": 0}))
    rig.status.buffered = 1
    assert rig.status.stalled_seconds() == 0.0
    rig.watch(5, BEHIND)
    assert rig.status.stalled_seconds() == 5.0


def test_an_outage_is_no_stall_and_the_time_begins_again_after_it(rig: Rig) -> None:
    for _ in range(20):
        rig.breaker.failed(rig.clock.now)
    rig.watch(600, BEHIND)
    assert rig.status.stalled_seconds() == 0.0
    rig.breaker.succeeded(rig.clock.now)
    rig.watch(7, BEHIND)
    assert rig.status.stalled_seconds() == 7.0


def test_one_record_that_fails_again_and_again_is_an_outage_too_and_a_success_ends_it(rig: Rig) -> None:
    for _ in range(4):
        rig.breaker.failed(rig.clock.now)
        rig.watch(60, BEHIND)
    assert rig.status.breaker_state.value == "closed"
    assert rig.status.stalled_seconds() == 0.0
    rig.breaker.succeeded(rig.clock.now)
    rig.watch(130, BEHIND)
    assert rig.status.stalled_seconds() == 130.0


def test_effects_that_cannot_be_done_are_an_outage_until_one_is(rig: Rig) -> None:
    effects = CircuitBreaker()
    rig.status = Status("test", rig.breaker, rig.clock, effects=effects)
    rig.status.in_flight = 1
    effects.failed(rig.clock.now)
    rig.watch(600, BEHIND)
    assert (rig.status.outage, rig.status.stalled_seconds()) == (True, 0.0)
    effects.succeeded(rig.clock.now)
    rig.watch(9, BEHIND)
    assert (rig.status.outage, rig.status.stalled_seconds()) == (False, 9.0)


def test_commit_times_are_counted_by_class(rig: Rig) -> None:
    for seconds in (0.001, 0.005, 0.03, 60.0):
        rig.status.committed(seconds)
    assert rig.status.commit_classes == [2, 0, 0, 1, 0, 0, 0, 0, 1]
    assert len(rig.status.commit_classes) == len(COMMIT_BOUNDS_SECONDS) + 1
    assert rig.status.commits == 4
