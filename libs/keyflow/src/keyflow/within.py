"""Time limits that cost next to nothing: one timer for all that runs at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, Final, TypeVar

T = TypeVar("T")

_EXPIRED: Final = -1.0


class TimeLimits:
    """Limits how long tasks wait for something, like `asyncio.timeout`, but with one timer for all of them.

    A task is under one limit of these at a time.
    """

    def __init__(self) -> None:
        self._until: dict[asyncio.Task[Any], float] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def within(self, seconds: float, awaited: Awaitable[T]) -> T:
        """Awaits it in the current task.

        Raises:
            TimeoutError: It took longer; it was cancelled.
        """
        task = asyncio.current_task()
        assert task is not None
        until = asyncio.get_running_loop().time() + seconds
        self._until[task] = until
        if self._timer is None or until < self._timer.when():
            self._arm(until)
        try:
            return await awaited
        except asyncio.CancelledError as error:
            # More than one request to cancel: somebody else wants this task to end as well.
            if self._until[task] == _EXPIRED and task.cancelling() == 1:
                raise TimeoutError from error
            raise
        finally:
            if self._until.pop(task) == _EXPIRED:
                task.uncancel()

    def _arm(self, until: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(until, self._expire)

    def _expire(self) -> None:
        assert self._timer is not None
        now, self._timer = self._timer.when(), None
        for task, until in self._until.items():
            if 0 <= until <= now:
                self._until[task] = _EXPIRED
                task.cancel()
        left = [until for until in self._until.values() if until != _EXPIRED]
        if left:
            self._arm(min(left))
