"""The committed records of our topics, decoded; no group is joined and nothing is committed."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from confluent_kafka import Message
from keyflow import FatalError, PoisonMessageError, RetryableError
from keyflow.reading import committed_records

from floodgate.events.generated import AvroModel
from floodgate.events.serde import AvroSerde
from floodgate.settings import KafkaSettings, RegistrySettings, load


class CommittedRecords:
    """Reads topics up to where they end now. Connects on the first call.

    Args:
        remedy: What to do where a topic does not exist.
        purpose: Names the client to Kafka.

    Attributes:
        unreadable: How many records no version of their schema fits: they are in the dead letters of the services.
    """

    def __init__(self, remedy: str, purpose: str) -> None:
        self._client = load(KafkaSettings).reader(purpose)
        self._serde = AvroSerde(load(RegistrySettings))
        self._remedy = remedy
        self.unreadable = 0

    def of(
        self, topic: str, *, since_ms: int | None = None, keys: Collection[str] | None = None
    ) -> Iterator[tuple[Message, str, AvroModel]]:
        """Each record with its key.

        Args:
            topic: Which.
            since_ms: Leaves out what is older.
            keys: Leaves out other keys, undecoded; None: all.

        Raises:
            FatalError: Kafka or the registry cannot be reached, or there is no such topic.
        """
        for message in committed_records(self._client, topic, remedy=self._remedy, since_ms=since_ms):
            key, value = (message.key() or b"").decode(errors="replace"), message.value()
            if value is None or (keys is not None and key not in keys):
                continue
            try:
                yield message, key, self._serde.decode(topic, value)
            except PoisonMessageError:
                self.unreadable += 1
            except RetryableError as error:
                raise FatalError(str(error)) from error
