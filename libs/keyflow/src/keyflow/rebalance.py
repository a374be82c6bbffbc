"""Partitions come and go: what happens in the callbacks of a rebalance. Kafka thread only.

With the classic protocol all partitions are given back and given anew each time; with KIP-848 only those that move,
and the others go on meanwhile. A partition number is worked on while all topics of it are here: state and order rest
on that, and an assignor promises it only to members that want the same topics (not so while a version rolls out that
reads one topic more).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final, Generic, Protocol, TypeVar

from confluent_kafka import OFFSET_BEGINNING, OFFSET_STORED, Consumer, KafkaException, TopicPartition

from keyflow.config import EngineConfig
from keyflow.errors import FatalError, RetryableError
from keyflow.offsets import OffsetTracker, decode
from keyflow.restore import restored
from keyflow.table import Table
from keyflow.types import StateSpec
from keyflow.work import Assignment, Source

log = logging.getLogger(__name__)
S = TypeVar("S")

_ASSIGN_PATIENCE_SECONDS: Final = 60.0
_COMMIT_EVERY_SECONDS: Final = 0.05
_LOOK_EVERY_SECONDS: Final = 0.005
_INCOMPLETE_SECONDS: Final = 30.0


class Workers(Protocol):
    """Those who handle records, as a rebalance sees them."""

    def leave(self, partitions: set[int]) -> None:
        """Starts nothing more of these partitions, and gives up what only waits; returns once that is so."""

    def busy(self, partitions: set[int]) -> bool:
        """Whether a call is under way for one of them."""
        ...

    def abandon(self, partitions: set[int]) -> None:
        """Ends the calls that are under way for them; returns once that is so."""


class Rebalancer(Generic[S]):
    """What this member has, from one rebalance to the next.

    Args:
        topics: All co-partitioned inputs.
        commit: Commits what is ready, of all partitions.
        end_forgotten: Ends the transaction of this slot that the broker has forgotten.

    Attributes:
        assignments: What is worked on, by partition number; always the same dict.
        failure: Why the engine has to stop; an exception must not cross librdkafka.
    """

    def __init__(
        self,
        topics: list[str],
        state: StateSpec[S] | None,
        config: EngineConfig,
        workers: Workers,
        commit: Callable[[], object],
        *,
        end_forgotten: Callable[[Consumer], None],
    ) -> None:
        self._topics = topics
        self._state = state
        self._config = config
        self._workers = workers
        self._commit = commit
        self._end_forgotten = end_forgotten
        self._incremental = config.group_protocol == "consumer"
        self._owned: set[Source] = set()
        self._incomplete: set[int] = set()
        self._told_at = 0.0
        self._committed_at = 0.0
        self._assigned: list[Assignment[S]] = []
        self._revoked: list[Assignment[S]] = []
        self.assignments: dict[int, Assignment[S]] = {}
        self.failure: FatalError | None = None

    def changes(self) -> tuple[list[Assignment[S]], list[Assignment[S]]]:
        """What was taken away and what came since the last call, to be applied in this order."""
        changes = self._revoked, self._assigned
        self._revoked, self._assigned = [], []
        return changes

    def tell_incomplete(self) -> None:
        """Says so when topics of a partition number have been missing for long."""
        if self._incomplete and time.monotonic() - self._told_at > _INCOMPLETE_SECONDS:
            self._told_at = time.monotonic()
            log.warning(
                "keyflow.partitions_wait numbers=%s reason=other members have topics of the same numbers: "
                "do all instances run the same version?",
                sorted(self._incomplete),
            )

    def _find_incomplete(self) -> None:
        if not self._incomplete:
            self._told_at = time.monotonic()
        self._incomplete = {number for _, number in self._owned} - self.assignments.keys()

    # Taking over

    def on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Restores the state of what came, and starts reading where the group stands."""
        try:
            self._take_over(consumer, [(place.topic, place.partition) for place in partitions])
        except FatalError as error:
            self.failure = error
        except (KafkaException, ValueError) as error:
            self.failure = FatalError(f"taking partitions over failed: {error}")

    def _take_over(self, consumer: Consumer, gained: list[Source]) -> None:
        self._owned.update(gained)
        whole = {number for _, number in gained if all((topic, number) in self._owned for topic in self._topics)}
        places = self._committed(consumer, self._places(whole))
        fresh = self._fresh(places)
        self._restore(fresh, places, partial(self._end_forgotten, consumer))
        starts = {(place.topic, place.partition): place.offset for place in places}
        assign = consumer.incremental_assign if self._incremental else consumer.assign
        assign([TopicPartition(topic, number, starts.get((topic, number), OFFSET_STORED)) for topic, number in gained])
        early = [TopicPartition(topic, number) for topic, number in gained if number not in whole]
        if early:
            consumer.pause(early)
        for (topic, number), start in starts.items():
            if (topic, number) not in gained:
                consumer.seek(TopicPartition(topic, number, start if start >= 0 else OFFSET_BEGINNING))
        if whole:
            consumer.resume(self._places(whole))
        self.assignments.update((item.partition, item) for item in fresh)
        self._assigned += fresh
        self._find_incomplete()

    def _places(self, numbers: Iterable[int]) -> list[TopicPartition]:
        return [TopicPartition(topic, number) for number in numbers for topic in self._topics]

    def _committed(self, consumer: Consumer, places: list[TopicPartition]) -> list[TopicPartition]:
        # Stable offsets: the call waits for a transaction of an earlier owner that is still open.
        began = time.monotonic()
        while places:
            try:
                return list(consumer.committed(places, timeout=10.0))
            except KafkaException as error:
                waited = time.monotonic() - began
                if waited > _ASSIGN_PATIENCE_SECONDS:
                    raise
                log.warning("keyflow.committed_retry code=%s", error.args[0].name())
                if waited > self._config.forgotten_after_seconds:
                    self._end_forgotten(consumer)
        return []

    def _fresh(self, places: list[TopicPartition]) -> list[Assignment[S]]:
        found: dict[int, Assignment[S]] = {}
        for place in places:
            table = None if self._state is None else Table(self._state)
            assignment = found.setdefault(place.partition, Assignment(place.partition, {}, table))
            start = max(place.offset, 0)
            try:
                finished = decode(start, place.metadata or "")
            except ValueError as error:
                raise FatalError(f"{place.topic}/{place.partition}: {error}") from error
            assignment.trackers[place.topic] = OffsetTracker(start, finished)
        return list(found.values())

    def _restore(
        self, fresh: list[Assignment[S]], places: list[TopicPartition], end_forgotten: Callable[[], None]
    ) -> None:
        if self._state is None or not fresh:
            return
        known = {place.partition for place in places if place.offset >= 0}
        tables: dict[int, Table[S]] = {item.partition: item.table for item in fresh if item.table is not None}
        restored(
            self._config,
            self._state.changelog,
            tables,
            {number: number in known for number in tables},
            meanwhile=self._commit_meanwhile,
            end_forgotten=end_forgotten,
        )

    # Giving back

    def on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Lets calls that are under way finish, within the deadline; commits; lets go."""
        numbers = {place.partition for place in partitions} & self.assignments.keys()
        try:
            if numbers:
                self._finish(numbers)
        except FatalError as error:
            self.failure = error
        self._let_go(consumer, partitions)

    def on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """The group went on without us: others have these partitions already."""
        log.warning("keyflow.partitions_lost count=%d", len(partitions))
        self._let_go(consumer, partitions)

    def _finish(self, numbers: set[int]) -> None:
        deadline = time.monotonic() + self._config.revoke_deadline_seconds
        for number in numbers:
            self.assignments[number].closing = self.assignments[number].leaving = True
        self._workers.leave(numbers)
        while self._workers.busy(numbers) and time.monotonic() < deadline:
            self._commit_meanwhile()
            time.sleep(_LOOK_EVERY_SECONDS)
        # The next owner may begin as soon as we let go.
        self._workers.abandon(numbers)
        while not self._commit_ready() and time.monotonic() < deadline:
            time.sleep(_LOOK_EVERY_SECONDS)

    def _commit_meanwhile(self) -> None:
        """Partitions that stay go on while others come or go: effects wait for commits."""
        if time.monotonic() - self._committed_at > _COMMIT_EVERY_SECONDS:
            self._commit_ready()

    def _commit_ready(self) -> bool:
        self._committed_at = time.monotonic()
        try:
            self._commit()
        except RetryableError as error:
            # What is still not written when the time is up, the next owner handles again.
            log.warning("keyflow.rebalance_commit_aborted reason=%s", error)
            return False
        return True

    def _let_go(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        gone = {(place.topic, place.partition) for place in partitions}
        self._owned -= gone
        for number in {number for _, number in gone} & self.assignments.keys():
            assignment = self.assignments.pop(number)
            assignment.closing = assignment.leaving = True
            assignment.live = False
            self._revoked.append(assignment)
        self._assigned = [item for item in self._assigned if item.live]
        if self._incremental:
            consumer.incremental_unassign(partitions)
        else:
            consumer.unassign()
        self._find_incomplete()
        halves = [TopicPartition(*source) for source in self._owned if source[1] in self._incomplete]
        if halves and self._incremental:
            consumer.pause(halves)
