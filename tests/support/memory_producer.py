"""A stand-in for confluent_kafka's Producer on a `MemoryBroker`: the transactional calls, and librdkafka's states."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from support.memory_broker import MemoryBroker, Refused, Transaction
from support.memory_clients import Client, MemoryMetadata, Wire, failure


class MemoryProducer(Client):
    """Of confluent_kafka.Producer what the engine and its tests call: the transactional calls above all."""

    def __init__(self, broker: MemoryBroker, conf: dict[str, Any], wire: Wire) -> None:
        super().__init__(broker, wire)
        self._transactional = "transactional.id" in conf
        self._id = str(conf.get("transactional.id"))
        self._timeout_ms = int(conf.get("transaction.timeout.ms", 60_000))
        self._largest = int(conf.get("message.max.bytes", 1_000_000))
        self._epoch = -1
        self._transaction: Transaction | None = None
        self._unanswered: tuple[str, bool] | None = None
        self._aborting: KafkaException | None = None
        self._fatal: KafkaException | None = None

    def _do(self, name: str, body: Callable[[], None]) -> None:
        """One transactional call; what a failure leaves behind is librdkafka's state machine."""
        if self._fatal is not None:
            raise self._fatal
        done = False
        if self._unanswered is not None:
            # After a retriable failure only the same call again is allowed; it finds out what became of the first.
            if self._unanswered[0] != name:
                raise failure(KafkaError._CONFLICT)
            done = self._unanswered[1]
        try:
            with self._wire.call(name):
                if not done:
                    body()
                done = True
            self._unanswered = None
        except Refused as refused:
            raise self._noted(_translated(refused.code)) from None
        except KafkaException as error:
            if error.args[0].retriable():
                self._unanswered = (name, done)
            raise self._noted(error) from None

    def _noted(self, error: KafkaException) -> KafkaException:
        cause = error.args[0]
        if cause.fatal():
            self._fatal = error
        elif cause.txn_requires_abort():
            self._aborting = error
            self._unanswered = None
        return error

    def _open(self) -> Transaction:
        if self._aborting is not None:
            raise self._aborting
        if self._transaction is None:
            raise failure(KafkaError._STATE)
        self._broker.check(self._id, self._epoch, self._transaction)
        return self._transaction

    def init_transactions(self, timeout: float = -1) -> None:
        self._do("init_transactions", lambda: self._init(timeout))

    def _init(self, timeout: float) -> None:
        self._epoch = self._broker.begin_epoch(self._id)
        self._settle(timeout)

    def _settle(self, timeout: float) -> None:
        if not self._wait(lambda: self._broker.settled(self._id), timeout if timeout >= 0 else 60):
            raise failure(KafkaError._TIMED_OUT, retriable=True)

    def begin_transaction(self) -> None:
        self._do("begin_transaction", self._begin)

    def _begin(self) -> None:
        if self._transaction is not None:
            raise failure(KafkaError._STATE)
        # The coordinator lets no partition in before the last transaction has its markers.
        self._settle(60)
        self._transaction = self._broker.begin(self._id, self._epoch, self._timeout_ms)

    def produce(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        partition: int = -1,
        headers: Any = None,
        **_: Any,
    ) -> None:
        if self._fatal is not None:
            raise self._fatal
        with self._wire.call("produce"):
            if self._transactional and (self._transaction is None or self._aborting is not None):
                raise failure(KafkaError._STATE)
            if len(value or b"") + len(key or b"") > self._largest:
                raise failure(KafkaError.MSG_SIZE_TOO_LARGE)
            try:
                if self._transaction is not None:
                    self._broker.check(self._id, self._epoch, self._transaction)
                self._broker.append(topic, key, value, headers, partition, self._transaction)
            except Refused as refused:
                # It is sent later: the next call tells.
                self._noted(_translated(refused.code))

    def poll(self, timeout: float = -1) -> int:
        self._wait(lambda: False, max(timeout, 0.0))
        return 0

    def flush(self, timeout: float = -1) -> int:
        with self._wire.call("flush"):
            return 0

    def send_offsets_to_transaction(self, positions: Any, group_metadata: MemoryMetadata, timeout: float = -1) -> None:
        offsets = {(place.topic, place.partition): (place.offset, place.metadata or "") for place in positions}
        metadata = group_metadata
        self._do(
            "send_offsets_to_transaction",
            lambda: self._broker.add_offsets(
                self._open(), metadata.group, metadata.generation, metadata.member, offsets
            ),
        )

    def commit_transaction(self, timeout: float = -1) -> None:
        self._do("commit_transaction", self._commit)

    def _commit(self) -> None:
        self._open()
        self._broker.end(self._id, self._epoch, committed=True)
        self._transaction = None

    def abort_transaction(self, timeout: float = -1) -> None:
        self._do("abort_transaction", self._abort)

    def _abort(self) -> None:
        if self._transaction is not None:
            self._broker.check(self._id, self._epoch, self._transaction)
            self._broker.end(self._id, self._epoch, committed=False)
        self._transaction = self._aborting = None


def _translated(code: int) -> KafkaException:
    if code in (KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH):
        return failure(KafkaError._FENCED, fatal=True)
    return failure(code, abort=True)
