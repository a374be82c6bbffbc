"""How many interactions wait for the summarizer: its group's lag, asked for from outside."""

from __future__ import annotations

import asyncio
from functools import cached_property
from typing import Final

from confluent_kafka import Consumer, KafkaException, TopicPartition
from floodgate.settings import KafkaSettings
from keyflow.errors import FatalError, RetryableError

from ingest.ports import INTERACTIONS

GROUP: Final = "summarizer"
_TIMEOUT_SECONDS: Final = 15.0


class KafkaBacklog:
    """Never joins the group. Connects on the first call.

    Args:
        settings: Where Kafka is.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings

    async def waiting(self) -> int:
        """Offsets from the lowest that is not finished to the end; all of a partition that nobody began.

        Raises:
            FatalError: There is no such topic.
            RetryableError: Kafka does not answer.
        """
        try:
            return await asyncio.to_thread(self._waiting)
        except KafkaException as error:
            raise RetryableError(f"the summarizer's lag is not known: {error.args[0].name()}", 1.0) from error

    def close(self) -> None:
        """Closes the connection."""
        self._consumer.close()

    def _waiting(self) -> int:
        found = self._consumer.list_topics(INTERACTIONS, timeout=_TIMEOUT_SECONDS).topics[INTERACTIONS]
        if found.error is not None:
            raise FatalError(f"there is no topic {INTERACTIONS}: run `floodgate setup`")
        places = [TopicPartition(INTERACTIONS, number) for number in found.partitions]
        waiting = 0
        for place in self._consumer.committed(places, timeout=_TIMEOUT_SECONDS):
            low, high = self._consumer.get_watermark_offsets(place, timeout=_TIMEOUT_SECONDS)
            waiting += high - max(place.offset, low)
        return waiting

    @cached_property
    def _consumer(self) -> Consumer:
        group = self._settings.group_prefix + GROUP
        return Consumer({**self._settings.connection(), "group.id": group, "enable.auto.commit": False})
