"""Fills tables from their changelog, record by record, when partitions are assigned."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Generic, TypeVar

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from keyflow.asking import Asking
from keyflow.config import EngineConfig
from keyflow.errors import FatalError
from keyflow.kafka_errors import denied
from keyflow.table import Table

log = logging.getLogger(__name__)
S = TypeVar("S")

_BATCH: Final = 2000
_QUERY_SECONDS: Final = 10.0
_RETRY_SECONDS: Final = 0.2
_TELL_EVERY_SECONDS: Final = 5.0


class ChangelogReader(Generic[S]):
    """Reads a changelog with a consumer of its own, which commits nothing. Kafka thread only.

    Attributes:
        held: Partitions with at least one entry, tombstones too.
    """

    def __init__(
        self,
        config: EngineConfig,
        changelog: str,
        meanwhile: Callable[[], None] = lambda: None,
        end_forgotten: Callable[[], None] = lambda: None,
    ) -> None:
        self._config = config
        self._meanwhile = meanwhile
        self._end_forgotten = end_forgotten
        self._changelog = changelog
        self._consumer = Consumer(config.restorer())
        self.held: set[int] = set()

    def __enter__(self) -> ChangelogReader[S]:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def ends(self, partitions: set[int]) -> dict[int, tuple[int, int]]:
        """First offset and end of each partition.

        The end that a reader of committed records is told lies before the first open transaction. One that is
        committed already, whose marker is still to be written here, is open in that sense: it must be waited for.

        Raises:
            KafkaException: The broker does not answer.
        """
        asking = Asking({**self._config.restorer(), "isolation.level": "read_uncommitted"})
        try:
            return {partition: self._watermarks(asking, partition) for partition in partitions}
        finally:
            asking.close()

    def _watermarks(self, asking: Asking, partition: int) -> tuple[int, int]:
        # Leaders move: just after a topic was created, and while a broker starts again.
        deadline = time.monotonic() + self._config.restore_deadline_seconds
        while True:
            try:
                return asking.watermarks(TopicPartition(self._changelog, partition), _QUERY_SECONDS)
            except KafkaException as error:
                if time.monotonic() > deadline:
                    raise
                log.warning("keyflow.restore_retry code=%s", error.args[0].name())
                time.sleep(_RETRY_SECONDS)

    def restore(self, tables: Mapping[int, Table[S]], ends: Mapping[int, tuple[int, int]]) -> int:
        """Applies all records up to the given ends; how many there were.

        Raises:
            FatalError: There is no progress, or an entry cannot be read.
        """
        left = {partition for partition in tables if ends[partition][1] > ends[partition][0]}
        self._consumer.assign([TopicPartition(self._changelog, partition, ends[partition][0]) for partition in left])
        total = sum(ends[partition][1] - ends[partition][0] for partition in left)
        began = moved_at = told_at = time.monotonic()
        count, at = 0, -1
        patient_until = began + self._config.forgotten_after_seconds
        while left:
            for message in self._consumer.consume(_BATCH, 0.1):
                count += self._apply(message, tables)
            self._meanwhile()
            now = time.monotonic()
            position = self._drop_finished(left, ends)
            if position != at:
                moved_at, at = now, position
                patient_until = now + self._config.forgotten_after_seconds
            elif now > patient_until:
                self._end_forgotten()
                patient_until = time.monotonic() + self._config.forgotten_after_seconds
            elif now - moved_at > self._config.restore_deadline_seconds:
                raise FatalError(
                    f"restoring {self._changelog} stands still: {len(left)} partitions are not read to their end"
                )
            if now - told_at > _TELL_EVERY_SECONDS:
                told_at = now
                log.info("keyflow.restoring topic=%s records=%d of_at_most=%d", self._changelog, count, total)
        seconds = time.monotonic() - began
        log.info("keyflow.restored topic=%s records=%d seconds=%.2f", self._changelog, count, seconds)
        return count

    def _apply(self, message: Message, tables: Mapping[int, Table[S]]) -> int:
        error = message.error()
        if error is not None:
            refused = denied(error, "restoring", topic=self._changelog, group=f"{self._config.group_id}.restore")
            if refused is not None:
                raise refused
            return 0
        partition: Any = message.partition()
        key: Any = message.key()
        try:
            tables[partition].restore(key.decode(), message.value())
        except (ValueError, AttributeError) as error:
            place = f"{self._changelog}/{partition}/{message.offset()}"
            raise FatalError(f"{place}: an entry cannot be read ({type(error).__name__})") from error
        self.held.add(partition)
        return 1

    def _drop_finished(self, left: set[int], ends: Mapping[int, tuple[int, int]]) -> int:
        # Positions, not records, tell the end: transaction markers take offsets too.
        positions = self._consumer.position([TopicPartition(self._changelog, partition) for partition in left])
        for place in positions:
            if place.offset >= ends[place.partition][1]:
                left.discard(place.partition)
        return sum(place.offset for place in positions) - len(left)


def restored(
    config: EngineConfig,
    changelog: str,
    tables: Mapping[int, Table[S]],
    committed: Mapping[int, bool],
    *,
    meanwhile: Callable[[], None] = lambda: None,
    end_forgotten: Callable[[], None] = lambda: None,
) -> None:
    """Restores the tables of partitions that were just assigned.

    Args:
        config: The engine's.
        changelog: Topic to read.
        tables: By partition, empty.
        committed: By partition, whether the group has a committed offset there, read before this call.
        meanwhile: Called after every batch.
        end_forgotten: Called when there has been no progress for longer than a transaction may be open.

    Raises:
        FatalError: A partition has state and no committed offset, or the restore fails.
    """
    with ChangelogReader[S](config, changelog, meanwhile, end_forgotten) as reader:
        try:
            reader.restore(tables, reader.ends(set(tables)))
            # Known only now: offsets alone tell nothing, a first transaction that was aborted takes some too.
            for partition in sorted(reader.held):
                if not committed[partition] and not config.start_over:
                    raise FatalError(
                        f"{changelog}/{partition} holds state, but the group {config.group_id!r} has no committed "
                        "offset there: every input would be handled again. Set the group's offsets to where it was "
                        "(or to the end), delete the changelog's records to begin anew, or allow it (start_over)"
                    )
        except KafkaException as error:
            raise FatalError(f"restoring {changelog} failed: {error.args[0].str()}") from error
