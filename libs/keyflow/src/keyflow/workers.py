"""Those who handle. A worker is a task that handles one item after the other; one that has to wait starts the next.

A task per item costs as much as all else, and so does whatever waiting needs: a handler that does not wait gets
neither.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Coroutine, Iterable, Sequence
from itertools import islice
from typing import Any, Final, Generic, TypeVar

from keyflow.leaving import Seat, in_hand
from keyflow.outbox import Outbox
from keyflow.runner import RecordRunner
from keyflow.scheduler import KeyScheduler
from keyflow.within import Limit
from keyflow.work import Assignment, Finished, Item

S = TypeVar("S")

UNWAITED_IN_A_ROW: Final = 256
_LOOP_SECONDS: Final = 0.001
_ENOUGH: Final = 4000
# Before a handler first waits, what came with its record stands in one queue of all keys.
_LOOKED_THROUGH: Final = 256


class _Abandoned(Exception):
    """The partition was taken away while its record was being handled."""


class WorkerPool(Generic[S]):
    """Handles what it is given, in order per key, at most so many at once. Event loop only, but for a rebalance.

    Args:
        runner: Brings an item to its outcomes.
        outbox: Where they go.
        most: How many workers there may be.
        patience_seconds: How long a rebalance waits for the event loop.

    Attributes:
        accepting: Whether anything more is begun.
        failed: What a worker ended with: the engine has to stop.
    """

    def __init__(self, runner: RecordRunner[S], outbox: Outbox, most: int, patience_seconds: float) -> None:
        self._runner = runner
        self._outbox = outbox
        self._most = most
        self._patience_seconds = patience_seconds
        self._scheduler: KeyScheduler[Item] = KeyScheduler()
        # As long as nobody waits, items are handled as they came: sorting them by keys would be for nothing.
        self._direct: deque[Item] = deque()
        self._seats: dict[asyncio.Task[None], Seat] = {}
        self._waiting = 0
        self.accepting = True
        self.failed: BaseException | None = None
        runner.behind = self._behind

    def __len__(self) -> int:
        return len(self._seats)

    @property
    def queued(self) -> int:
        """Items that are not begun and could be: more of them than a worker takes in a row means that it is behind."""
        return self._scheduler.waiting + len(self._direct)

    @property
    def behind(self) -> bool:
        """Whether there is enough to do although nobody waits: more would but lie in memory until it is cold."""
        return len(self._direct) > _ENOUGH

    @property
    def saturated(self) -> bool:
        """Whether keys wait for a slot."""
        return self._scheduler.waiting > 0

    @property
    def tasks(self) -> Iterable[asyncio.Task[None]]:
        """Those who are at work."""
        return self._seats.keys()

    def keys(self) -> set[tuple[int, str]]:
        """Partition and key of whatever is queued or being handled."""
        in_hand = (seat.item for seat in self._seats.values() if seat.item is not None)
        items = ((item.assignment.partition, item.key) for item in (*self._direct, *in_hand))
        return {*items, *self._scheduler.keys()}

    def add(self, items: Iterable[Item]) -> None:
        """Queues items in the order in which they came."""
        self._direct.extend(items)
        if not self._scheduler.empty:
            self._sort_in()
        self._start()

    def _behind(self) -> Sequence[Item]:
        item = in_hand()
        if item is None:
            return ()
        number, key = item.assignment.partition, item.key
        direct = islice(self._direct, _LOOKED_THROUGH)
        came_later = (other for other in direct if other.key == key and other.assignment.partition == number)
        return (*self._scheduler.queued(number, key), *came_later)

    def _sort_in(self) -> None:
        """From now on it matters whose turn it is."""
        direct = self._direct
        while direct:
            item = direct.popleft()
            self._scheduler.add(item.assignment.partition, item.key, item)

    def _start(self) -> None:
        """Starts a worker if there is work and none is about to take it."""
        # In this order, because with every slot taken it ends at once.
        if len(self._seats) == self._waiting < self._most and self.queued and self.accepting and self.failed is None:
            task = asyncio.create_task(self._work())
            self._seats[task] = Seat(task)
            task.add_done_callback(self._ended)

    async def _work(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        seat = self._seats[task]
        seat.sit_down()
        with self._runner.limits.limit() as limit:
            await self._handle(seat, limit)

    async def _handle(self, seat: Seat, limit: Limit) -> None:
        handled, deliver, put = self._runner.handled, self._deliver, self._outbox.put
        self._watch(seat)
        in_a_row = 0
        while self.accepting and (item := self._next(seat)) is not None:
            seat.item = item
            try:
                # An outcome of a partition that was taken away meanwhile does not leave the outbox.
                put(await handled(item, item.assignment.table, deliver, limit))
            except _Abandoned:
                return
            finally:
                seat.item = None
                if seat.lane is not None:
                    self._scheduler.done(seat.lane)
                    seat.lane = None
                if seat.waiting:
                    seat.waiting = False
                    self._waiting -= 1
                    self._watch(seat)
                    in_a_row = 0
            in_a_row += 1
            if in_a_row == UNWAITED_IN_A_ROW:
                # Handlers that never wait must not keep everything else from its turn.
                in_a_row = 0
                await asyncio.sleep(0)
                self._watch(seat)

    def _next(self, seat: Seat) -> Item | None:
        if self._direct:
            return self._direct.popleft()
        taken = self._scheduler.take()
        if taken is None:
            return None
        seat.lane, item = taken
        return item

    def _watch(self, seat: Seat) -> None:
        # The loop comes to this call once the worker has let go of it: because it waits, or has nothing in hand.
        self._loop.call_soon(self._waits, seat)

    def _waits(self, seat: Seat) -> None:
        item = seat.item
        if item is None:
            return
        seat.waiting = True
        self._waiting += 1
        if seat.lane is None:
            seat.lane = self._scheduler.hold(item.assignment.partition, item.key)
            self._sort_in()
        self._start()

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._seats[task]
        if not task.cancelled() and task.exception() is not None and self.failed is None:
            self.failed = task.exception()
        self._start()

    def _deliver(self, finished: Finished) -> Awaitable[None]:
        """Takes an outcome whose effect runs once it is committed."""
        assignment = finished.item.assignment
        if not assignment.live:
            raise _Abandoned
        finished.waiter = self._loop.create_future()
        self._outbox.put(finished)
        if assignment.leaving:
            raise _Abandoned
        return self._committed(finished.waiter)

    async def _committed(self, waiter: asyncio.Future[None]) -> None:
        # Waiting for a commit does not count as busy: a rebalance would wait for itself.
        task = asyncio.current_task()
        assert task is not None
        seat = self._seats[task]
        seat.awaits_commit = True
        try:
            await waiter
        finally:
            seat.awaits_commit = False

    # Partitions that go, and the end

    def run_in(self, loop: asyncio.AbstractEventLoop) -> None:
        """Where workers run."""
        self._loop = loop

    def forget(self, gone: Assignment[S]) -> None:
        """Ends all work for a partition that was taken away; what is queued under its number goes too."""
        self._drop(gone.partition)
        for task, seat in list(self._seats.items()):
            if seat.assignment is gone:
                # Another process handles the record again; a pending effect is in the changelog.
                task.cancel()

    def _drop(self, partition: int) -> None:
        self._scheduler.forget(partition)
        self._direct = deque(item for item in self._direct if item.assignment.partition != partition)

    def give_up_waiting(self) -> None:
        """Ends what only waits and whose partition leaves."""
        for seat in self._seats.values():
            seat.give_up_waiting()

    async def cancel(self, partitions: set[int] | None = None) -> None:
        """Ends all workers, or those whose call is under way for one of these partitions."""
        tasks = [task for task, seat in self._seats.items() if partitions is None or seat.calls_for(partitions)]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=1.0)

    # What a rebalance asks, in the Kafka thread

    def leave(self, partitions: set[int]) -> None:
        """Starts nothing more of these partitions, and gives up what only waits; returns once that is so."""
        self._in_loop(self._leave(partitions))

    async def _leave(self, partitions: set[int]) -> None:
        for partition in partitions:
            self._drop(partition)
        self.give_up_waiting()

    def abandon(self, partitions: set[int]) -> None:
        """Ends the calls that are under way for these partitions; returns once that is so."""
        if self.busy(partitions):
            self._in_loop(self.cancel(partitions))

    def busy(self, partitions: set[int]) -> bool:
        """Whether a call is under way for one of these partitions."""
        return any(seat.calls_for(partitions) for seat in list(self._seats.values()))

    def _in_loop(self, step: Coroutine[Any, Any, None]) -> None:
        done = asyncio.run_coroutine_threadsafe(step, self._loop)
        # A handler that keeps the loop to itself must not keep the group waiting.
        deadline = time.monotonic() + self._patience_seconds
        while not done.done() and time.monotonic() < deadline:
            time.sleep(_LOOP_SECONDS)
