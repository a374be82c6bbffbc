"""Followed topics: a record waits until they are read up to where they stood when it was fetched.

A question of ours and the user's answer to it come by different topics. Whoever handles the answer has to know the
question, even when it is a moment late. Kafka thread only.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from typing import Final, Protocol

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from keyflow.asking import Asking
from keyflow.config import EngineConfig
from keyflow.work import Item, Source

log = logging.getLogger(__name__)

_QUERY_SECONDS: Final = 5.0
_RETRY_SECONDS: Final = 0.2
_END: Final = -1
"""As a timestamp: the offset after the last record that can be read; of an open transaction nothing counts."""
_BEGINNING: Final = -2

Offsets = Callable[[Collection[Source]], Mapping[Source, int]]
"""An offset for each source; one that is not known is missing."""


class Bounds:
    """Asks Kafka where sources begin and end, over a connection of its own: the consumer's is busy with fetches that
    wait for records. After a refusal nothing is known for a moment.
    """

    def __init__(self, config: EngineConfig) -> None:
        self._asking = Asking(config.restorer())
        self._not_before = 0.0

    def ends(self, sources: Collection[Source]) -> Mapping[Source, int]:
        """Where what can be read ends now."""
        return self._ask(sources, _END)

    def beginnings(self, sources: Collection[Source]) -> Mapping[Source, int]:
        """The first offset that retention has left."""
        return self._ask(sources, _BEGINNING)

    def _ask(self, sources: Collection[Source], what: int) -> Mapping[Source, int]:
        if time.monotonic() < self._not_before:
            return {}
        places = [TopicPartition(topic, partition, what) for topic, partition in sources]
        try:
            found = self._asking.offsets(places, _QUERY_SECONDS)
        except KafkaException as error:
            self._refused(error.args[0])
            return {}
        errors = [place.error for place in found if place.error is not None]
        if errors:
            self._refused(errors[0])
        return {(place.topic, place.partition): place.offset for place in found if place.error is None}

    def _refused(self, error: KafkaError) -> None:
        # Whoever waits looks again with every poll, a hundred times a second.
        self._not_before = time.monotonic() + _RETRY_SECONDS
        log.warning("keyflow.follow_retry code=%s", error.name())

    def close(self) -> None:
        """Closes the connection."""
        self._asking.close()


class BoundsOf(Protocol):
    """What `Bounds` answers."""

    def ends(self, sources: Collection[Source]) -> Mapping[Source, int]: ...
    def beginnings(self, sources: Collection[Source]) -> Mapping[Source, int]: ...


class Follower:
    """Holds records back, in order, until what they have to wait for was read.

    Args:
        topics: The followed ones; their own records never wait.
        bounds: Where sources begin and end.
        positions: How far sources were read; a source of which nothing was read since its assignment is missing.
    """

    def __init__(self, topics: Collection[str], bounds: BoundsOf, positions: Offsets) -> None:
        self._topics = frozenset(topics)
        self._bounds = bounds
        self._positions = positions
        self._starts: dict[Source, int] = {}
        # By partition: records that wait, and up to where the followed topics have to be read for all of them.
        self._held: dict[int, deque[Item]] = {}
        self._wanted: dict[int, Mapping[Source, int]] = {}

    def held(self, partition: int) -> int:
        """How many records of a partition wait."""
        return len(self._held.get(partition, ()))

    @property
    def partitions(self) -> Collection[int]:
        """Where records wait."""
        return self._held.keys()

    def assigned(self, starts: Mapping[Source, int]) -> None:
        """Reading begins at these offsets, as committed; 0 may be a topic's beginning, wherever retention moved it."""
        self._starts.update({source: start for source, start in starts.items() if start and source[0] in self._topics})

    def admit(self, items: list[Item]) -> list[Item]:
        """What may be handled now, of records that were just fetched and of those that waited.

        Records of the followed topics come first, so that they are ahead of their key's other records.
        """
        ready = [item for item in items if item.source_topic in self._topics]
        fresh: set[int] = set()
        for item in items:
            if item.source_topic not in self._topics:
                partition = item.assignment.partition
                self._held.setdefault(partition, deque()).append(item)
                fresh.add(partition)
        if fresh:
            self._ask(fresh)
        if self._held:
            self._release(ready)
        return ready

    def forget(self, partitions: Collection[int]) -> None:
        """Drops what waits of partitions that were taken away; the next owner fetches it again."""
        for partition in partitions:
            self._held.pop(partition, None)
            self._wanted.pop(partition, None)
            for topic in self._topics:
                self._starts.pop((topic, partition), None)

    def _ask(self, partitions: Collection[int]) -> None:
        sources = [(topic, partition) for topic in self._topics for partition in partitions]
        ends = self._bounds.ends(sources)
        for partition in partitions:
            mine = {source: ends[source] for source in sources if source[1] == partition and source in ends}
            # Without an answer they wait on: the next look asks again.
            self._wanted[partition] = mine if len(mine) == len(self._topics) else {}

    def _release(self, ready: list[Item]) -> None:
        unasked = [partition for partition in self._held if not self._wanted.get(partition)]
        if unasked:
            self._ask(unasked)
        read = self._read_to([source for wanted in self._wanted.values() for source in wanted])
        for partition, wanted in list(self._wanted.items()):
            if wanted and all(read.get(source, -1) >= end for source, end in wanted.items()):
                ready += self._held.pop(partition)
                del self._wanted[partition]

    def _read_to(self, sources: Collection[Source]) -> Mapping[Source, int]:
        read = {**self._starts, **self._positions(sources)}
        fresh = [source for source in sources if read.get(source, -1) < 0]
        if fresh:
            begun = self._bounds.beginnings(fresh)
            self._starts |= begun
            read |= begun
        return read
