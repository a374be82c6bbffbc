"""The topics and schemas as the package ships them (`contract.json`, generated from `schemas/`)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

from floodgate.events import generated
from floodgate.events.generated import AvroModel

COMPACTED_SEGMENT_BYTES: Final = 67_108_864
COMPACTED_WITHIN_DAYS: Final = 7
"""By when an older value of a key is cleaned out of a compacted topic."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One declared topic.

    Attributes:
        record: Name of the Avro record it carries; None for raw bytes.
        retention_days: How long it keeps records; None when compacted for ever.
    """

    name: str
    record: str | None
    key: str
    partitions: int
    cleanup: str
    retention_days: int | None
    max_message_bytes: int
    writers: tuple[str, ...]
    readers: tuple[str, ...]

    def config(self) -> dict[str, str]:
        """Kafka's topic settings."""
        config = {"cleanup.policy": self.cleanup, "max.message.bytes": str(self.max_message_bytes)}
        if self.retention_days is not None:
            config["retention.ms"] = str(self.retention_days * 86_400_000)
        else:
            # Without a limit Kafka may keep what a tombstone superseded for as long as the topic is quiet.
            config["max.compaction.lag.ms"] = str(COMPACTED_WITHIN_DAYS * 86_400_000)
            # Kafka compacts what is no longer written to. With its 1 GiB a busy changelog is restored from hours of
            # superseded states.
            config["segment.bytes"] = str(COMPACTED_SEGMENT_BYTES)
        return config


@dataclass(frozen=True, slots=True)
class ServiceAccess:
    """Who signs in to Kafka under one name.

    Attributes:
        processors: Join the group of their name, and write in transactions.
        consumers: Join the group of their name.
        others: Names under which it reads and writes without a group.
        watches: Groups whose progress it asks for; "*": of all.
    """

    name: str
    processors: tuple[str, ...]
    consumers: tuple[str, ...]
    others: tuple[str, ...]
    watches: tuple[str, ...]

    @property
    def names(self) -> frozenset[str]:
        """All names by which `schemas/topics.yaml` calls it as a writer or reader."""
        return frozenset((*self.processors, *self.consumers, *self.others, f"{self.name}-tail"))


@cache
def _contract() -> dict[str, Any]:
    text = files("floodgate.events").joinpath("contract.json").read_text(encoding="utf-8")
    contract: dict[str, Any] = json.loads(text)
    return contract


@cache
def topics() -> dict[str, Topic]:
    """Every declared topic by name."""
    declared = _contract()["topics"]
    return {name: _topic(name, {**declared["defaults"], **entry}) for name, entry in declared["topics"].items()}


def _topic(name: str, entry: dict[str, Any]) -> Topic:
    compacted = entry["cleanup"] == "compact"
    return Topic(
        name=name,
        record=entry["record"],
        key=entry["key"],
        partitions=entry["partitions"],
        cleanup=entry["cleanup"],
        retention_days=None if compacted else entry["retention_days"],
        max_message_bytes=entry["max_message_bytes"],
        writers=tuple(entry["writers"]),
        readers=tuple(entry["readers"]),
    )


@cache
def services() -> dict[str, ServiceAccess]:
    """Everybody who signs in to Kafka, by name."""
    declared = _contract()["topics"]["services"]
    return {
        name: ServiceAccess(name, *(tuple(entry.get(key, ())) for key in ("processors", "consumers", "as", "watches")))
        for name, entry in declared.items()
    }


def schema(record: str) -> dict[str, Any]:
    """The expanded Avro schema of a record, standing alone.

    Raises:
        KeyError: There is no such record.
    """
    found: dict[str, Any] = _contract()["schemas"][record]
    return found


def model(record: str) -> type[AvroModel]:
    """The pydantic model of a record."""
    found: type[AvroModel] = getattr(generated, record)
    return found
