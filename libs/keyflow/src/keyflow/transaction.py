"""One transaction: outputs, state, dead letters and offsets, all or nothing. Kafka thread only."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from keyflow.config import EngineConfig
from keyflow.errors import AccessDeniedError, FatalError, RetryableError
from keyflow.kafka_errors import FENCED, SignIn, denied, slot_taken, translated
from keyflow.permissions import unwritable
from keyflow.work import CommitBatch, Source, Write

log = logging.getLogger(__name__)

_CALL_SECONDS: Final = 10.0
_OPEN_OUTCOME_SECONDS: Final = 60.0
_OUT_OF_STEP: Final = {KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, KafkaError.UNKNOWN_PRODUCER_ID}
# A compacted topic takes no record without a key; nobody ever reads it.
_NOTHING: Final = b"-"


class Transactions:
    """The transactional producer of one slot."""

    def __init__(self, config: EngineConfig) -> None:
        self._config = config
        self.sign_in = SignIn()
        self.producer = self._made()
        self._fresh = True
        self._began = 0.0

    def _made(self) -> Producer:
        return Producer({**self._config.producer(), "error_cb": self.sign_in})

    def fence(self) -> None:
        """Fences whoever had this slot before; its open transaction is aborted.

        Raises:
            KafkaException: The coordinator does not answer.
        """
        self.producer.init_transactions(30.0)
        self._fresh = False

    def commit(self, batch: CommitBatch, consumer: Consumer) -> None:
        """Commits the batch.

        Raises:
            RetryableError: The transaction was aborted: try the same outcomes again.
            FatalError: Another process has this slot, or the broker refuses for good.
        """
        if self._fresh:
            with translated("fencing our own ended transaction"):
                self.fence()
        offsets = [
            TopicPartition(topic, partition, offset, metadata)
            for (topic, partition), (offset, metadata) in batch.offsets.items()
        ]
        self._began = time.monotonic()
        try:
            self.producer.begin_transaction()
            self._produce(batch.writes)
            # Read here, in the consumer's own thread, at every commit: cached metadata is stale after a rebalance.
            self._repeated(self.producer.send_offsets_to_transaction, offsets, consumer.consumer_group_metadata())
            self._repeated(self.producer.commit_transaction)
        except KafkaException as error:
            self._check_allowed(error.args[0], batch)
            self._abort(error.args[0])

    def end_forgotten(self, places: Iterable[Source], input_topic: str, consumer: Consumer) -> None:
        """Ends what the broker holds open for this slot although its coordinator has ended it long ago.

        A coordinator (Kafka 4.3) writes no marker to a partition that nobody leads at that moment, as after its only
        broker stood still for ten seconds, and takes the transaction for ended all the same. Readers of committed
        records wait for it from then on, and so do those who ask for the group's offsets. A marker names the producer,
        not the transaction: the next one that this slot writes to the same partition ends both. This one aborts, so
        that what was forgotten is handled again from the group's offsets, which it held back too.

        Args:
            places: Partitions that this slot may have written to.
            input_topic: Any of the group's inputs.
            consumer: A member of the group.

        Raises:
            FatalError: Another process has this slot.
        """
        log.error("keyflow.forgotten_transaction slot=%s remedy=aborting it", self._config.transactional_id)
        try:
            if self._fresh:
                self.fence()
            self._began = time.monotonic()
            self.producer.begin_transaction()
            self._produce([Write(topic, _NOTHING, _NOTHING, (), partition) for topic, partition in places])
            self.producer.flush(_CALL_SECONDS)
            # Whether the group takes the offset does not matter: its partition has joined the transaction by then.
            with suppress(KafkaException):
                offset = TopicPartition(input_topic, 0, 0)
                self.producer.send_offsets_to_transaction([offset], consumer.consumer_group_metadata(), _CALL_SECONDS)
            self.producer.abort_transaction(_CALL_SECONDS)
        except KafkaException as error:
            log.warning("keyflow.forgotten_retry code=%s", error.args[0].name())
            if error.args[0].code() not in FENCED:
                self._renew()
            elif isinstance(taken := self._fenced(), FatalError):
                raise taken from error

    def _produce(self, writes: Sequence[Write]) -> None:
        produce = self.producer.produce
        for topic, key, value, headers, partition in writes:
            try:
                if headers:
                    produce(topic, value, key, partition, headers=list(headers))
                else:
                    produce(topic, value, key, partition)
            except BufferError:
                self._produce_patiently(Write(topic, key, value, headers, partition))

    def _produce_patiently(self, write: Write) -> None:
        """The send queue is full: waits until it has been sent."""
        deadline = time.monotonic() + _OPEN_OUTCOME_SECONDS
        while True:
            self.producer.poll(0.1)
            try:
                self.producer.produce(write.topic, write.value, write.key, write.partition, headers=list(write.headers))
            except BufferError as error:
                if time.monotonic() > deadline:
                    raise KafkaException(KafkaError(KafkaError._QUEUE_FULL)) from error
            else:
                return

    def _repeated(self, call: Any, *args: Any) -> None:
        # After a retriable error (a time-out, say) the outcome is open: only the same call again can tell.
        deadline = time.monotonic() + _OPEN_OUTCOME_SECONDS
        while True:
            try:
                call(*args, _CALL_SECONDS)
            except KafkaException as error:
                cause = error.args[0]
                if not cause.retriable() or cause.txn_requires_abort():
                    raise
                if time.monotonic() > deadline:
                    raise FatalError(
                        f"a transaction's outcome stayed unknown for {_OPEN_OUTCOME_SECONDS:.0f} s ({cause.name()}): "
                        "start again, the restart finds out"
                    ) from error
                log.warning("keyflow.commit_repeat code=%s", cause.name())
            else:
                return

    def _check_allowed(self, error: KafkaError, batch: CommitBatch) -> None:
        """What Kafka does not allow fails as often as it is tried, and no record is to blame: the process ends.

        Raises:
            AccessDeniedError: Kafka does not allow it.
        """
        written = {write.topic for write in batch.writes}
        refused = denied(error, "committing", topic=", ".join(sorted(written)), group=self._config.group_id)
        # "Some record failed" is all that is said of a topic that we may not even see.
        unclear = error.code() in (KafkaError._INCONSISTENT, KafkaError.TOPIC_AUTHORIZATION_FAILED)
        if unclear and (topics := unwritable(self._config.connection(), written)):
            raise AccessDeniedError(f"Kafka does not allow this principal to write {', '.join(topics)}: add an ACL")
        if refused is not None:
            raise refused

    def _abort(self, error: KafkaError) -> None:
        if error.code() in FENCED:
            raise self._fenced()
        if error.fatal() and error.code() in _OUT_OF_STEP:
            raise self._out_of_step(error)
        if error.fatal():
            raise FatalError(f"the transaction failed for good: {error.str()}")
        if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            raise FatalError(
                f"the broker takes no record of {self._config.max_message_bytes} bytes: "
                "raise the topics' max.message.bytes or lower max_message_bytes"
            )
        with translated("aborting a transaction"):
            try:
                self.producer.abort_transaction(15.0)
            except KafkaException as failed:
                if failed.args[0].code() in FENCED:
                    raise self._fenced() from failed
                if failed.args[0].code() in _OUT_OF_STEP:
                    raise self._out_of_step(failed.args[0]) from failed
                if failed.args[0].retriable():
                    # It may never get its answer after an absence of the broker; a new producer ends the transaction.
                    self._renew()
                raise
        raise RetryableError(f"the transaction was aborted: {error.name()}")

    def _fenced(self) -> Exception:
        """Another process has the slot, unless the transaction took longer than it may: then the coordinator has ended
        it, with nothing written, and a new producer goes on. That it is still our turn, the group checks at the commit.
        """
        seconds = time.monotonic() - self._began
        if seconds * 1000 < self._config.transaction_timeout_ms:
            return slot_taken(self._config.transactional_id)
        self._renew()
        return RetryableError(f"the broker ended a transaction that took {seconds:.0f} s")

    def _out_of_step(self, error: KafkaError) -> RetryableError:
        """A request that stayed without an answer, as when the broker stood still, leaves librdkafka and the broker
        of two minds on how many records were sent, for good. Nothing can have been committed: a transaction's end is
        sent only when all of its records were taken. A new producer aborts it.
        """
        log.warning("keyflow.producer_renewed slot=%s code=%s", self._config.transactional_id, error.name())
        self._renew()
        return RetryableError(f"the producer and the broker were out of step: {error.name()}")

    def _renew(self) -> None:
        self.producer = self._made()
        self._fresh = True
