"""Reads declared topics and decodes what stands there, outside of any group."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from keyflow.errors import FatalError, PoisonMessageError, RetryableError
from keyflow.kafka_errors import SignIn, denied
from keyflow.reading import committed_records, partition_of, partitions_of

from floodgate.events import edge_event_id
from floodgate.events.serde import AvroSerde
from floodgate.events.topics import topics
from floodgate.settings import KafkaSettings
from floodgate.timeline.hops import Seen

BY_CONVERSATION: Final = tuple(
    f"support.{name}" for name in ("messages", "verdicts", "replies", "escalations", "feedback", "dead-letters")
)
BY_INTERACTION: Final = ("support.interactions", "support.summaries")
_POLL_SECONDS: Final = 0.2


class TopicReader:
    """Decoded records of the declared topics. Connects on the first call.

    Args:
        settings: Where Kafka is.
        serde: Decodes records.
    """

    def __init__(self, settings: KafkaSettings, serde: AvroSerde) -> None:
        self._settings = settings
        self._serde = serde

    def conversation(self, conversation_id: str) -> list[Seen]:
        """Every record of a conversation, its interaction and summary included; only its partitions are read.

        Raises:
            FatalError: Kafka or the registry cannot be reached, or a topic does not exist.
        """
        interaction_id = str(edge_event_id("interaction", conversation_id))
        keyed = [(topic, conversation_id) for topic in BY_CONVERSATION]
        keyed += [(topic, interaction_id) for topic in BY_INTERACTION]
        with ThreadPoolExecutor(len(keyed)) as threads:
            found = threads.map(lambda place: list(self.of_key(*place)), keyed)
            return [seen for part in found for seen in part]

    def of_key(self, topic: str, key: str) -> Iterator[Seen]:
        """Every committed record of one key, in order.

        Raises:
            FatalError: As for `conversation`.
        """
        raw = key.encode()
        number = partition_of(raw, topics()[topic].partitions)
        for message in committed_records(
            self._settings.reader("reader"), topic, remedy="run `floodgate setup`", partitions=[number]
        ):
            if message.key() == raw:
                yield self.seen(message)

    def since(self, topic: str, since_ms: int | None) -> Iterator[Seen]:
        """Every committed record up to the topic's end as it is now.

        Raises:
            FatalError: As for `conversation`.
        """
        found = committed_records(
            self._settings.reader("reader"), topic, remedy="run `floodgate setup`", since_ms=since_ms
        )
        return map(self.seen, found)

    def tail(
        self, topic: str, last: int, *, follow: bool, stopped: Callable[[], bool] = lambda: False
    ) -> Iterator[Seen]:
        """The last so many offsets of each partition (markers count) and, with `follow`, whatever comes until stopped.

        Raises:
            FatalError: As for `conversation`.
        """
        client, sign_in = self._settings.reader("reader"), SignIn()
        consumer = Consumer({**client, "error_cb": sign_in})
        try:
            numbers = partitions_of(consumer, sign_in, topic, "run `floodgate setup`")
            ends = self._assign_near_the_end(consumer, topic, numbers, last)
            while not stopped() and (follow or ends):
                for message in consumer.consume(500, _POLL_SECONDS):
                    if message.error() is not None:
                        raise KafkaException(message.error())
                    yield self.seen(message)
                if not follow:
                    places = consumer.position([TopicPartition(topic, number) for number in ends])
                    ends = {place.partition: ends[place.partition] for place in places
                            if place.offset < ends[place.partition]}  # fmt: skip
        except KafkaException as error:
            refused = denied(error.args[0], "reading", topic=topic, group=str(client["group.id"]))
            raise refused or FatalError(f"{topic} cannot be read: {error.args[0].str()}") from error
        finally:
            consumer.close()

    def _assign_near_the_end(self, consumer: Consumer, topic: str, numbers: list[int], last: int) -> dict[int, int]:
        starts, ends = [], {}
        for number in numbers:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=15)
            starts.append(TopicPartition(topic, number, max(low, high - last)))
            if high > low and last > 0:
                ends[number] = high
        consumer.assign(starts)
        return ends

    def seen(self, message: Message) -> Seen:
        """The record of a Kafka message; what cannot be read says so in `problem`.

        Raises:
            FatalError: The registry cannot be reached.
        """
        topic, data = message.topic() or "", message.value()
        value, problem = None, "" if data is not None else "tombstone"
        if data is not None and topic in topics() and topics()[topic].record is not None:
            try:
                value = self._serde.decode(topic, data)
            except PoisonMessageError as error:
                problem = error.reason
            except RetryableError as error:
                raise FatalError(str(error)) from error
        headers: Any = message.headers() or []
        return Seen(
            topic,
            message.partition() or 0,
            message.offset() or 0,
            message.timestamp()[1],
            (message.key() or b"").decode(errors="replace"),
            value,
            {name: data or b"" for name, data in headers},
            len(data or b""),
            problem,
        )
