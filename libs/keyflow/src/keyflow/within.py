"""Time limits that cost next to nothing: one timer for all tasks, armed as rarely as can be."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from math import inf
from typing import Any, TypeVar

T = TypeVar("T")


class Limit:
    """One task, and until when it may wait for what it is at."""

    __slots__ = ("expired", "task", "until")

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self.task = task
        self.until = inf
        self.expired = False


class TimeLimits:
    """Limits how long tasks wait for something, as `asyncio.timeout` does, but with one timer for all of them.

    Args:
        monotonic: In seconds.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._limits: set[Limit] = set()
        self._timer: asyncio.TimerHandle | None = None
        # Next to no limit ends before one that began earlier, so that the timer is seldom set anew.
        self._due = inf

    @contextmanager
    def limit(self) -> Iterator[Limit]:
        """The limit of the current task, whatever it comes to wait for."""
        task = asyncio.current_task()
        assert task is not None
        limit = Limit(task)
        self._limits.add(limit)
        try:
            yield limit
        finally:
            self._limits.remove(limit)

    async def within(self, limit: Limit, until: float, awaited: Awaitable[T]) -> T:
        """Awaits it in the limit's task.

        Raises:
            TimeoutError: It took longer; it was cancelled.
        """
        limit.until = until
        if until < self._due:
            self._arm(until)
        try:
            return await awaited
        except asyncio.CancelledError as error:
            # More than one request to cancel: somebody else wants this task to end as well.
            if limit.expired and limit.task.cancelling() == 1:
                raise TimeoutError from error
            raise
        finally:
            limit.until = inf
            if limit.expired:
                limit.expired = False
                limit.task.uncancel()

    def _arm(self, until: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._due = until
        self._timer = asyncio.get_running_loop().call_later(until - self._monotonic(), self._expire)

    def _expire(self) -> None:
        now = self._monotonic()
        for limit in self._limits:
            if limit.until <= now:
                limit.until = inf
                limit.expired = True
                limit.task.cancel()
        self._timer, self._due = None, inf
        next_due = min((limit.until for limit in self._limits), default=inf)
        if next_due < inf:
            self._arm(next_due)
