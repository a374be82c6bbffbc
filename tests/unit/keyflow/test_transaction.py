"""What a producer that cannot go on means for its transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keyflow.transaction
import pytest
from confluent_kafka import KafkaError, KafkaException
from keyflow.config import EngineConfig
from keyflow.errors import FatalError, RetryableError
from keyflow.transaction import Transactions
from keyflow.work import CommitBatch, Write

BATCH = CommitBatch([Write("out", b"k", b"v", (), 0)], {("in", 0): (7, "")})


class FakeProducer:
    """Writes down what it is told, and fails where it shall."""

    def __init__(self, calls: list[str], failures: dict[str, KafkaError]) -> None:
        self._calls = calls
        self._failures = failures

    def __getattr__(self, name: str) -> Callable[..., None]:
        def call(*args: Any, **named: Any) -> None:
            self._calls.append(name)
            if name in self._failures:
                raise KafkaException(self._failures.pop(name))

        return call


class FakeConsumer:
    def consumer_group_metadata(self) -> None:
        return None


@pytest.fixture
def made() -> list[list[str]]:
    """The calls to each producer, in the order in which they were made."""
    return []


def transactions(
    monkeypatch: pytest.MonkeyPatch, made: list[list[str]], failures: dict[str, KafkaError]
) -> Transactions:
    def make(config: dict[str, Any]) -> FakeProducer:
        made.append([])
        return FakeProducer(made[-1], failures)

    monkeypatch.setattr(keyflow.transaction, "Producer", make)
    return Transactions(EngineConfig(bootstrap_servers="-", group_id="g", instance="0"))


WHOLE = ["init_transactions", "begin_transaction", "produce", "send_offsets_to_transaction", "commit_transaction"]


@pytest.mark.parametrize("code", [KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, KafkaError.UNKNOWN_PRODUCER_ID])
@pytest.mark.parametrize("where", ["produce", "send_offsets_to_transaction", "commit_transaction"])
def test_a_producer_out_of_step_is_replaced_and_the_same_batch_tried_again(
    monkeypatch: pytest.MonkeyPatch, made: list[list[str]], code: int, where: str
) -> None:
    tried = transactions(monkeypatch, made, {where: KafkaError(code, "", fatal=True)})
    with pytest.raises(RetryableError, match="out of step"):
        tried.commit(BATCH, FakeConsumer())  # type: ignore[arg-type]
    tried.commit(BATCH, FakeConsumer())  # type: ignore[arg-type]
    assert made == [WHOLE[: WHOLE.index(where) + 1], WHOLE]


def test_one_that_turns_out_to_be_out_of_step_when_it_aborts_too(
    monkeypatch: pytest.MonkeyPatch, made: list[list[str]]
) -> None:
    failures = {
        "commit_transaction": KafkaError(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, "", txn_requires_abort=True),
        "abort_transaction": KafkaError(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, "", fatal=True),
    }
    tried = transactions(monkeypatch, made, failures)
    with pytest.raises(RetryableError, match="out of step"):
        tried.commit(BATCH, FakeConsumer())  # type: ignore[arg-type]
    tried.commit(BATCH, FakeConsumer())  # type: ignore[arg-type]
    assert made == [[*WHOLE, "abort_transaction"], WHOLE]


def test_any_other_end_of_the_producer_is_one_of_the_process(
    monkeypatch: pytest.MonkeyPatch, made: list[list[str]]
) -> None:
    tried = transactions(monkeypatch, made, {"commit_transaction": KafkaError(KafkaError._FATAL, "", fatal=True)})
    with pytest.raises(FatalError, match="for good"):
        tried.commit(BATCH, FakeConsumer())  # type: ignore[arg-type]
    assert made == [WHOLE]
