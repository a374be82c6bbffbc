"""What is finished stays until it is committed: aborts, full offset maps, partitions that are taken away."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from keyflow.offsets import MAX_METADATA_CHARS, OffsetTracker, decode
from keyflow.outbox import Outbox
from keyflow.work import Assignment, Finished, Item, Write


def assignment(partition: int = 0, count: int = 10) -> Assignment[Any]:
    made: Assignment[Any] = Assignment(partition, {"in": OffsetTracker(0)})
    for offset in range(count):
        made.trackers["in"].take(offset)
    return made


def finished(place: Assignment[Any], offset: int | None, name: str = "") -> Finished:
    item = Item(place, "in", offset, "in", "k", raw_value=b"")
    return Finished(item, offset, [Write("out", b"k", (name or str(offset)).encode())])


def values(outbox: Outbox) -> list[bytes | None]:
    return [write.value for write in outbox.take().writes]


def test_an_aborted_transaction_keeps_its_outcomes_ahead_of_what_came_after_them() -> None:
    outbox, place = Outbox(), assignment()
    outbox.put(finished(place, 0))
    assert values(outbox) == [b"0"]
    outbox.put(finished(place, 1))
    assert values(outbox) == [b"0", b"1"]
    assert len(outbox.mark_committed()) == 2
    assert not outbox.take()
    assert place.buffered == 8


def test_outcomes_of_a_partition_that_was_taken_away_are_dropped_even_after_an_abort() -> None:
    outbox, gone, kept = Outbox(), assignment(1), assignment(2)
    outbox.put(finished(gone, 0, "gone"))
    outbox.put(finished(kept, 0, "kept"))
    outbox.take()
    gone.live = False
    batch = outbox.take()
    assert [write.value for write in batch.writes] == [b"kept"]
    assert set(batch.offsets) == {("in", 2)}


def test_a_decision_whose_record_is_not_finished_commits_its_membership_and_no_progress() -> None:
    outbox, place = Outbox(), assignment()
    outbox.put(finished(place, None))
    assert outbox.take().offsets == {("in", 0): (0, "")}


async def test_waiters_of_effects_are_resolved_once_their_decision_is_committed_and_not_before() -> None:
    outbox, place, gone = Outbox(), assignment(), assignment(1)
    waiters = []
    for owner in (place, gone):
        decided = finished(owner, None)
        decided.waiter = asyncio.get_running_loop().create_future()
        waiters.append(decided.waiter)
        outbox.put(decided)
    outbox.take()
    outbox.settle()
    assert not waiters[0].done()
    outbox.mark_committed()
    gone.live = False
    outbox.settle()
    assert waiters[0].done()
    assert not waiters[1].done(), "the next owner runs this effect"


def test_after_a_fatal_failure_nothing_is_committed() -> None:
    outbox, place = Outbox(), assignment()
    outbox.put(finished(place, 0))
    outbox.take()
    outbox.discard()
    assert not outbox.take()


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32), st.integers(3000, 9000))
def test_however_records_finish_no_map_is_cut_and_everything_is_committed_in_the_end(seed: int, count: int) -> None:
    outbox, place, chance = Outbox(), assignment(count=count), random.Random(seed)
    order = list(range(0, count, 2)) + list(range(1, count, 2))[::-1]
    committed: list[int] = []
    paused = False
    while order or len(outbox):
        size = chance.randint(1, 700)
        for offset in order[:size]:
            outbox.put(finished(place, offset))
        del order[:size]
        batch = outbox.take()
        paused = paused or bool(place.full_topics)
        if batch:
            [(position, text)] = batch.offsets.values()
            assert len(text) <= MAX_METADATA_CHARS
            committed += [int(write.value or b"") for write in batch.writes]
            done = {offset for first, last in decode(position, text) for offset in range(first, last + 1)}
            assert done | set(range(position)) == set(committed)
            outbox.mark_committed()
    assert sorted(committed) == list(range(count))
    assert paused
    assert not place.full_topics
