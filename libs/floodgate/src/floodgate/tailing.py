"""Follows topics from their beginning, outside of any group, for what every process has to know wholly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from confluent_kafka import Consumer, KafkaException, TopicPartition
from keyflow.errors import PoisonMessageError, RetryableError
from keyflow.kafka_errors import SignIn, denied
from keyflow.reading import partitions_of

from floodgate.events import AvroModel
from floodgate.events.serde import AvroSerde
from floodgate.settings import KafkaSettings
from floodgate.telemetry import get_logger

log = get_logger(__name__)

_PURPOSE: Final = "tail"
_READ_AT_ONCE: Final = 500
_QUERY_SECONDS: Final = 15.0


class Tail(Protocol):
    """Records in the order of their partitions, as they come."""

    def read(self, seconds: float) -> Sequence[AvroModel]:
        """What has come; waits at most so long for the first of it.

        Raises:
            RetryableError: Kafka or the registry cannot be asked now.
            FatalError: A topic does not exist, or Kafka does not allow it.
        """
        ...

    @property
    def caught_up(self) -> bool:
        """Whether everything was read that was there at the first reading."""
        ...

    def close(self) -> None:
        """Lets go of the connection."""
        ...


class KafkaTail:
    """A `Tail` of topics; connects with the first reading. Blocks: to be called in a thread.

    Args:
        settings: Where Kafka is.
        serde: Decodes the records.
        topics: Which.
        since_ms: Leaves out what is older, by Kafka's timestamps; None: from the beginning.
    """

    def __init__(
        self, settings: KafkaSettings, serde: AvroSerde, topics: Sequence[str], *, since_ms: int | None = None
    ) -> None:
        self._settings = settings
        self._serde = serde
        self._topics = topics
        self._since_ms = since_ms
        self._consumer: Consumer | None = None
        self._ends: dict[tuple[str, int], int] = {}

    @property
    def caught_up(self) -> bool:
        """See `Tail.caught_up`."""
        return self._consumer is not None and not self._ends

    def read(self, seconds: float) -> Sequence[AvroModel]:
        """See `Tail.read`."""
        try:
            consumer = self._connected()
            found = [self._decoded(message) for message in consumer.consume(_READ_AT_ONCE, seconds)]
            self._note_ends(consumer)
        except KafkaException as error:
            topics, group = ", ".join(self._topics), str(self._settings.reader(_PURPOSE)["group.id"])
            refused = denied(error.args[0], "following", topic=topics, group=group)
            raise refused or RetryableError(f"{topics} cannot be read: {error.args[0].str()}") from error
        return [record for record in found if record is not None]

    def close(self) -> None:
        """See `Tail.close`."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.close()

    def _decoded(self, message: object) -> AvroModel | None:
        if (error := message.error()) is not None:  # type: ignore[attr-defined]  # confluent's Message
            raise KafkaException(error)
        topic, value = message.topic(), message.value()  # type: ignore[attr-defined]
        if value is None:
            return None
        try:
            return self._serde.decode(topic, value)
        except PoisonMessageError as error:
            place = f"{topic}/{message.partition()}/{message.offset()}"  # type: ignore[attr-defined]
            log.error("tail.unreadable", place=place, reason=str(error))
            return None

    def _connected(self) -> Consumer:
        if self._consumer is None:
            sign_in = SignIn()
            consumer = Consumer(
                {
                    **self._settings.reader(_PURPOSE),
                    "auto.offset.reset": "earliest",
                    "fetch.wait.max.ms": 100,
                    "error_cb": sign_in,
                }
            )
            places = [place for topic in self._topics for place in _partitions(consumer, sign_in, topic)]
            self._ends = {(place.topic, place.partition): _end(consumer, place) for place in places}
            consumer.assign(self._starts(consumer, places))
            self._consumer = consumer
        return self._consumer

    def _starts(self, consumer: Consumer, places: list[TopicPartition]) -> list[TopicPartition]:
        if self._since_ms is None:
            return [TopicPartition(place.topic, place.partition, 0) for place in places]
        asked = [TopicPartition(place.topic, place.partition, self._since_ms) for place in places]
        found = consumer.offsets_for_times(asked, timeout=_QUERY_SECONDS)
        ends = self._ends
        return [
            place if place.offset >= 0 else TopicPartition(place.topic, place.partition, ends[_of(place)])
            for place in found
        ]

    def _note_ends(self, consumer: Consumer) -> None:
        if not self._ends:
            return
        places = consumer.position([TopicPartition(*source) for source in self._ends])
        starts = {_of(place): place.offset for place in consumer.assignment()}
        for place in places:
            # Before its first record a partition has no position: it stands where it was assigned.
            at = place.offset if place.offset >= 0 else starts[_of(place)]
            if at >= self._ends[_of(place)]:
                del self._ends[_of(place)]


def _of(place: TopicPartition) -> tuple[str, int]:
    return place.topic, place.partition


def _partitions(consumer: Consumer, sign_in: SignIn, topic: str) -> list[TopicPartition]:
    found = partitions_of(consumer, sign_in, topic, "run `floodgate setup`")
    return [TopicPartition(topic, partition) for partition in found]


def _end(consumer: Consumer, place: TopicPartition) -> int:
    """Where what can be read ends now; an empty partition ends where it begins."""
    low, high = consumer.get_watermark_offsets(place, timeout=_QUERY_SECONDS)
    return high if high > low else 0
