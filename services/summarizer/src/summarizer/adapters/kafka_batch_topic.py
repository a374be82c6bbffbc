"""support.summarizer.batch as the batcher reads it: collected once in a group, and read again when answers come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException, Message, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient
from floodgate.events import Interaction
from floodgate.events.serde import AvroSerde
from floodgate.settings import KafkaSettings
from floodgate.telemetry import get_logger
from keyflow.errors import FatalError, PoisonMessageError, RetryableError
from keyflow.kafka_errors import denied

from summarizer.batching import Asked
from summarizer.domain.batches import Span
from summarizer.handlers import BATCHED

log = get_logger(__name__)

GROUP: Final = "summarizer-batch"
_READ_AT_ONCE: Final = 500
_TIMEOUT_SECONDS: Final = 30.0


class KafkaBatchTopic:
    """Reads the topic. Connects on the first call; every call blocks.

    Args:
        settings: Where Kafka is.
        serde: Decodes.
    """

    def __init__(self, settings: KafkaSettings, serde: AvroSerde) -> None:
        self._settings = settings
        self._serde = serde
        self._next_offsets: Callable[[], Mapping[int, int]] = dict
        self.generation = 0
        self.assigned: frozenset[int] = frozenset()

    def topic_id(self) -> str:
        """Kafka's own id of the topic: another cluster's topic has another one.

        Raises:
            FatalError: Kafka cannot be reached, or there is no such topic.
        """
        admin = AdminClient(self._settings.connection())
        try:
            future = admin.describe_topics(TopicCollection([BATCHED]), request_timeout=_TIMEOUT_SECONDS)[BATCHED]
            return f"{_bits(future.result().topic_id):032x}"
        except KafkaException as error:
            refused = denied(error.args[0], "reading", topic=BATCHED)
            raise refused or FatalError(f"{BATCHED}: {error.args[0].str()}; run `floodgate setup`") from error

    def subscribe(self, next_offsets: Callable[[], Mapping[int, int]]) -> None:
        """Joins the group.

        Args:
            next_offsets: By partition, where what has an input already ends; asked at every assignment.
        """
        self._next_offsets = next_offsets
        self._consumer.subscribe([BATCHED], on_assign=self._taken, on_revoke=self._given_back, on_lost=self._given_back)

    def poll(self, seconds: float) -> list[Asked]:
        """What came meanwhile.

        Raises:
            RetryableError: Kafka does not give it now.
        """
        return [self._asked(message) for message in self._consumer.consume(_READ_AT_ONCE, seconds) if _checked(message)]

    def commit(self, spans: Iterable[Span]) -> None:
        """Notes that these have an input, or went back; where it fails, the inputs' names say so still."""
        places = [TopicPartition(BATCHED, span.partition, span.last + 1) for span in spans]
        try:
            self._consumer.commit(offsets=places, asynchronous=False)
        except KafkaException as error:
            log.warning("batch.commit_failed", reason=error.args[0].name())

    def read(self, span: Span) -> Iterator[Asked]:
        """The records of a span again.

        Raises:
            RetryableError: Kafka does not give them now.
        """
        consumer = Consumer({**self._settings.reader(GROUP), "auto.offset.reset": "earliest"})
        try:
            consumer.assign([TopicPartition(BATCHED, span.partition, span.first)])
            while True:
                for message in consumer.consume(_READ_AT_ONCE, 0.2):
                    if _checked(message) and span.first <= (message.offset() or 0) <= span.last:
                        yield self._asked(message)
                (place,) = consumer.position([TopicPartition(BATCHED, span.partition)])
                if place.offset > span.last:
                    return
        finally:
            consumer.close()

    def close(self) -> None:
        """Leaves the group."""
        if "_consumer" in self.__dict__:
            self._consumer.close()

    def _taken(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        written = self._next_offsets()
        committed = consumer.committed(places, timeout=_TIMEOUT_SECONDS)
        for place in committed:
            # Nothing committed is a negative number; -2 begins at the beginning.
            place.offset = max(place.offset if place.offset >= 0 else -2, written.get(place.partition, -2))
        consumer.assign(committed)
        self.generation += 1
        self.assigned = frozenset(place.partition for place in committed)

    def _given_back(self, _: Consumer, __: list[TopicPartition]) -> None:
        self.generation += 1
        self.assigned = frozenset()

    def _asked(self, message: Message) -> Asked:
        partition, offset, value = message.partition() or 0, message.offset() or 0, message.value() or b""
        try:
            found = self._serde.decode(BATCHED, value)
        except PoisonMessageError:
            found = None
        interaction = found if isinstance(found, Interaction) else None
        return Asked(partition, offset, int(message.timestamp()[1]), message.key(), value, interaction)

    @property
    def _client(self) -> dict[str, Any]:
        return {
            **self._settings.connection(),
            "group.id": f"{self._settings.group_prefix}{GROUP}",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }

    @cached_property
    def _consumer(self) -> Consumer:
        return Consumer(self._client)


def _checked(message: Message) -> bool:
    """Whether it is a record.

    Raises:
        RetryableError: It is an error of the broker's.
        AccessDeniedError: Topic or group are not allowed.
    """
    error = message.error()
    if error is not None:
        refused = denied(error, "reading", topic=BATCHED, group=GROUP)
        raise refused or RetryableError(f"{BATCHED} cannot be read: {error.str()}")
    return True


def _bits(topic_id: Any) -> int:
    most: int = topic_id.get_most_significant_bits()
    least: int = topic_id.get_least_significant_bits()
    return ((most & (2**64 - 1)) << 64) | (least & (2**64 - 1))
