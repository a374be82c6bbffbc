"""Sends many letters back at a steady rate; the ledger knows what went, so that a job may simply be repeated."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from floodgate.deadletters import Redriven
from floodgate.events import DeadLetter
from floodgate.telemetry import get_logger
from floodgate.waiting import until_stopped
from keyflow.errors import KeyflowError

log = get_logger(__name__)

_CHUNK_SECONDS: Final = 2.0
_REMEMBERED: Final = 20


class Sender(Protocol):
    """Who sends letters back."""

    def letters(self, wanted: Sequence[str]) -> list[DeadLetter]: ...

    def redrive(
        self, letters: Sequence[DeadLetter], *, actor: str, reason: str, corrected: bytes | None = None
    ) -> Redriven: ...


@dataclass(slots=True)
class Job:
    """One order to send letters back.

    Attributes:
        sent: How many went back.
        kept: How many stayed, because they went before or cannot go.
        why_kept: The first reason.
    """

    number: int
    letter_ids: Sequence[str]
    service: str
    actor: str
    reason: str
    sent: int = 0
    kept: int = 0
    why_kept: str = ""
    state: str = "waits"
    problem: str = ""

    @property
    def total(self) -> int:
        """How many letters it is about."""
        return len(self.letter_ids)


class RedriveJobs:
    """A background task of the service: one job after the other.

    Args:
        sender: Sends.
        per_second: At most so many letters.
        pause: Waits; a test passes its own.
    """

    name = "redrive"

    def __init__(self, sender: Sender, per_second: int, *, pause: Callable[[float], object] | None = None) -> None:
        self._sender = sender
        self._per_second = per_second
        self._pause = pause
        self._numbers = itertools.count(1)
        self._waiting: asyncio.Queue[Job] = asyncio.Queue()
        self.known: deque[Job] = deque(maxlen=_REMEMBERED)

    def order(self, letter_ids: Sequence[str], service: str, actor: str, reason: str) -> Job:
        """Takes a job; it begins when those before it are done."""
        job = Job(next(self._numbers), tuple(dict.fromkeys(letter_ids)), service, actor, reason)
        self.known.appendleft(job)
        self._waiting.put_nowait(job)
        return job

    async def run(self, stop: asyncio.Event) -> None:
        """Works until `stop` is set; a job is left between two chunks."""
        while not stop.is_set():
            try:
                job = await asyncio.wait_for(self._waiting.get(), 0.5)
            except TimeoutError:
                continue
            await self.work(job, stop)

    async def work(self, job: Job, stop: asyncio.Event) -> None:
        """One job to its end."""
        job.state = "runs"
        try:
            letters = await asyncio.to_thread(self._sender.letters, job.letter_ids)
            size = max(1, round(self._per_second * _CHUNK_SECONDS))
            for first in range(0, len(letters), size):
                if stop.is_set():
                    job.state = "stopped"
                    return
                await self._chunk(job, letters[first : first + size])
                if first + size < len(letters):
                    await self._wait(stop, min(size, len(letters) - first) / self._per_second)
            job.state = "done"
        except KeyflowError as error:
            job.state, job.problem = "failed", str(error)
            log.warning("console.redrive_failed", sent=job.sent, total=job.total, error=str(error))

    async def _chunk(self, job: Job, letters: Sequence[DeadLetter]) -> None:
        result = await asyncio.to_thread(lambda: self._sender.redrive(letters, actor=job.actor, reason=job.reason))
        job.sent += len(result.sent)
        job.kept += len(result.kept)
        if result.kept and not job.why_kept:
            job.why_kept = result.kept[0].refusal

    async def _wait(self, stop: asyncio.Event, seconds: float) -> None:
        if self._pause is not None:
            self._pause(seconds)
            return
        await until_stopped(stop, seconds)
