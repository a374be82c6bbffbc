"""The offset map: what a restart skips is what was finished, no more and no less."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from keyflow.offsets import MAX_METADATA_CHARS, OffsetTracker, decode, encode


@given(st.integers(0, 2**40), st.sets(st.integers(1, 5000), max_size=300))
def test_a_map_reads_back_as_it_was_written(low: int, distances: set[int]) -> None:
    finished = sorted(low + distance for distance in distances)
    assert decode(low, encode(low, finished)) == finished


@given(st.integers(1, 5000), st.integers(2, 5000))
def test_a_map_never_outgrows_the_broker_and_is_plain_text(count: int, gap: int) -> None:
    text = encode(0, [gap * (number + 1) for number in range(count)])
    assert len(text) <= MAX_METADATA_CHARS
    assert text.isascii()


@given(st.lists(st.integers(0, 199), unique=True, min_size=1, max_size=200), st.data())
def test_after_a_restart_exactly_the_unfinished_records_are_handled(offsets: list[int], data: st.DataObject) -> None:
    offsets.sort()
    done = set(data.draw(st.lists(st.sampled_from(offsets), unique=True)))
    tracker = OffsetTracker(offsets[0])
    for offset in offsets:
        assert tracker.take(offset)
    for offset in data.draw(st.permutations(sorted(done))):
        tracker.finish(offset)
    position, metadata = tracker.position(), tracker.metadata()
    again = OffsetTracker(position, decode(position, metadata))
    handled = {offset for offset in offsets if offset >= position and again.take(offset)}
    assert handled == set(offsets) - done


def test_with_nothing_unfinished_the_end_of_what_was_fetched_is_committed() -> None:
    tracker = OffsetTracker(10)
    tracker.take(10)
    tracker.take(14)
    tracker.finish(14)
    assert tracker.position() == 10
    tracker.finish(10)
    assert (tracker.position(), tracker.metadata()) == (15, "")


def test_foreign_metadata_is_no_map_and_a_broken_map_is_an_error() -> None:
    assert decode(5, "written by somebody else") == []
    with pytest.raises(ValueError, match="base64"):
        decode(5, "k1:***")
