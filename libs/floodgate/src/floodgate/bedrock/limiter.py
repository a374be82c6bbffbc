"""The limit on calls in flight. An adaptive one can take the place of the fixed one through this port."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Observation:
    """How a call that had a slot ended; what an adaptive limit learns from.

    `tokens` is what the call used of the quota; cache reads do not count toward it.
    """

    throttled: bool
    failed: bool
    latency_seconds: float
    tokens: int


class Limiter(Protocol):
    """Hands out slots for calls."""

    async def acquire(self, tokens: int) -> None:
        """Wait until a call that reserves `tokens` of the quota may start."""
        ...

    def release(self, observation: Observation) -> None:
        """Give the slot back, once per `acquire`."""
        ...


class FixedLimiter:
    """At most `max_in_flight` calls at a time."""

    def __init__(self, max_in_flight: int) -> None:
        self._slots = asyncio.Semaphore(max_in_flight)

    async def acquire(self, tokens: int) -> None:
        await self._slots.acquire()

    def release(self, observation: Observation) -> None:
        self._slots.release()
