"""A consumer that is only asked about places, never read: where partitions begin and end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition


class Asking:
    """Asks, and after a refusal asks the next time through a connection that knows nothing yet.

    What librdkafka reads of a partition while nobody leads it, as after the death of a broker, it keeps until it
    refreshes its metadata (`topic.metadata.refresh.interval.ms`, five minutes), and answers "unknown partition" from
    there without asking any broker.

    Args:
        settings: Librdkafka's, of the consumer. It belongs to no group and commits nothing.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = dict(settings)
        self._consumer: Consumer | None = None

    def offsets(self, places: list[TopicPartition], timeout_seconds: float) -> list[TopicPartition]:
        """The offsets of times, one for each place, or the error of the place.

        Raises:
            KafkaException: There is no answer.
        """
        try:
            found: list[TopicPartition] = self._asked().offsets_for_times(places, timeout=timeout_seconds)
        except KafkaException:
            self.close()
            raise
        if any(place.error is not None for place in found):
            self.close()
        return found

    def watermarks(self, place: TopicPartition, timeout_seconds: float) -> tuple[int, int]:
        """First offset and end of a place.

        Raises:
            KafkaException: There is no answer.
        """
        try:
            found: tuple[int, int] = self._asked().get_watermark_offsets(place, timeout=timeout_seconds)
        except KafkaException:
            self.close()
            raise
        return found

    def close(self) -> None:
        """Closes the connection; another question opens one."""
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None

    def _asked(self) -> Consumer:
        if self._consumer is None:
            self._consumer = Consumer(self._settings)
        return self._consumer
