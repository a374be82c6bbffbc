"""How far each consumer group is, as Kafka has it: who reads, how much is left, how old the oldest of it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from keyflow.errors import FatalError

from floodgate.settings import KafkaSettings

_TIMEOUT_SECONDS: Final = 15.0


@dataclass(frozen=True, slots=True)
class GroupStatus:
    """One service as its consumer group shows it.

    Attributes:
        state: Kafka's: STABLE while somebody reads, EMPTY when nobody does.
        lag: By topic, offsets between what is committed and the end; markers of transactions count.
        oldest_seconds: Age of the oldest record that is not committed; 0 when there is none.
    """

    service: str
    group: str
    state: str
    members: int
    lag: Mapping[str, int]
    oldest_seconds: float

    @property
    def running(self) -> bool:
        """Whether somebody reads."""
        return self.members > 0


def group_statuses(settings: KafkaSettings, now_ms: int) -> list[GroupStatus]:
    """Every group of this site that has committed something.

    Raises:
        FatalError: Kafka cannot be reached.
    """
    client: dict[str, Any] = {**settings.client, "bootstrap.servers": settings.bootstrap_servers}
    reader = Consumer(
        {**client, "group.id": f"{settings.group_prefix}reader", "isolation.level": "read_committed",
         "enable.auto.commit": False}
    )  # fmt: skip
    try:
        admin = AdminClient(client)
        listed = admin.list_consumer_groups(request_timeout=_TIMEOUT_SECONDS).result().valid
        names = sorted(group.group_id for group in listed if group.group_id.startswith(settings.group_prefix))
        found = [_status(admin, reader, name, settings.group_prefix, now_ms) for name in names]
    except KafkaException as error:
        raise FatalError(f"Kafka cannot be asked for its consumer groups: {error.args[0].str()}") from error
    finally:
        reader.close()
    return [status for status in found if status is not None]


def _status(admin: AdminClient, reader: Consumer, name: str, prefix: str, now_ms: int) -> GroupStatus | None:
    asked = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(name)], request_timeout=_TIMEOUT_SECONDS)
    committed = [place for place in asked[name].result().topic_partitions or () if place.offset >= 0]
    if not committed:
        return None
    described = admin.describe_consumer_groups([name], request_timeout=_TIMEOUT_SECONDS)[name].result()
    left = _left(reader, committed)
    lag: dict[str, int] = defaultdict(int)
    for place in committed:
        lag[place.topic] += left.get((place.topic, place.partition), 0)
    behind = [place for place in committed if left.get((place.topic, place.partition))]
    return GroupStatus(
        service=name.removeprefix(prefix),
        group=name,
        state=described.state.name,
        members=len(described.members),
        lag=dict(lag),
        oldest_seconds=_oldest_seconds(reader, behind, now_ms),
    )


def _left(reader: Consumer, committed: Sequence[TopicPartition]) -> dict[tuple[str, int], int]:
    left = {}
    for place in committed:
        low, high = reader.get_watermark_offsets(TopicPartition(place.topic, place.partition), timeout=_TIMEOUT_SECONDS)
        left[place.topic, place.partition] = max(high - max(place.offset, low), 0)
    return left


def _oldest_seconds(reader: Consumer, behind: Sequence[TopicPartition], now_ms: int) -> float:
    """By the first record behind each committed offset; a marker alone has no age."""
    if not behind:
        return 0.0
    reader.assign([TopicPartition(place.topic, place.partition, place.offset) for place in behind])
    try:
        found = [message.timestamp()[1] for message in reader.consume(500, 1.0) if message.error() is None]
    finally:
        reader.unassign()
    return max(0.0, (now_ms - min(found)) / 1000) if found else 0.0
