"""Which key goes next: the longest queue first, with ageing, fair between partitions.

The order decides the throughput when handlers wait: a key with many records has to start early, or it is alone at
the end. Pure: no clock, no Kafka, no asyncio. Every step costs O(log n) of the keys of one partition.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import islice
from typing import Final, Generic, TypeVar

T = TypeVar("T")

AGEING_TAKES: Final = 256
"""Waiting while so many other keys of the partition are taken weighs as much as one more queued record."""

_SHOWN: Final = 8


@dataclass(slots=True, eq=False)
class Lane(Generic[T]):
    """The records of one key that are not taken yet, and whether one of them is being handled."""

    partition: int
    key: str
    items: deque[T] = field(default_factory=deque)
    busy: bool = False
    grown: bool = False
    since: int = 0
    ticket: int = -1


@dataclass(slots=True, eq=False)
class _Partition(Generic[T]):
    lanes: dict[str, Lane[T]] = field(default_factory=dict)
    # (priority, ticket, lane): the smallest goes first; an entry whose ticket is not its lane's is stale.
    heap: list[tuple[int, int, Lane[T]]] = field(default_factory=list)
    waiting: int = 0
    takes: int = 0


class KeyScheduler(Generic[T]):
    """Queues per key, and the order in which keys are served.

    A waiting key's priority is its number of queued records plus its age in takes divided by `ageing_takes`.
    Age grows equally for all who wait, so that priorities compare without being recomputed. A key therefore
    waits at most for (longest queue x ageing_takes) takes of its own partition, and partitions take turns.

    Args:
        ageing_takes: See `AGEING_TAKES`.
    """

    def __init__(self, ageing_takes: int = AGEING_TAKES) -> None:
        self._ageing_takes = ageing_takes
        self._partitions: dict[int, _Partition[T]] = {}
        self._turns: deque[_Partition[T]] = deque()
        self._grown: list[tuple[_Partition[T], Lane[T]]] = []
        self._tickets = 0
        self.waiting = 0

    def add(self, partition: int, key: str, item: T) -> None:
        """Queues an item behind the others of its key."""
        place = self._partitions.get(partition)
        if place is None:
            place = self._partitions[partition] = _Partition()
        lane = place.lanes.get(key)
        if lane is None:
            lane = place.lanes[key] = Lane(partition, key)
        items = lane.items
        items.append(item)
        if not lane.busy and not lane.grown:
            # Records come in batches: a lane gets its new place in the order once, when the next one is taken.
            lane.grown = True
            self._grown.append((place, lane))
            if len(items) == 1:
                self._wait(place, lane)

    def take(self) -> tuple[Lane[T], T] | None:
        """The next key and its first item; nothing else of this key is given out before `done`."""
        if not self._turns:
            return None
        if self._grown:
            self._sort_in()
        place = self._turns[0]
        heap = place.heap
        while True:
            _, ticket, lane = heappop(heap)
            if ticket == lane.ticket:
                break
        lane.ticket = -1
        lane.busy = True
        place.takes += 1
        place.waiting -= 1
        self.waiting -= 1
        if place.waiting:
            self._turns.rotate(-1)
        else:
            self._turns.popleft()
            heap.clear()
        return lane, lane.items.popleft()

    def done(self, lane: Lane[T]) -> None:
        """The item that was taken last is finished: the key may go again."""
        place = self._partitions.get(lane.partition)
        if place is None or place.lanes.get(lane.key) is not lane:
            return  # its partition was taken away
        lane.busy = False
        if lane.items:
            self._wait(place, lane)
            self._push(place, lane)
        else:
            del place.lanes[lane.key]

    @property
    def empty(self) -> bool:
        """Whether no key has an item queued or being handled."""
        return not any(place.lanes for place in self._partitions.values())

    def hold(self, partition: int, key: str) -> Lane[T]:
        """A lane whose item did not have to queue: as if it had been taken. The key must have none yet."""
        place = self._partitions.get(partition)
        if place is None:
            place = self._partitions[partition] = _Partition()
        lane = place.lanes[key] = Lane(partition, key, busy=True)
        return lane

    def forget(self, partition: int) -> None:
        """Drops what is queued of a partition that was taken away."""
        place = self._partitions.pop(partition, None)
        if place is not None and place.waiting:
            self.waiting -= place.waiting
            self._turns.remove(place)

    def keys(self) -> Iterator[tuple[int, str]]:
        """Partition and key of whatever is queued or being handled."""
        return ((number, key) for number, place in self._partitions.items() for key in place.lanes)

    def queued(self, partition: int, key: str) -> tuple[T, ...]:
        """The first items that wait behind the key's current one."""
        place = self._partitions.get(partition)
        lane = place.lanes.get(key) if place is not None else None
        return tuple(islice(lane.items, _SHOWN)) if lane is not None else ()

    def _wait(self, place: _Partition[T], lane: Lane[T]) -> None:
        lane.since = place.takes
        if not place.waiting:
            self._turns.append(place)
        place.waiting += 1
        self.waiting += 1

    def _sort_in(self) -> None:
        grown, self._grown = self._grown, []
        for place, lane in grown:
            lane.grown = False
            if lane.items and not lane.busy:
                self._push(place, lane)

    def _push(self, place: _Partition[T], lane: Lane[T]) -> None:
        self._tickets += 1
        lane.ticket = self._tickets
        heappush(place.heap, (lane.since - self._ageing_takes * len(lane.items), lane.ticket, lane))
