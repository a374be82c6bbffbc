"""Which partition numbers are worked on, as topics of them come and go."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from confluent_kafka import OFFSET_BEGINNING, TopicPartition
from keyflow import EngineConfig
from keyflow.rebalance import Rebalancer
from support.crash_checks import verify
from support.crash_lab import Lab
from support.crash_topics import GROUP, IN

Places = list[tuple[str, int]]


class Consumer:
    """What the callbacks ask of the consumer."""

    def __init__(self, committed: dict[tuple[str, int], int] | None = None) -> None:
        self.stored = committed or {}
        self.reading: dict[tuple[str, int], int] = {}
        self.paused: set[tuple[str, int]] = set()

    def committed(self, places: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        found = [(place.topic, place.partition) for place in places]
        return [TopicPartition(*place, self.stored.get(place, -1001)) for place in found]

    def incremental_assign(self, places: list[TopicPartition]) -> None:
        self.reading.update({(place.topic, place.partition): place.offset for place in places})

    def incremental_unassign(self, places: list[TopicPartition]) -> None:
        for place in places:
            del self.reading[place.topic, place.partition]

    def assign(self, places: list[TopicPartition]) -> None:
        self.reading = {(place.topic, place.partition): place.offset for place in places}

    def unassign(self) -> None:
        self.reading = {}

    def seek(self, place: TopicPartition) -> None:
        self.reading[place.topic, place.partition] = place.offset

    def pause(self, places: list[TopicPartition]) -> None:
        self.paused |= {(place.topic, place.partition) for place in places}

    def resume(self, places: list[TopicPartition]) -> None:
        self.paused -= {(place.topic, place.partition) for place in places}


class Idle:
    """Workers without work."""

    def __init__(self) -> None:
        self.left: list[set[int]] = []

    def leave(self, partitions: set[int]) -> None:
        self.left.append(partitions)

    def busy(self, partitions: set[int]) -> bool:
        return False

    def abandon(self, partitions: set[int]) -> None: ...


def rebalancer(protocol: Any, workers: Idle | None = None, topics: tuple[str, ...] = ("a", "b")) -> Rebalancer[Any]:
    config = EngineConfig("nowhere", "group", group_protocol=protocol)
    return Rebalancer(list(topics), None, config, workers or Idle(), lambda: None, end_forgotten=lambda _: None)


def places(*found: tuple[str, int]) -> list[TopicPartition]:
    return [TopicPartition(*place) for place in found]


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_number_is_worked_on_from_where_the_group_stands(protocol: str) -> None:
    consumer: Any = Consumer({("a", 3): 17})
    subject = rebalancer(protocol)
    subject.on_assign(consumer, places(("a", 3), ("b", 3)))
    revoked, assigned = subject.changes()
    assert revoked == []
    assert [item.partition for item in assigned] == [3]
    assert set(assigned[0].trackers) == {"a", "b"}
    assert consumer.reading == {("a", 3): 17, ("b", 3): -1001}
    assert consumer.paused == set()


def test_a_number_waits_until_all_its_topics_are_here() -> None:
    consumer: Any = Consumer({("a", 0): 5})
    subject = rebalancer("consumer")
    subject.on_assign(consumer, places(("a", 0)))
    assert subject.assignments == {}
    assert consumer.paused == {("a", 0)}
    consumer.stored["a", 0] = 9  # its earlier owner was not quite done
    subject.on_assign(consumer, places(("b", 0)))
    assert set(subject.assignments) == {0}
    assert consumer.reading["a", 0] == 9
    assert consumer.paused == set()
    assert subject.failure is None


def test_a_number_that_loses_a_topic_stops_and_begins_again_with_it() -> None:
    consumer: Any = Consumer()
    workers = Idle()
    subject = rebalancer("consumer", workers)
    subject.on_assign(consumer, places(("a", 0), ("b", 0), ("a", 1), ("b", 1)))
    before = subject.changes()[1]
    subject.on_revoke(consumer, places(("b", 0)))
    assert workers.left == [{0}]
    assert consumer.paused == {("a", 0)}
    revoked, _ = subject.changes()
    assert [(item.partition, item.live) for item in revoked] == [(0, False)]
    assert [item.live for item in before] == [False, True], "the other number goes on"
    subject.on_assign(consumer, places(("b", 0)))
    assert set(subject.assignments) == {0, 1}
    assert consumer.reading["a", 0] == OFFSET_BEGINNING, "nothing of it was committed"
    assert consumer.paused == set()


def test_only_partitions_that_move_are_let_go_under_kip_848() -> None:
    consumer: Any = Consumer()
    workers = Idle()
    subject = rebalancer("consumer", workers)
    subject.on_assign(consumer, places(*[(topic, number) for topic in "ab" for number in range(3)]))
    stays = subject.assignments[0]
    subject.on_revoke(consumer, places(("a", 1), ("b", 1), ("a", 2), ("b", 2)))
    subject.on_assign(consumer, [])
    assert workers.left == [{1, 2}]
    assert set(consumer.reading) == {("a", 0), ("b", 0)}
    assert subject.assignments == {0: stays}
    assert (stays.live, stays.closing) == (True, False)


def test_the_classic_protocol_gives_all_back() -> None:
    consumer: Any = Consumer()
    subject = rebalancer("classic")
    subject.on_assign(consumer, places(("a", 0), ("b", 0)))
    subject.on_revoke(consumer, places(("a", 0), ("b", 0)))
    assert consumer.reading == {}
    subject.on_assign(consumer, places(("a", 1), ("b", 1)))
    assert set(subject.assignments) == {1}


def test_what_is_lost_is_not_committed_any_more() -> None:
    consumer: Any = Consumer()
    workers = Idle()
    subject = rebalancer("consumer", workers)
    subject.on_assign(consumer, places(("a", 0), ("b", 0)))
    subject.on_lost(consumer, places(("a", 0), ("b", 0)))
    assert workers.left == []
    assert subject.assignments == {}
    assert consumer.reading == {}


def test_a_number_that_stays_incomplete_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = [1000.0]
    monkeypatch.setattr("keyflow.rebalance.time.monotonic", lambda: now[0])
    consumer: Any = Consumer()
    subject = rebalancer("consumer")
    subject.on_assign(consumer, places(("a", 0)))
    with caplog.at_level(logging.WARNING):
        subject.tell_incomplete()
        assert caplog.records == []
        now[0] += 31
        subject.tell_incomplete()
        subject.tell_incomplete()
    assert [record.getMessage().split()[:2] for record in caplog.records] == [
        ["keyflow.partitions_wait", "numbers=[0]"]
    ]


def test_members_are_static_in_the_classic_protocol_only() -> None:
    classic = EngineConfig("k", "group", "7").consumer()
    assert classic["group.instance.id"] == "group-7"
    assert classic["partition.assignment.strategy"] == "range"
    new = EngineConfig("k", "group", "7", group_protocol="consumer").consumer()
    assert new["group.remote.assignor"] == "range"
    assert not {"group.instance.id", "session.timeout.ms", "heartbeat.interval.ms"} & set(new)


def test_a_member_whose_own_second_request_took_its_place_joins_again_and_another_process_ends_it() -> None:
    lab = Lab(2)

    def take_place() -> None:
        lab.broker.group(GROUP).join([IN], incremental=False, session_seconds=10, instance=f"{GROUP}-0")

    with lab.open():
        process = lab.start()
        lab.fill([("ann", {"n": 0}), ("ben", {"n": 1})])
        lab.until(lab.settled)
        take_place()
        lab.fill([("ann", {"n": 2}), ("ben", {"n": 3})])
        lab.until(lab.settled, process)
        assert lab.settled(), lab.wait(process)
        take_place()
        error = lab.wait(process)
        assert error is not None
        assert "another process uses the slot" in str(error)
        lab.finish()
        verify(lab)
