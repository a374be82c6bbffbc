"""The token bucket by a clock of its own."""

from __future__ import annotations

import pytest
from delivery.domain.pace import TokenBucket
from hypothesis import given
from hypothesis import strategies as st


def test_a_burst_is_free_and_then_the_rate_holds():
    bucket = TokenBucket(per_minute=600, burst=3)
    assert [bucket.reserve(0.0) for _ in range(5)] == pytest.approx([0, 0, 0, 0.1, 0.2])


def test_a_pause_fills_the_bucket_up_to_the_burst_only():
    bucket = TokenBucket(per_minute=600, burst=2)
    bucket.reserve(0.0)
    assert [bucket.reserve(1_000.0) for _ in range(3)] == pytest.approx([0, 0, 0.1])


def test_being_told_to_wait_holds_everyone_back():
    bucket = TokenBucket(per_minute=600, burst=10)
    bucket.pause(0.0, 5.0)
    assert bucket.reserve(0.0) == pytest.approx(5.1)


def test_a_clock_that_runs_backwards_gives_nothing_away():
    bucket = TokenBucket(per_minute=60, burst=1)
    bucket.reserve(100.0)
    assert bucket.reserve(50.0) == pytest.approx(1.0)


@pytest.mark.parametrize(("per_minute", "burst"), [(0, 1), (-1, 1), (1, 0)])
def test_a_bucket_that_never_fills_is_refused(per_minute, burst):
    with pytest.raises(ValueError, match="positive rate"):
        TokenBucket(per_minute, burst)


@given(gaps=st.lists(st.floats(min_value=0, max_value=1), min_size=1, max_size=200))
def test_no_window_sees_more_than_the_rate_and_one_burst(gaps):
    bucket = TokenBucket(per_minute=60, burst=5)
    now, starts = 0.0, []
    for gap in gaps:
        now += gap
        starts.append(now + bucket.reserve(now))
    for first in range(len(starts)):
        in_ten_seconds = sum(1 for start in starts[first:] if start < starts[first] + 10)
        assert in_ten_seconds <= 5 + 10 + 1
