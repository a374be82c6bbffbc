"""Answers that are dear are kept for a while: the dearer, the longer. Many open pages ask once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_TIMES_ITS_COST: Final = 5.0
_AT_MOST_SECONDS: Final = 30.0
_DEAR_SECONDS: Final = 0.1
_SHOWN_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class _Kept(Generic[T]):
    answer: T
    at: float
    cost: float

    @property
    def fresh_seconds(self) -> float:
        """For how long it is as good as a new one."""
        return min(_AT_MOST_SECONDS, _TIMES_ITS_COST * self.cost)

    @property
    def shown_seconds(self) -> float:
        """For how long it is shown while a new one is made."""
        return _SHOWN_SECONDS if self.cost >= _DEAR_SECONDS else self.fresh_seconds


class Keeping(Generic[T]):
    """Keeps an answer for five times as long as it took, half a minute at most, and renews it beside who asks.

    What took a tenth of a second or more is shown up to a minute old while a new answer is made. So whoever looks on
    waits only for the first one, what is cheap is as good as live, and OpenSearch spends at most a fifth of its time
    on one question however many ask it.

    Args:
        now: Monotonic clock, seconds.

    Attributes:
        renewed: How often an answer that was shown turned out to be another one: pages that show it ask again then.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._kept: dict[Hashable, _Kept[T]] = {}
        self._asking: dict[Hashable, asyncio.Task[T]] = {}
        self.renewed = 0

    async def get(self, name: Hashable, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer of this name: a kept one, or what `ask` says now.

        Raises:
            KeyflowError: Whatever `ask` raises, when nothing is kept.
        """
        kept = self._kept.get(name)
        age = 0.0 if kept is None else self._now() - kept.at
        if kept is not None and age < kept.shown_seconds:
            if age > kept.fresh_seconds / 2:
                self._task(name, ask).add_done_callback(_seen)
            return kept.answer
        return await asyncio.shield(self._task(name, ask))

    def _task(self, name: Hashable, ask: Callable[[], Awaitable[T]]) -> asyncio.Task[T]:
        task = self._asking.get(name)
        if task is None or task.done():
            task = self._asking[name] = asyncio.create_task(self._asked(name, ask))
        return task

    async def _asked(self, name: Hashable, ask: Callable[[], Awaitable[T]]) -> T:
        began = self._now()
        answer = await ask()
        ended, before = self._now(), self._kept.get(name)
        if before is not None and before.answer != answer and ended - before.at < before.shown_seconds:
            self.renewed += 1
        self._kept[name] = _Kept(answer, ended, ended - began)
        return answer


def _seen(task: asyncio.Task[T]) -> None:
    """A renewal that failed is no one's error: who asks next asks anew."""
    if not task.cancelled():
        task.exception()
