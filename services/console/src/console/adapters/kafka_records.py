"""Single records and short stretches of topics, read where they stand; belongs to no group, commits nothing."""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from floodgate.events import DeadLetter
from floodgate.events.serde import AvroSerde
from floodgate.events.topics import topics
from floodgate.group_status import ends_of
from floodgate.settings import KafkaSettings
from keyflow.errors import KeyflowError, OutageError

_TIMEOUT_SECONDS: Final = 5.0
_READ_SECONDS: Final = 3.0
_AT_ONCE: Final = 40
_DEAD_LETTERS: Final = "support.dead-letters"


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """How much of a topic is there."""

    name: str
    record: str
    partitions: int
    records: int
    retention_days: int | None


@dataclass(frozen=True, slots=True)
class Shown:
    """One record of a topic, decoded."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: str
    value: Any
    problem: str = ""


class KafkaRecords:
    """Reads by place, for one caller at a time.

    Args:
        settings: Where Kafka is.
        serde: Decodes.
    """

    def __init__(self, settings: KafkaSettings, serde: AvroSerde) -> None:
        self._settings = settings
        self._serde = serde
        self._lock = threading.Lock()
        self._made: Consumer | None = None
        self._partitions: dict[str, list[int]] = {}

    def close(self) -> None:
        """Closes the client."""
        with self._lock:
            if self._made is not None:
                self._made.close()
                self._made = None

    def facts(self) -> list[TopicFacts]:
        """Every declared topic that is there.

        Raises:
            OutageError: Kafka does not answer.
        """
        with self._client() as client:
            there = client.list_topics(timeout=_TIMEOUT_SECONDS).topics
            known = [
                TopicPartition(name, part) for name in topics() if name in there for part in there[name].partitions
            ]
            ends = ends_of(client, known)
            counts: dict[str, int] = defaultdict(int)
            for (name, _), (low, high) in ends.items():
                counts[name] += high - low
            return [
                TopicFacts(
                    name, topic.record or "bytes", len(there[name].partitions), counts[name], topic.retention_days
                )
                for name, topic in topics().items()
                if name in there
            ]

    def browse(
        self,
        topic: str,
        *,
        limit: int,
        partition: int | None = None,
        offset: int | None = None,
        at: datetime | None = None,
    ) -> list[Shown]:
        """The newest records, or those from an offset or a time on; the newest first.

        Raises:
            OutageError: Kafka does not answer.
        """
        with self._client() as client:
            bounds = self._bounds(client, topic)
            chosen = [partition] if partition is not None and partition in bounds else list(bounds)
            begins = self._begins(client, topic, chosen, bounds, limit=limit, offset=offset, at=at)
            found = self._read(
                client, [place for place in begins if place.offset < bounds[place.partition][1]], bounds, limit
            )
        forward = offset is not None or at is not None
        found.sort(key=lambda message: (message.timestamp()[1], message.offset() or 0), reverse=not forward)
        return [self._shown(message) for message in found[:limit]]

    def letter(self, partition: int, offset: int) -> DeadLetter | None:
        """The dead letter at a place; None when it is gone.

        Raises:
            OutageError: Kafka does not answer.
        """
        with self._client() as client:
            client.assign([TopicPartition(_DEAD_LETTERS, partition, offset)])
            found = client.consume(1, _READ_SECONDS)  # the record, or that the partition ends here
            client.unassign()
        if not found:
            raise OutageError("Kafka does not answer: try it again in a few seconds")
        for message in found:
            if message.error() is None and message.offset() == offset and message.value() is not None:
                record = self._serde.decode(_DEAD_LETTERS, message.value() or b"")
                return record if isinstance(record, DeadLetter) else None
        return None

    def _begins(
        self,
        client: Consumer,
        topic: str,
        chosen: Sequence[int],
        bounds: dict[int, tuple[int, int]],
        *,
        limit: int,
        offset: int | None,
        at: datetime | None,
    ) -> list[TopicPartition]:
        if at is not None:
            asked = [TopicPartition(topic, part, round(at.timestamp() * 1000)) for part in chosen]
            found = client.offsets_for_times(asked, timeout=_TIMEOUT_SECONDS)
            return [place for place in found if place.offset >= 0]
        begins = []
        for part in chosen:
            low, high = bounds[part]
            begins.append(TopicPartition(topic, part, max(low, high - limit if offset is None else offset)))
        return begins

    def _read(
        self, client: Consumer, begins: Sequence[TopicPartition], bounds: dict[int, tuple[int, int]], limit: int
    ) -> list[Message]:
        """At most `limit` records of each partition, up to its end as it is now."""
        if not begins:
            return []
        client.assign(list(begins))
        left = {place.partition: limit for place in begins}
        found: list[Message] = []
        # What an open transaction holds back is not waited for.
        deadline = time.monotonic() + _READ_SECONDS
        while left and time.monotonic() < deadline:
            messages = client.consume(1, 0.05) + client.consume(_AT_ONCE, 0)  # waits for the first alone
            for message in messages:
                part, error = message.partition(), message.error()
                if error is not None and error.code() == KafkaError._PARTITION_EOF:
                    left.pop(part or 0, None)
                elif error is None and part in left:
                    found.append(message)
                    left[part] -= 1
            positions = {place.partition: place.offset for place in client.position(list(begins))}
            left = {
                part: count for part, count in left.items() if count > 0 and positions.get(part, -1) < bounds[part][1]
            }
        client.unassign()
        return found

    def _shown(self, message: Message) -> Shown:
        topic, raw = message.topic() or "", message.value()
        value, problem = None, ""
        if raw is not None:
            value, problem = self._decoded(topic, raw)
        key = (message.key() or b"").decode(errors="replace")
        return Shown(
            topic, message.partition() or 0, message.offset() or 0, message.timestamp()[1], key, value, problem
        )

    def _decoded(self, topic: str, raw: bytes) -> tuple[Any, str]:
        try:
            if topics()[topic].record is not None:
                record = self._serde.decode(topic, raw)
                exclude = {"value", "headers", "key"} if isinstance(record, DeadLetter) else None
                return record.model_dump(mode="json", exclude=exclude), ""
            return json.loads(raw), ""
        except KeyflowError as error:
            return None, str(error)
        except ValueError:
            return None, f"{len(raw)} bytes that are no JSON"

    def _bounds(self, client: Consumer, topic: str) -> dict[int, tuple[int, int]]:
        if topic not in self._partitions:  # how many there are never changes
            self._partitions[topic] = list(client.list_topics(topic, timeout=_TIMEOUT_SECONDS).topics[topic].partitions)
        ends = ends_of(client, (TopicPartition(topic, part) for part in self._partitions[topic]))
        return {part: bounds for (_, part), bounds in ends.items()}

    @contextmanager
    def _client(self) -> Iterator[Consumer]:
        with self._lock:
            try:
                self._made = self._made or Consumer(
                    {
                        **self._settings.reader("console-look"),
                        "fetch.wait.max.ms": 20,
                        "max.partition.fetch.bytes": 131_072,  # pages show forty records; a larger one comes alone
                        "queued.max.messages.kbytes": 4_096,
                        "fetch.queue.backoff.ms": 5,  # by default a full queue keeps the next reader waiting a second
                        "enable.partition.eof": True,  # the end, also where a transaction's marker stands there
                    }
                )
                yield self._made
            except KafkaException as error:
                raise OutageError(f"Kafka does not answer: {error.args[0].str()}") from error
