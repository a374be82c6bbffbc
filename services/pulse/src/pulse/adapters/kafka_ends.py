"""Where partitions end, asked of Kafka apart from Faust's own consumer: what stalls cannot be trusted on it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec
from floodgate.settings import KafkaSettings
from keyflow import RetryableError

from pulse.domain.progress import Place

_TIMEOUT_SECONDS: Final = 10.0
_LATEST: Final = OffsetSpec.latest()  # type: ignore[no-untyped-call]


class KafkaEnds:
    """Ends of partitions for a reader of committed records. Connects on the first call."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._client = settings.connection()
        self._admin: AdminClient | None = None

    def __call__(self, places: Iterable[Place]) -> dict[Place, int]:
        """The offset that the next record will have.

        Raises:
            RetryableError: Kafka does not answer.
        """
        self._admin = self._admin or AdminClient(self._client)
        asked = {TopicPartition(topic, partition): _LATEST for topic, partition in places}
        if not asked:
            return {}
        try:
            found = self._admin.list_offsets(
                asked, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=_TIMEOUT_SECONDS
            )
            return {(place.topic, place.partition): future.result().offset for place, future in found.items()}
        except KafkaException as error:
            raise RetryableError(f"Kafka does not say where its partitions end: {error.args[0].str()}") from error
