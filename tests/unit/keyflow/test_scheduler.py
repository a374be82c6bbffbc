"""The order of keys: one at a time, in order, longest queue first, nobody starves, partitions take turns."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from keyflow.scheduler import KeyScheduler, Lane

Item = tuple[int, str, int]


class Scheduling(RuleBasedStateMachine):
    """Any sequence of additions, takes, finishes and revocations, against the plainest model."""

    def __init__(self) -> None:
        super().__init__()
        self.subject: KeyScheduler[Item] = KeyScheduler(ageing_takes=3)
        self.queued: dict[tuple[int, str], list[Item]] = {}
        self.running: list[Lane[Item]] = []
        self.number = 0

    @rule(partition=st.integers(0, 2), key=st.sampled_from("abcd"))
    def add(self, partition: int, key: str) -> None:
        self.number += 1
        item = (partition, key, self.number)
        self.subject.add(partition, key, item)
        self.queued.setdefault((partition, key), []).append(item)

    @rule()
    def take(self) -> None:
        taken = self.subject.take()
        busy = {(lane.partition, lane.key) for lane in self.running}
        ready = {place for place, items in self.queued.items() if items and place not in busy}
        if taken is None:
            assert not ready
            return
        lane, item = taken
        place = (lane.partition, lane.key)
        assert place in ready, "two of a key at once"
        assert self.queued[place].pop(0) == item, "out of order"
        self.running.append(lane)

    @rule(partition=st.integers(0, 2), key=st.sampled_from("efg"))
    def hold(self, partition: int, key: str) -> None:
        if (partition, key) not in set(self.subject.keys()):
            self.running.append(self.subject.hold(partition, key))

    @rule(partition=st.integers(0, 2), key=st.sampled_from("efg"))
    def add_behind_what_is_held(self, partition: int, key: str) -> None:
        self.add(partition, key)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        self.subject.done(self.running.pop(data.draw(st.integers(0, len(self.running) - 1))))

    @rule(partition=st.integers(0, 2))
    def revoke(self, partition: int) -> None:
        self.subject.forget(partition)
        self.queued = {place: items for place, items in self.queued.items() if place[0] != partition}
        for lane in [lane for lane in self.running if lane.partition == partition]:
            self.running.remove(lane)
            self.subject.done(lane)  # an abandoned worker that reports late changes nothing

    @invariant()
    def counts_hold(self) -> None:
        busy = {(lane.partition, lane.key) for lane in self.running}
        assert self.subject.waiting == sum(1 for place, items in self.queued.items() if items and place not in busy)
        known = {place for place, items in self.queued.items() if items} | busy
        assert set(self.subject.keys()) == known
        assert self.subject.empty == (not known)


TestScheduling = Scheduling.TestCase
TestScheduling.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def test_the_longest_queue_goes_first_and_equals_in_order_of_arrival() -> None:
    subject: KeyScheduler[int] = KeyScheduler()
    for number, key in enumerate("abbcbcd"):
        subject.add(0, key, number)
    taken = []
    while (next_one := subject.take()) is not None:
        taken.append(next_one[0].key)
    assert taken == ["b", "c", "a", "d"]


@given(st.integers(1, 6), st.integers(1, 20))
def test_no_key_starves_behind_queues_that_never_empty(rivals: int, length: int) -> None:
    ageing = 4
    subject: KeyScheduler[int] = KeyScheduler(ageing)
    subject.add(0, "patient", 0)
    for rival in range(rivals):
        for number in range(length):
            subject.add(0, f"rival-{rival}", number)
    for _ in range(ageing * length + rivals + 1):
        taken = subject.take()
        assert taken is not None
        lane, number = taken
        if lane.key == "patient":
            return
        subject.add(0, lane.key, number)
        subject.done(lane)
    raise AssertionError("starved")


@given(st.lists(st.integers(1, 200), min_size=2, max_size=5))
def test_partitions_take_turns_however_long_their_backlogs(backlogs: list[int]) -> None:
    subject: KeyScheduler[int] = KeyScheduler()
    for partition, backlog in enumerate(backlogs):
        for number in range(backlog):
            subject.add(partition, f"key-{number}", number)
    served: Counter[int] = Counter()
    for _ in range(min(backlogs) * len(backlogs)):
        taken = subject.take()
        assert taken is not None
        served[taken[0].partition] += 1
    assert set(served.values()) == {min(backlogs)}


def test_what_waits_behind_a_key_can_be_seen() -> None:
    subject: KeyScheduler[int] = KeyScheduler()
    for number in range(12):
        subject.add(0, "a", number)
    subject.add(0, "b", 99)
    assert subject.take() is not None
    assert subject.queued(0, "a") == (1, 2, 3, 4, 5, 6, 7, 8)
    assert subject.queued(0, "unknown") == ()
    assert subject.queued(7, "a") == ()
