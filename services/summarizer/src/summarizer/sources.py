"""Where commands read interactions and feature records from: files, or the committed records of a topic."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from confluent_kafka import Consumer, TopicPartition
from floodgate.events import Interaction, Summary, Turn, TurnRole
from floodgate.events.serde import AvroSerde
from floodgate.events.times import from_ms
from floodgate.settings import KafkaSettings, RegistrySettings, load
from keyflow.errors import FatalError

_TIMEOUT_SECONDS: Final = 30.0
_QUIET_SECONDS: Final = 3.0


def interactions_of(paths: Sequence[Path]) -> list[Interaction]:
    """Finished interactions of JSON Lines files as they are dropped into S3.

    Raises:
        FatalError: A file or a line cannot be read; names it.
    """
    return [_interaction(place, row) for place, row in json_lines(paths)]


def json_lines(paths: Sequence[Path]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of some files with their places.

    Raises:
        FatalError: A file or a line cannot be read; names it.
    """
    for path in paths:
        try:
            lines = path.read_text("utf-8").split("\n")
        except OSError as error:
            raise FatalError(f"{path}: {error.strerror}; name a JSON Lines file") from error
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise FatalError(f"{path}:{number}: is not JSON; write one object per line") from error
            if not isinstance(row, dict):
                raise FatalError(f"{path}:{number}: is not an object; write one object per line")
            yield f"{path}:{number}", row


def _interaction(place: str, row: dict[str, Any]) -> Interaction:
    try:
        turns = tuple(Turn(role=TurnRole(turn["role"]), text=str(turn["text"])) for turn in row["turns"])
        return Interaction(
            event_id=uuid4(), occurred_at=from_ms(0), interaction_id=row.get("interaction_id") or uuid4(),
            source="file", contact_id="", country=row.get("country"), language=row.get("language"), turns=turns,
        )  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise FatalError(f"{place}: is no finished interaction ({error}); see docs/ingest.md") from error


def committed(topics: Sequence[str], since_ms: int = 0) -> Iterator[tuple[str, str, Any, int]]:
    """The committed records of some topics up to now: topic, key, record, timestamp in ms.

    Args:
        topics: With a schema.
        since_ms: Older records are passed over.

    Raises:
        FatalError: Kafka cannot be reached, or a topic is missing.
    """
    serde = AvroSerde(load(RegistrySettings).url)
    for topic, key, value, at_ms in committed_bytes(topics):
        if at_ms >= since_ms:
            yield topic, key, serde.decode(topic, value), at_ms


def committed_bytes(topics: Sequence[str]) -> Iterator[tuple[str, str, bytes, int]]:
    """The same as bytes."""
    settings = load(KafkaSettings)
    consumer = Consumer(
        {
            **settings.client,
            "bootstrap.servers": settings.bootstrap_servers,
            "group.id": f"floodgate-look-{uuid4().hex}",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": False,
        }
    )
    try:
        ends = _ends(consumer, topics)
        consumer.assign([TopicPartition(t, p, low) for (t, p), (low, high) in ends.items() if low < high])
        yield from _until(consumer, {place: high for place, (low, high) in ends.items() if low < high})
    finally:
        consumer.close()


def _ends(consumer: Consumer, topics: Sequence[str]) -> dict[tuple[str, int], tuple[int, int]]:
    there = consumer.list_topics(timeout=_TIMEOUT_SECONDS).topics
    missing = [topic for topic in topics if topic not in there]
    if missing:
        raise FatalError(f"the topic {missing[0]} does not exist: run `floodgate topics apply`")
    return {
        (topic, number): consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=_TIMEOUT_SECONDS)
        for topic in topics
        for number in there[topic].partitions
    }


def _until(consumer: Consumer, ends: dict[tuple[str, int], int]) -> Iterator[tuple[str, str, bytes, int]]:
    """Reads until every partition's end; what a transaction hides at the end is not waited for."""
    open_places = set(ends)
    silent_seconds = 0.0
    while open_places and silent_seconds < _QUIET_SECONDS:
        messages = consumer.consume(1000, 0.5)
        silent_seconds = 0.0 if messages else silent_seconds + 0.5
        for message in messages:
            if message.error() is not None:
                continue
            topic, partition, offset = str(message.topic()), message.partition() or 0, message.offset() or 0
            if offset + 1 >= ends[topic, partition]:
                open_places.discard((topic, partition))
            value = message.value()
            if value is not None:
                yield topic, (message.key() or b"").decode(), value, int(message.timestamp()[1])


def summaries() -> list[Summary]:
    """The feature records of the topic."""
    return [record for _, _, record, _ in committed(("support.summaries",)) if isinstance(record, Summary)]
