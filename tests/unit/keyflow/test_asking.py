"""Questions about places go on after a refusal, by a client that has not kept it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from keyflow import EngineConfig, asking
from keyflow.asking import Asking
from keyflow.follow import Bounds

PLACE = "replies", 3
END = 17


class Cluster:
    """Whether a leader is there, for clients that keep what they saw first."""

    def __init__(self) -> None:
        self.led = True
        self.in_places = False
        self.clients: list[Client] = []
        self.asked = 0
        self.seconds = 100.0

    def client(self, settings: dict[str, Any]) -> Client:
        made = Client(self, settings)
        self.clients.append(made)
        return made

    @property
    def open_clients(self) -> int:
        return sum(not client.closed for client in self.clients)


class Client:
    """Repeats "unknown partition" once it saw a partition without a leader, as librdkafka does."""

    def __init__(self, cluster: Cluster, settings: dict[str, Any]) -> None:
        self.cluster = cluster
        self.settings = settings
        self.stale = False
        self.closed = False

    def offsets_for_times(self, places: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        self._ask(lenient=self.cluster.in_places)
        return [Place(place, KafkaError(KafkaError._UNKNOWN_PARTITION) if self.stale else None) for place in places]  # type: ignore[misc]

    def get_watermark_offsets(self, place: TopicPartition, timeout: float) -> tuple[int, int]:
        self._ask()
        return 0, END

    def close(self) -> None:
        self.closed = True

    def _ask(self, *, lenient: bool = False) -> None:
        assert not self.closed
        self.cluster.asked += 1
        self.stale = self.stale or not self.cluster.led
        if self.stale and not lenient:
            raise KafkaException(KafkaError(KafkaError._UNKNOWN_PARTITION))


class Place:
    """An answer for one place; librdkafka alone can give a `TopicPartition` an error."""

    def __init__(self, place: TopicPartition, error: KafkaError | None) -> None:
        self.topic, self.partition, self.offset, self.error = place.topic, place.partition, END, error


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    made = Cluster()
    monkeypatch.setattr(asking, "Consumer", made.client)
    monkeypatch.setattr("keyflow.follow.time.monotonic", lambda: made.seconds)
    yield made
    assert made.open_clients <= 1


def test_one_client_answers_while_nothing_is_wrong(cluster: Cluster) -> None:
    subject = Asking({"group.id": "g"})
    assert [subject.watermarks(TopicPartition(*PLACE), 1.0) for _ in range(3)] == [(0, END)] * 3
    assert [client.settings for client in cluster.clients] == [{"group.id": "g"}]
    subject.close()
    assert cluster.open_clients == 0


def test_what_was_kept_of_a_partition_without_a_leader_does_not_outlive_it(cluster: Cluster) -> None:
    subject = Asking({})
    cluster.led = False
    with pytest.raises(KafkaException):
        subject.watermarks(TopicPartition(*PLACE), 1.0)
    cluster.led = True
    assert subject.watermarks(TopicPartition(*PLACE), 1.0) == (0, END)


@pytest.mark.parametrize("in_places", [False, True], ids=["as a whole", "by place"])
def test_bounds_are_known_again_when_the_leader_is_back(
    cluster: Cluster, in_places: bool, caplog: pytest.LogCaptureFixture
) -> None:
    cluster.led, cluster.in_places = False, in_places
    subject = Bounds(EngineConfig("broker:9092", "group"))
    assert subject.ends([PLACE]) == {}
    cluster.led = True
    # Those who wait look with every poll; Kafka is not asked as often, nor the log written.
    assert [subject.ends([PLACE]) for _ in range(100)] == [{}] * 100
    assert (cluster.asked, len(caplog.records)) == (1, 1)
    cluster.seconds += 0.25
    assert subject.ends([PLACE]) == {PLACE: END}
    assert subject.beginnings([PLACE]) == {PLACE: END}
    subject.close()
    assert cluster.open_clients == 0
