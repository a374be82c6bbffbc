"""The offset map: what a restart skips is what was finished, no more and no less."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keyflow.offsets import MAX_METADATA_CHARS, OffsetTracker, Run, decode, encode


def rows(offsets: set[int]) -> list[Run]:
    found: list[Run] = []
    for offset in sorted(offsets):
        if found and found[-1][1] == offset - 1:
            found[-1] = (found[-1][0], offset)
        else:
            found.append((offset, offset))
    return found


@given(st.integers(0, 2**40), st.sets(st.integers(1, 5000), max_size=300))
def test_a_map_reads_back_as_it_was_written(low: int, distances: set[int]) -> None:
    finished = rows({low + distance for distance in distances})
    text = encode(low, finished)
    assert decode(low, text) == finished
    assert text.isascii()


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 4000), st.integers(2, 5000))
def test_a_map_that_would_outgrow_the_broker_is_refused_and_never_cut(count: int, gap: int) -> None:
    tracker = OffsetTracker(0)
    for number in range(2 * count):
        assert tracker.take(number * gap)
    place = tracker.preview({number * gap for number in range(1, 2 * count, 2)})
    assert place is None or len(place[1]) <= MAX_METADATA_CHARS
    assert place is not None or count > 500
    assert tracker.preview({number * gap for number in range(2 * count)}) == ((2 * count - 1) * gap + 1, "")


@given(st.lists(st.integers(0, 199), unique=True, min_size=1, max_size=200), st.data())
def test_after_any_number_of_restarts_exactly_the_unfinished_records_are_handled(
    offsets: list[int], data: st.DataObject
) -> None:
    offsets.sort()
    left = set(offsets)
    tracker = OffsetTracker(offsets[0])
    for _ in range(3):
        # Only a part is fetched before the next restart; what lies beyond must stay as it was.
        fetched = offsets[: data.draw(st.integers(0, len(offsets)))]
        handled = {offset for offset in fetched if tracker.take(offset)}
        assert handled == left & set(fetched)
        done = set(data.draw(st.lists(st.sampled_from(sorted(handled)), unique=True))) if handled else set()
        place = tracker.preview(done)
        assert place is not None
        left -= done
        tracker = OffsetTracker(place[0], decode(*place))
    assert {offset for offset in offsets if tracker.take(offset)} == left


def test_with_nothing_unfinished_the_end_of_what_was_fetched_is_committed() -> None:
    tracker = OffsetTracker(10)
    tracker.take(10)
    tracker.take(14)
    tracker.finish([14])
    place = tracker.preview()
    assert place is not None
    assert (place[0], decode(*place)) == (10, [(11, 14)])
    tracker.finish([10])
    assert tracker.preview() == (15, "")


def test_a_position_beyond_transaction_markers_moves_an_idle_partition_only() -> None:
    tracker = OffsetTracker(10)
    tracker.take(10)
    assert not tracker.advance(12)
    tracker.finish([10])
    assert tracker.preview() == (12, "")
    assert tracker.advance(13)
    assert not tracker.advance(13)
    assert tracker.preview() == (13, "")


def test_a_record_that_is_fetched_twice_is_taken_once() -> None:
    tracker = OffsetTracker(3)
    assert tracker.take(3)
    assert not tracker.take(3)


def test_foreign_metadata_is_no_map_and_a_broken_map_is_an_error() -> None:
    assert decode(5, "written by somebody else") == []
    with pytest.raises(ValueError, match="base64"):
        decode(5, "k1:***")
    with pytest.raises(ValueError, match="cut off"):
        decode(5, "k1:AQ==")


def test_a_map_of_another_version_is_an_error_that_names_the_remedy() -> None:
    with pytest.raises(ValueError, match=r"another version .*'k2:'.* go back to the version that wrote it"):
        decode(5, "k2:AQE=")
