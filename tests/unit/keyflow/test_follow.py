"""Records wait until the followed topics were read up to where they stood."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from hypothesis import given
from hypothesis import strategies as st
from keyflow.follow import Follower
from keyflow.work import Assignment, Item, Source

PLACES = [Assignment(number, {}) for number in range(3)]


class Topics:
    """Where the sources stand, and how far they were read."""

    def __init__(self) -> None:
        self.end: dict[Source, int] = {}
        self.low: dict[Source, int] = {}
        self.read: dict[Source, int] = {}
        self.silent = False

    def ends(self, sources: Collection[Source]) -> Mapping[Source, int]:
        return {} if self.silent else {source: self.end.get(source, 0) for source in sources}

    def beginnings(self, sources: Collection[Source]) -> Mapping[Source, int]:
        return {} if self.silent else {source: self.low.get(source, 0) for source in sources}

    def positions(self, sources: Collection[Source]) -> Mapping[Source, int]:
        return {source: self.read[source] for source in sources if source in self.read}


def item(topic: str, partition: int, offset: int) -> Item:
    return Item(PLACES[partition], topic, offset, topic, "k")


def names(items: list[Item]) -> list[tuple[str, int, int | None]]:
    return [(found.source_topic, found.assignment.partition, found.offset) for found in items]


def follower(topics: Topics) -> Follower:
    made = Follower(["replies"], topics, topics.positions)
    made.assigned({("replies", number): 0 for number in range(3)} | {("messages", number): 0 for number in range(3)})
    return made


def test_a_record_goes_at_once_when_nothing_is_left_to_read() -> None:
    assert names(follower(Topics()).admit([item("messages", 0, 7)])) == [("messages", 0, 7)]


def test_a_record_waits_for_what_was_there_when_it_was_fetched_and_for_no_more() -> None:
    topics = Topics()
    subject = follower(topics)
    topics.end["replies", 0] = 5
    fetched = [item("messages", 0, 1), item("messages", 1, 1)]
    assert names(subject.admit(fetched)) == [("messages", 1, 1)]
    assert (subject.held(0), subject.held(1)) == (1, 0)
    topics.end["replies", 0] = 9
    topics.read["replies", 0] = 4
    assert names(subject.admit([item("replies", 0, 3)])) == [("replies", 0, 3)]
    topics.read["replies", 0] = 5
    assert names(subject.admit([item("replies", 0, 4)])) == [("replies", 0, 4), ("messages", 0, 1)]
    assert subject.held(0) == 0


def test_the_followed_records_of_a_fetch_go_first() -> None:
    topics = Topics()
    subject = follower(topics)
    topics.end["replies", 2] = topics.read["replies", 2] = 1
    fetched = [item("messages", 2, 0), item("replies", 2, 0)]
    assert names(subject.admit(fetched)) == [("replies", 2, 0), ("messages", 2, 0)]


def test_without_an_answer_from_kafka_a_record_waits_and_is_asked_for_again() -> None:
    topics = Topics()
    subject = follower(topics)
    topics.silent = True
    assert subject.admit([item("messages", 0, 0)]) == []
    topics.silent = False
    assert names(subject.admit([])) == [("messages", 0, 0)]


def test_a_topic_of_which_retention_left_nothing_is_up_to_date() -> None:
    topics = Topics()
    subject = Follower(["replies"], topics, topics.positions)
    subject.assigned({("replies", 0): 0})
    topics.low["replies", 0] = topics.end["replies", 0] = 40
    assert names(subject.admit([item("messages", 0, 0)])) == [("messages", 0, 0)]


def test_what_waits_of_a_partition_that_was_taken_away_is_dropped() -> None:
    topics = Topics()
    subject = follower(topics)
    topics.end |= {("replies", 0): 5, ("replies", 1): 5}
    subject.admit([item("messages", 0, 0), item("messages", 1, 0)])
    subject.forget([0])
    topics.read |= {("replies", 0): 5, ("replies", 1): 5}
    assert names(subject.admit([])) == [("messages", 1, 0)]


@given(
    st.lists(st.tuples(st.sampled_from(["write", "read", "fetch"]), st.integers(0, 2), st.integers(1, 3)), max_size=60)
)
def test_whatever_comes_nothing_is_lost_overtaken_or_early(steps: list[tuple[str, int, int]]) -> None:
    topics = Topics()
    subject = follower(topics)
    stood: dict[tuple[int, int | None], int] = {}
    fetched: dict[int, int] = {}
    admitted: list[Item] = []
    for what, partition, count in steps:
        source = ("replies", partition)
        if what == "write":
            topics.end[source] = topics.end.get(source, 0) + count
            continue
        batch = []
        if what == "read":
            at = topics.read.get(source, 0)
            upto = min(at + count, topics.end.get(source, 0))
            batch = [item("replies", partition, offset) for offset in range(at, upto)]
            topics.read[source] = upto
        else:
            first = fetched.get(partition, 0)
            batch = [item("messages", partition, offset) for offset in range(first, first + count)]
            fetched[partition] = first + count
            stood.update({(partition, offset): topics.end.get(source, 0) for offset in range(first, first + count)})
        for found in subject.admit(batch):
            admitted.append(found)
            if found.source_topic == "messages":
                place = found.assignment.partition
                assert topics.read.get(("replies", place), 0) >= stood[place, found.offset]
    for partition in range(3):
        topics.read["replies", partition] = topics.end.get(("replies", partition), 0)
    admitted += subject.admit([])
    for partition, count in fetched.items():
        own = [f.offset for f in admitted if f.source_topic == "messages" and f.assignment.partition == partition]
        assert own == list(range(count))
