"""What `schemas/topics.yaml` allows: which service reads and writes which topic, under which groups."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[4]
GROUP_PREFIX: Final = "floodgate."
READER_GROUPS: Final = f"{GROUP_PREFIX}reader.*"
REDRIVE_TRANSACTIONS: Final = "floodgate-redrive*"
INTERNAL_PARTITIONS: Final = 100
"""Of Kafka's own `__consumer_offsets` and `__transaction_state`, at Kafka's defaults."""


@dataclass(frozen=True)
class Access:
    """What one role may do in Kafka.

    Attributes:
        looks: Topics of which it asks only where they end.
        groups: Joined.
        seen_groups: Whose progress it asks for; may end in `*`.
        transactions: Transactional ids; may end in `*`.
    """

    reads: tuple[str, ...]
    writes: tuple[str, ...]
    looks: tuple[str, ...]
    groups: tuple[str, ...]
    seen_groups: tuple[str, ...]
    transactions: tuple[str, ...]


@cache
def declared() -> dict[str, Any]:
    """`schemas/topics.yaml`."""
    document: dict[str, Any] = yaml.safe_load((ROOT / "schemas/topics.yaml").read_text(encoding="utf-8"))
    return document


def services() -> dict[str, dict[str, list[str]]]:
    """Who signs in to Kafka, and under which names."""
    found: dict[str, dict[str, list[str]]] = declared()["services"]
    return found


def partitions(default: int) -> int:
    """Of all declared topics together, with so many where a topic says nothing else (FLOODGATE_KAFKA_PARTITIONS)."""
    return sum(entry.get("partitions", default) for entry in declared()["topics"].values())


def replicas_per_broker(brokers: int, default_partitions: int, replication: int = 3) -> int:
    """How many replicas a broker carries, Kafka's own topics included."""
    return -(-(partitions(default_partitions) + INTERNAL_PARTITIONS) * replication // brokers)


def role_of(service: str) -> str:
    """What runs beside a service (summarizer-batch, summarizer-ledger) has its service account, and so its role."""
    return service.partition("-")[0]


def access() -> dict[str, Access]:
    """By role."""
    merged: dict[str, list[Access]] = {}
    for name, entry in services().items():
        merged.setdefault(role_of(name), []).append(_of(name, entry))
    return {role: _together(parts) for role, parts in merged.items()}


def _of(name: str, entry: dict[str, list[str]]) -> Access:
    processors, consumers, others, watches = (
        entry.get(key, []) for key in ("processors", "consumers", "as", "watches")
    )
    names = {*processors, *consumers, *others, f"{name}-tail"}
    topics = declared()["topics"]
    reads = [topic for topic, each in topics.items() if names & set(each["readers"])]
    writes = [topic for topic, each in topics.items() if names & set(each["writers"])]
    watched = [t for t, each in topics.items() if "*" in watches or set(watches) & set(each["readers"])]
    return Access(
        reads=tuple(reads),
        writes=tuple(writes),
        looks=tuple(topic for topic in watched if topic not in {*reads, *writes}),
        groups=tuple(GROUP_PREFIX + each for each in (*processors, *consumers)),
        seen_groups=(
            READER_GROUPS,
            *(GROUP_PREFIX + each for each in watches),
            *(f"{GROUP_PREFIX}{each}.restore" for each in processors),
        ),
        transactions=(
            *(f"{GROUP_PREFIX}{each}-*" for each in processors),
            *([REDRIVE_TRANSACTIONS] if "redrive" in others else []),
        ),
    )


def _together(parts: list[Access]) -> Access:
    def union(field: str) -> tuple[str, ...]:
        return tuple(sorted({value for part in parts for value in getattr(part, field)}))

    reads, writes = union("reads"), union("writes")
    looks = tuple(topic for topic in union("looks") if topic not in {*reads, *writes})
    return Access(reads, writes, looks, union("groups"), union("seen_groups"), union("transactions"))
