"""Waits that end at once when their partition is taken away, or the process stops.

A record between two attempts, or in the queue for a rate slot, is begun again elsewhere as well as here: nobody waits
for it. A call that is under way is given its time.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Final

from keyflow.scheduler import Lane
from keyflow.work import Assignment, Item

_SEAT: Final[ContextVar[Seat | None]] = ContextVar("keyflow_seat", default=None)


class Seat:
    """One worker: what it has in hand, and whether it only waits.

    Attributes:
        item: What is in hand; None between two of them.
        lane: Its place in the order of keys; None when it did not have to queue.
        waiting: It has let go of the event loop with the item in hand.
        waits: How many waits that may be given up it is in.
        awaits_commit: Its outcome is in the outbox, and its effect is still to run.
    """

    __slots__ = ("awaits_commit", "item", "lane", "task", "waiting", "waits")

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self.task = task
        self.item: Item | None = None
        self.lane: Lane[Item] | None = None
        self.waiting = False
        self.waits = 0
        self.awaits_commit = False

    def sit_down(self) -> None:
        """To be called in the worker's task: its waits are this seat's."""
        _SEAT.set(self)

    @property
    def assignment(self) -> Assignment[Any] | None:
        """Where the item in hand comes from."""
        item = self.item
        return None if item is None else item.assignment

    def calls_for(self, partitions: set[int]) -> bool:
        """Whether a call is under way for one of these partitions."""
        assignment = self.assignment
        return assignment is not None and assignment.partition in partitions and not self.awaits_commit

    def give_up_waiting(self) -> None:
        """Abandons the record if its partition leaves and nothing is under way for it."""
        assignment = self.assignment
        if assignment is None:
            return
        # A stop runs the effects that it commits; before a rebalance they are left to the next owner.
        if (assignment.closing and self.waits) or (assignment.leaving and self.awaits_commit):
            self.task.cancel()


def in_hand() -> Item | None:
    """What the worker has in hand in whose task, or in a task of whose handler, this is called."""
    seat = _SEAT.get()
    return None if seat is None else seat.item


class resting:
    """Context manager around a wait that a stop or a rebalance may give up: the record is read again.

    For back-offs and rate limits, in the engine and in handlers; outside of a worker it does nothing.
    """

    def __enter__(self) -> None:
        self._seat = _SEAT.get()
        if self._seat is not None:
            self._seat.waits += 1
            if self._seat.assignment is not None and self._seat.assignment.closing:
                # In a moment: what need not wait after all goes on.
                asyncio.get_running_loop().call_soon(self._seat.give_up_waiting)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._seat is not None:
            self._seat.waits -= 1
