"""What each processor has not finished, by its group's offsets."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any, Final

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from floodgate.settings import KafkaSettings
from floodgate.telemetry import get_logger

log = get_logger(__name__)

PROCESSORS: Final = (
    "ingest",
    "firewall",
    "agent",
    "delivery",
    "summarizer",
    "summarizer-store",
    "ingest-closed",
    "ingest-status",
)
_KEEP_SECONDS: Final = 3.0
_TIMEOUT_SECONDS: Final = 5.0

Lags = dict[str, int | None]
"""By processor; None when its group has never committed."""


class KafkaLag:
    """Asked by every page, asks Kafka every few seconds.

    Args:
        settings: Where Kafka is, and how groups are named.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._admin: AdminClient | None = None
        self._consumer: Consumer | None = None
        self._read_at = 0.0
        self._known: Lags = {}

    async def read(self) -> Lags:
        """The lags; those known last when Kafka does not answer."""
        return await asyncio.to_thread(self._read)

    def close(self) -> None:
        """Closes the client."""
        with self._lock:
            if self._consumer is not None:
                self._consumer.close()
                self._consumer = None

    def _read(self) -> Lags:
        with self._lock:
            if time.monotonic() - self._read_at > _KEEP_SECONDS or not self._known:
                try:
                    self._known = self._asked()
                except KafkaException as error:
                    log.warning("console.lag_unknown", error=error.args[0].name())
                self._read_at = time.monotonic()
            return dict(self._known)

    def _asked(self) -> Lags:
        config: dict[str, Any] = {**self._settings.client, "bootstrap.servers": self._settings.bootstrap_servers}
        self._admin = self._admin or AdminClient(config)
        self._consumer = self._consumer or Consumer({**config, "group.id": f"{self._settings.group_prefix}console-lag"})
        found: Lags = {}
        for name in PROCESSORS:
            group = self._settings.group_prefix + name
            asked = self._admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)], require_stable=False)
            places = asked[group].result(_TIMEOUT_SECONDS).topic_partitions or []
            found[name] = sum(self._left(place) for place in places) if places else None
        return found

    def _left(self, place: TopicPartition) -> int:
        assert self._consumer is not None
        low, high = self._consumer.get_watermark_offsets(
            TopicPartition(place.topic, place.partition), timeout=_TIMEOUT_SECONDS
        )
        return max(0, high - max(low, place.offset))
