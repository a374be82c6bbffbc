"""What backup and restore ask of a cluster."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final, TypeVar

from confluent_kafka import ConsumerGroupTopicPartitions, IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec
from keyflow.kafka_errors import SignIn

from floodgate.backup.archive import Committed
from floodgate.settings import READERS, KafkaSettings

T = TypeVar("T")

TIMEOUT_SECONDS: Final = 30.0
_RETRY_SECONDS: Final = 0.1
_MOVING: Final = {
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
}
_EARLIEST: Final[OffsetSpec] = OffsetSpec.earliest()  # type: ignore[no-untyped-call]  # confluent-kafka's own
_LATEST: Final[OffsetSpec] = OffsetSpec.latest()  # type: ignore[no-untyped-call]
Place = tuple[str, int]
"""Topic and partition."""


class Cluster:
    """A cluster as its administrator sees it. Connects on the first call.

    Args:
        settings: Where it is, and whose groups.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self.settings = settings
        self._sign_in = SignIn()
        connection: dict[str, Any] = {**settings.connection(), "error_cb": self._sign_in}
        self.admin = AdminClient(connection)

    def counts(self) -> dict[str, int]:
        """Partitions of every topic."""
        found = self._sign_in.topics(self.admin, seconds=TIMEOUT_SECONDS)
        return {name: len(topic.partitions) for name, topic in found.items() if topic.error is None}

    def starts(self, places: Iterable[Place]) -> dict[Place, int]:
        """First offsets."""
        return self._bounds(places, _EARLIEST, IsolationLevel.READ_UNCOMMITTED)

    def ends(self, places: Iterable[Place], *, committed: bool) -> dict[Place, int]:
        """The offset after the last record; of committed ones alone, it stands before the first open transaction."""
        level = IsolationLevel.READ_COMMITTED if committed else IsolationLevel.READ_UNCOMMITTED
        return self._bounds(places, _LATEST, level)

    def _bounds(self, places: Iterable[Place], spec: OffsetSpec, level: IsolationLevel) -> dict[Place, int]:
        asked = {TopicPartition(*place): spec for place in places}
        if not asked:
            return {}

        def ask() -> dict[Place, int]:
            found = self.admin.list_offsets(asked, isolation_level=level, request_timeout=TIMEOUT_SECONDS)
            return {(place.topic, place.partition): future.result().offset for place, future in found.items()}

        return _again(ask)

    def groups(self) -> dict[str, tuple[Committed, ...]]:
        """What this site's groups have committed.

        Raises:
            KafkaException: Or a commit is under way.
        """
        prefix = self.settings.group_prefix
        names = [name for name in _again(self._listed) if name.startswith(prefix)]
        return {
            name: _again(partial(self._committed, name)) for name in names if not name.startswith(f"{prefix}{READERS}")
        }

    def _listed(self) -> list[str]:
        found = self.admin.list_consumer_groups(request_timeout=TIMEOUT_SECONDS).result()
        for error in found.errors or ():
            raise error
        return sorted(each.group_id for each in found.valid or ())

    def committed(self, group: str) -> tuple[Committed, ...]:
        """What a group has committed; a commit that is under way raises."""
        # Of a group that nobody knows, on a cluster without any, confluent-kafka 2.16.1 crashes: do not ask.
        return _again(lambda: self._committed(group)) if group in _again(self._listed) else ()

    def _committed(self, group: str) -> tuple[Committed, ...]:
        asked = [ConsumerGroupTopicPartitions(group)]
        answer: Any = self.admin.list_consumer_group_offsets(
            asked, require_stable=True, request_timeout=TIMEOUT_SECONDS
        )
        found = []
        for place in answer[group].result().topic_partitions or ():
            if place.error is not None:
                raise KafkaException(place.error)
            if place.offset >= 0:
                found.append(Committed(topic=place.topic, partition=place.partition, offset=place.offset,
                                       metadata=place.metadata or ""))  # fmt: skip
        return tuple(sorted(found, key=lambda one: (one.topic, one.partition)))

    def commit(self, group: str, places: Iterable[Committed]) -> None:
        """Sets a group's offsets; nobody may be in it."""
        wanted = [TopicPartition(one.topic, one.partition, one.offset, one.metadata) for one in places]
        if not wanted:
            return
        _again(lambda: self._commit(group, wanted))

    def _commit(self, group: str, wanted: list[TopicPartition]) -> None:
        asked = [ConsumerGroupTopicPartitions(group, wanted)]
        answer = self.admin.alter_consumer_group_offsets(asked, request_timeout=TIMEOUT_SECONDS)[group].result()
        for place in answer.topic_partitions:
            if place.error is not None:
                raise KafkaException(place.error)

    def delete_before(self, offsets: Mapping[Place, int]) -> None:
        """Takes away what stands before these offsets."""
        wanted = [TopicPartition(topic, partition, offset) for (topic, partition), offset in offsets.items()]

        def delete() -> None:
            for future in self.admin.delete_records(wanted, request_timeout=TIMEOUT_SECONDS).values():
                future.result()

        if wanted:
            _again(delete)

    def forget(self, group: str) -> None:
        """Deletes a group."""
        for future in self.admin.delete_consumer_groups([group]).values():
            _again(future.result)


def _again(ask: Callable[[], T]) -> T:
    """Asks until leaders and coordinators have settled, as they do just after a topic or a group is made."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while True:
        try:
            return ask()
        except KafkaException as error:
            if error.args[0].code() not in _MOVING or time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_SECONDS)
