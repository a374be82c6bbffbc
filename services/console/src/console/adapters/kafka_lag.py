"""What each processor has not finished, by its group's offsets."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from confluent_kafka import Consumer, KafkaException
from confluent_kafka.admin import AdminClient
from floodgate.group_status import committed_places, ends_of, left_of
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

Lags = dict[str, int | None]
"""By processor; None when its group has never committed."""


class KafkaLag:
    """Asked by every page, asks Kafka every few seconds beside them.

    Args:
        settings: Where Kafka is, and how groups are named.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._clients: tuple[AdminClient, Consumer] | None = None
        self._read_at = 0.0
        self._asking: asyncio.Task[None] | None = None
        self._known: Lags = {}

    async def read(self) -> Lags:
        """The lags as they were known last; who comes first waits for them."""
        if time.monotonic() - self._read_at > _KEEP_SECONDS and (self._asking is None or self._asking.done()):
            self._read_at = time.monotonic()
            self._asking = asyncio.create_task(asyncio.to_thread(self._ask))
        if not self._known and self._asking is not None:
            await self._asking
        return dict(self._known)

    async def aclose(self) -> None:
        """Closes the client."""
        if self._asking is not None:
            await self._asking
        if self._clients is not None:
            await asyncio.to_thread(self._clients[1].close)

    def _ask(self) -> None:
        try:
            self._known = self._asked()
        except KafkaException as error:
            log.warning("console.lag_unknown", error=error.args[0].name())

    def _asked(self) -> Lags:
        if self._clients is None:
            reader = Consumer(self._settings.reader("console-lag"))
            self._clients = AdminClient(self._settings.connection()), reader
        admin, reader = self._clients
        names = {name: self._settings.group_prefix + name for name in PROCESSORS}
        read = committed_places(admin, list(names.values()))
        ends = ends_of(reader, (place for places in read.values() for place in places))
        return {
            name: sum(left_of(place, ends) for place in read[group]) if read[group] else None
            for name, group in names.items()
        }
