"""Whether Kafka answers and has the topics that this service writes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from floodgate.settings import KafkaSettings

_TIMEOUT_SECONDS: Final = 2.0


class KafkaProbe:
    """Asks for the topics. Connects on the first call."""

    def __init__(self, settings: KafkaSettings, topics: Sequence[str]) -> None:
        self._settings = settings
        self._topics = tuple(topics)
        self._admin: Any = None

    async def problems(self) -> dict[str, str]:
        """What is missing, by name; empty when all is there."""
        return await asyncio.to_thread(self._problems)

    def _problems(self) -> dict[str, str]:
        if self._admin is None:
            self._admin = AdminClient(self._settings.connection())
        try:
            known = self._admin.list_topics(timeout=_TIMEOUT_SECONDS).topics
        except KafkaException as error:
            return {"kafka": f"not reached ({error.args[0].name()})"}
        missing = [topic for topic in self._topics if topic not in known]
        return {"topics": f"missing: {', '.join(missing)}; run `floodgate setup`"} if missing else {}
