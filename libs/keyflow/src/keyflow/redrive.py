"""The core of redrive: dead letters go back to the one processor that failed, each at most once.

What a dead letter looks like, who may send it back and what is written down about it is the caller's. Record, ledger
entry and whatever else belongs to them are one transaction; the ledger, compacted by letter, says what went back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import KafkaException, Producer

from keyflow.errors import FatalError
from keyflow.forgetting import FORGET_HEADER
from keyflow.kafka_errors import FENCED
from keyflow.kafka_io import ORIGIN_TOPIC_HEADER
from keyflow.types import Headers
from keyflow.work import Write

_BATCH: Final = 200
_TIMEOUT_SECONDS: Final = 30.0
_OURS: Final = frozenset((ORIGIN_TOPIC_HEADER, FORGET_HEADER))
"""Headers that mean something on the way back: a record that came with one shall not be taken at its word."""


@dataclass(frozen=True, slots=True)
class Returning:
    """A dead letter on its way back.

    Attributes:
        letter_id: Names it in the ledger.
        entry: What the ledger says of it from now on.
        topic: Where its processor reads it again; None: nothing goes back, the ledger alone knows.
        origin_topic: The input topic that the record first came from.
        also: Further records of the same transaction, an audit say.
    """

    letter_id: str
    entry: bytes
    topic: str | None
    key: bytes | None = None
    value: bytes | None = None
    headers: Headers = ()
    origin_topic: str = ""
    also: Sequence[Write] = ()

    def writes(self, ledger: str) -> Iterator[Write]:
        """The records of its transaction."""
        if self.topic is not None:
            kept = tuple(header for header in self.headers if header[0] not in _OURS)
            headers = (*kept, (ORIGIN_TOPIC_HEADER, self.origin_topic.encode()))
            yield Write(self.topic, self.key, self.value, headers)
        yield Write(ledger, self.letter_id.encode(), self.entry)
        yield from self.also


class Redrive:
    """Sends letters back. Connects on the first call.

    Args:
        client: Librdkafka's settings: bootstrap.servers, security.
        ledger: Compacted topic, by letter.
        transactional_id: One for all who redrive: a second redrive at the same time fences the first, whose
            transaction then fails as a whole.
        producer: Makes the client.
    """

    def __init__(
        self,
        client: Mapping[str, Any],
        ledger: str,
        transactional_id: str,
        *,
        producer: Callable[[dict[str, Any]], Producer] = Producer,
    ) -> None:
        self._client = client
        self._ledger = ledger
        self._transactional_id = transactional_id
        self._make_producer = producer
        self._producer: Producer | None = None

    def fence(self) -> None:
        """From here on no other redrive commits: the ledger that is read after this stays true.

        Raises:
            FatalError: Kafka does not answer.
        """
        with _translated():
            self._producer = self._make_producer(self._config())
            self._producer.init_transactions(_TIMEOUT_SECONDS)

    def send(self, returning: Sequence[Returning], ledger: Iterable[str]) -> None:
        """Sends letters back, in this order.

        Args:
            returning: Which.
            ledger: Ids in the ledger, read since `fence`.

        Raises:
            ValueError: One went back before, or is there twice.
            FatalError: Kafka refuses, or another redrive runs. What was committed before stays in the ledger, so
                that the rest can be sent another time.
        """
        known = set(ledger)
        for letter in returning:
            if letter.letter_id in known:
                raise ValueError(f"letter {letter.letter_id} went back already")
            known.add(letter.letter_id)
        for first in range(0, len(returning), _BATCH):
            batch = returning[first : first + _BATCH]
            self.write([write for letter in batch for write in letter.writes(self._ledger)])

    def write(self, writes: Sequence[Write]) -> None:
        """One transaction.

        Raises:
            FatalError: Kafka refuses, or another redrive runs.
        """
        if self._producer is None:
            self.fence()
        producer = self._producer
        assert producer is not None
        with _translated():
            producer.begin_transaction()
            try:
                for write in writes:
                    producer.produce(write.topic, key=write.key, value=write.value, headers=list(write.headers))
                producer.commit_transaction(_TIMEOUT_SECONDS)
            except BaseException:
                _abort(producer)
                raise

    def _config(self) -> dict[str, Any]:
        return {
            **self._client,
            "transactional.id": self._transactional_id,
            # The record goes to the partition of its key, as the engine's own producers have it.
            "partitioner": "murmur2_random",
            "transaction.timeout.ms": 30_000,
            "message.max.bytes": 4_000_000,
        }


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except KafkaException as error:
        said = error.args[0]
        if said.code() in FENCED:
            raise FatalError("another redrive runs at the same time; give the command again after it") from error
        raise FatalError(f"redrive: {said.str()}; the ledger knows what went back, give the command again") from error
    except BufferError as error:
        raise FatalError("redrive: Kafka takes records too slowly; give the command again") from error


def _abort(producer: Producer) -> None:
    """The failure that led here is the one to tell; a second one on the way out is not."""
    try:
        producer.abort_transaction(_TIMEOUT_SECONDS)
    except KafkaException:
        return
