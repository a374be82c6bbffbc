"""The core of redrive without a broker: one transaction per batch, nothing twice, parked letters in their order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer
from hypothesis import given
from hypothesis import strategies as st
from keyflow import ORIGIN_TOPIC_HEADER, FatalError
from keyflow.parking import Place, held_back
from keyflow.redrive import Redrive, Returning
from keyflow.work import Write


@dataclass
class FakeProducer:
    """A transactional producer that keeps what was committed."""

    settings: dict[str, Any]
    fails_at: str = ""
    error: int = KafkaError._FENCED
    committed: list[list[tuple[str, Any]]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    open: list[tuple[str, Any]] = field(default_factory=list)

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if name == self.fails_at:
            raise KafkaException(KafkaError(self.error))

    def init_transactions(self, timeout: float) -> None:
        self._called("init")

    def begin_transaction(self) -> None:
        self._called("begin")
        self.open = []

    def produce(self, topic: str, *, key: Any, value: Any, headers: Any) -> None:
        self._called("produce")
        self.open.append((topic, {"key": key, "value": value, "headers": headers}))

    def commit_transaction(self, timeout: float) -> None:
        self._called("commit")
        self.committed.append(self.open)

    def abort_transaction(self, timeout: float) -> None:
        self._called("abort")


@dataclass
class Kafka:
    """Makes producers and keeps them."""

    fails_at: str = ""
    error: int = KafkaError._FENCED
    made: list[FakeProducer] = field(default_factory=list)

    def __call__(self, settings: dict[str, Any]) -> Producer:
        self.made.append(FakeProducer(settings, self.fails_at, self.error))
        return cast(Producer, self.made[-1])


def redrive(kafka: Kafka) -> Redrive:
    return Redrive({"bootstrap.servers": "here"}, "ledger", "redrive", producer=kafka)


def returning(letter_id: str = "a", **changes: Any) -> Returning:
    values: dict[str, Any] = {
        "letter_id": letter_id, "entry": b"sent", "topic": "agent.redrive", "key": b"k", "value": b"v",
        "headers": (("trace", b"t"), (ORIGIN_TOPIC_HEADER, b"agent.redrive")), "origin_topic": "in",
        "also": [Write("audit", b"a", b"who")],
    }  # fmt: skip
    return Returning(**values | changes)


def test_record_ledger_and_audit_are_one_transaction_of_the_one_redriver() -> None:
    kafka = Kafka()
    subject = redrive(kafka)
    subject.fence()
    subject.send([returning()], [])
    [producer] = kafka.made
    assert producer.settings["transactional.id"] == "redrive"
    assert producer.calls == ["init", "begin", "produce", "produce", "produce", "commit"]
    [written] = producer.committed
    assert [topic for topic, _ in written] == ["agent.redrive", "ledger", "audit"]
    assert written[0][1] == {"key": b"k", "value": b"v", "headers": [("trace", b"t"), (ORIGIN_TOPIC_HEADER, b"in")]}
    assert written[1][1] == {"key": b"a", "value": b"sent", "headers": []}


def test_a_letter_that_only_the_ledger_shall_know_of_goes_nowhere() -> None:
    kafka = Kafka()
    redrive(kafka).send([returning(topic=None, also=())], [])
    assert [topic for topic, _ in kafka.made[0].committed[0]] == ["ledger"]


@pytest.mark.parametrize(("letters", "ledger"), [("a", ["a"]), ("aa", []), ("ba", ["x", "a"])])
def test_nothing_goes_back_twice(letters: str, ledger: Sequence[str]) -> None:
    kafka = Kafka()
    with pytest.raises(ValueError, match="letter a went back already"):
        redrive(kafka).send([returning(letter_id) for letter_id in letters], ledger)
    assert kafka.made == []


def test_many_letters_go_in_batches_and_in_their_order() -> None:
    kafka = Kafka()
    redrive(kafka).send([returning(str(number), also=()) for number in range(450)], [])
    batches = kafka.made[0].committed
    assert [len(batch) for batch in batches] == [400, 400, 100]
    ids = [record["key"] for batch in batches for topic, record in batch if topic == "ledger"]
    assert ids == [b"%d" % number for number in range(450)]


@pytest.mark.parametrize("fails_at", ["begin", "produce", "commit"])
def test_a_second_redrive_makes_the_first_fail_as_a_whole(fails_at: str) -> None:
    kafka = Kafka(fails_at)
    with pytest.raises(FatalError, match="another redrive runs at the same time"):
        redrive(kafka).send([returning()], [])
    assert kafka.made[0].committed == []


def test_what_kafka_refuses_is_said_and_the_transaction_aborted() -> None:
    kafka = Kafka("produce", KafkaError.TOPIC_AUTHORIZATION_FAILED)
    with pytest.raises(FatalError, match="the ledger knows what went back, give the command again"):
        redrive(kafka).send([returning()], [])
    assert kafka.made[0].calls[-1] == "abort"


def test_a_letter_is_held_back_for_those_before_it_that_stay() -> None:
    places = [Place(f"{lane}{number}", lane, number) for lane in "ab" for number in (2, 0, 1)]
    assert held_back(["a0", "a1", "a2"], places) == {}
    assert held_back(["a2", "b0", "b1"], places) == {"a2": [Place("a0", "a", 0), Place("a1", "a", 1)]}
    assert held_back(["b0", "b2"], places) == {"b2": [Place("b1", "b", 1)]}
    assert held_back(["a1"], [place for place in places if place.number]) == {}


@given(st.sets(st.integers(0, 12)), st.sets(st.integers(0, 12)))
def test_what_goes_is_always_a_beginning_of_what_is_left(unsent: set[int], wanted: set[int]) -> None:
    held = held_back([str(number) for number in wanted], [Place(str(number), "k", number) for number in unsent])
    goes = {number for number in wanted & unsent if str(number) not in held}
    assert goes == set(sorted(unsent)[: len(goes)])
