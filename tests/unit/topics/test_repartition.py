"""When partitions may change, and what changes with them."""

from __future__ import annotations

from typing import Any

import pytest
from floodgate.events.topics import topics
from floodgate.repartition import Facts, subjects_of
from floodgate.settings import KafkaSettings

QUIET = Facts(
    target=12,
    counts={"in": 6, "state": 6},
    members={"floodgate.firewall": 0},
    misplaced={"state": 3},
)


def but(**changed: Any) -> Facts:
    names = ("target", "counts", "members", "behind", "open_topics", "misplaced", "pending", "uncommitted")
    return Facts(**{**{name: getattr(QUIET, name) for name in names}, **changed})


def test_nothing_is_in_the_way_when_everything_is_read_and_stopped() -> None:
    assert QUIET.problems() == []
    assert QUIET.growing == ("in", "state")
    assert not QUIET.done


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (but(members={"floodgate.agent": 2}), "floodgate.agent run: stop every service"),
        (but(behind={"floodgate.agent": ("in",)}), "floodgate.agent has not finished in"),
        (but(open_topics=("in",)), "a transaction is open"),
        (but(pending={"state": 2}), "state: 2 effects are decided and not done"),
        (but(target=4), "Kafka takes none away"),
        (but(counts={"in": 6, "state": 3}), "have 3, 6 partitions"),
    ],
)
def test_each_reason_not_to_is_told(facts: Facts, said: str) -> None:
    assert any(said in problem for problem in facts.problems())


def test_half_of_it_done_is_no_reason_not_to_go_on() -> None:
    half = but(counts={"in": 6, "state": 12})
    assert half.problems() == []
    assert half.growing == ("in",)


@pytest.mark.parametrize("left", [{"misplaced": {"state": 1}}, {"uncommitted": {"g": (("in", 7),)}}])
def test_keys_out_of_place_and_missing_offsets_are_left_to_do(left: dict[str, Any]) -> None:
    grown: dict[str, Any] = {"counts": {"in": 12, "state": 12}, "misplaced": {}}
    assert but(**grown).done
    assert not but(**{**grown, **left}).done


def test_every_topic_with_more_than_one_partition_moves_and_every_table_with_it() -> None:
    subjects = {subject.name: subject for subject in subjects_of(topics().values())}
    assert set(subjects) == {topic.name for topic in topics().values() if topic.partitions > 1}
    assert subjects["support.firewall.state"].holds_state
    assert subjects["support.redrive.ledger"].compacted
    assert not subjects["support.redrive.ledger"].holds_state
    assert not subjects["support.messages"].compacted
    assert "support.modes" not in subjects


def test_a_sites_own_number_holds_for_all_topics_but_those_of_one_partition() -> None:
    large = KafkaSettings(bootstrap_servers="none:1", partitions=24)
    assert {large.partitions_of(topic.partitions) for topic in topics().values()} == {1, 24}
    assert KafkaSettings(bootstrap_servers="none:1").partitions_of(6) == 6
