"""The core of redrive: dead letters go back to the one processor that failed, each at most once.

What a dead letter looks like, who may send it back and what is written down about it is the caller's. Record, ledger
entry and whatever else belongs to them are one transaction; the ledger, compacted by letter, says what went back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition

from keyflow.errors import FatalError
from keyflow.kafka_errors import FENCED
from keyflow.kafka_io import ORIGIN_TOPIC_HEADER
from keyflow.types import Headers
from keyflow.work import Write

_BATCH: Final = 200
_READ_AT_ONCE: Final = 500
_TIMEOUT_SECONDS: Final = 30.0


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
            kept = tuple(header for header in self.headers if header[0] != ORIGIN_TOPIC_HEADER)
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


@dataclass(frozen=True, slots=True)
class Place:
    """Where a letter of a parked key stands.

    Attributes:
        lane: Processor and key.
        number: As the engine gave it (`keyflow.parking`).
    """

    letter_id: str
    lane: Hashable
    number: int


def held_back(going: Iterable[str], unsent: Iterable[Place]) -> dict[str, list[Place]]:
    """Letters that would go before their turn, with those before them that neither went back nor go now.

    Args:
        going: Ids of the letters that are to go back.
        unsent: Every numbered letter that did not go back yet, those included.
    """
    wanted = set(going)
    lanes: dict[Hashable, list[Place]] = defaultdict(list)
    for place in unsent:
        lanes[place.lane].append(place)
    held: dict[str, list[Place]] = {}
    for lane in lanes.values():
        staying: list[Place] = []
        for place in sorted(lane, key=lambda place: place.number):
            before = [other for other in staying if other.number < place.number]
            if place.letter_id not in wanted:
                staying.append(place)
            elif before:
                held[place.letter_id] = before
    return held


def committed_records(client: Mapping[str, Any], topic: str, *, remedy: str = "create it first") -> Iterator[Message]:
    """Every committed record of a topic, up to its end as it is now; belongs to no group, commits nothing.

    Args:
        client: Librdkafka's settings: bootstrap.servers, security, a group.id.
        topic: Which.
        remedy: What to do when it does not exist.

    Raises:
        FatalError: Kafka cannot be reached, or the topic does not exist.
    """
    settings = {"enable.auto.commit": False, "isolation.level": "read_committed", "auto.offset.reset": "earliest"}
    consumer = Consumer({**client, **settings})
    try:
        ends = _ends(consumer, topic, remedy)
        consumer.assign([TopicPartition(topic, partition, 0) for partition in ends])
        while ends:
            for message in consumer.consume(_READ_AT_ONCE, 0.2):
                if message.error() is not None:
                    raise KafkaException(message.error())
                yield message
            for place in consumer.position([TopicPartition(topic, partition) for partition in ends]):
                if place.offset >= ends[place.partition]:
                    del ends[place.partition]
    except KafkaException as error:
        raise FatalError(f"{topic} cannot be read: {error.args[0].str()}") from error
    finally:
        consumer.close()


def _ends(consumer: Consumer, topic: str, remedy: str) -> dict[int, int]:
    """The end of every partition that holds something."""
    found = consumer.list_topics(topic, timeout=_TIMEOUT_SECONDS).topics[topic]
    if found.error is not None:
        raise FatalError(f"there is no topic {topic}: {remedy}")
    ends: dict[int, int] = {}
    for partition in found.partitions:
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=_TIMEOUT_SECONDS)
        if high > low:
            ends[partition] = high
    return ends


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
