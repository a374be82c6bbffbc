"""Keeps the pipeline running: ticks once a second, watches how far it is, and exits when it stands still."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

from floodgate.events.times import now_ms
from floodgate.telemetry import get_logger
from keyflow import RetryableError
from keyflow.lag import Lag
from keyflow.status import Status

from pulse.domain.log import Tick
from pulse.domain.progress import Place, Progress, Stand
from pulse.handlers import whole

log = get_logger(__name__)

_TICK_SECONDS: Final = 1.0
_ASK_SECONDS: Final = 10.0
STALLED: Final = 70
"""Exit code of a process that stood still."""


class Pipeline(Protocol):
    """What is kept running; `FaustPipeline` is one."""

    inputs: Progress
    counts: Progress

    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def failed(self) -> None: ...
    async def tick(self, value: bytes) -> None: ...
    async def position(self, place: Place) -> int: ...
    def assignment(self) -> set[Place]: ...
    def given(self, place: Place) -> int | None: ...
    @property
    def recovering(self) -> bool: ...


class PipelineTask:
    """The background task of the service.

    Args:
        pipeline: What is kept running.
        ends: Where partitions end.
        counts: The topic of the counts, whose reader is the fold.
        status: Told how far it is, for /healthz and /metrics.
        exit_process: Ends the process at once: a consumer that stands still cannot be stopped in an orderly way.
    """

    name = "pulse"

    def __init__(
        self,
        pipeline: Pipeline,
        ends: Callable[[Iterable[Place]], dict[Place, int]],
        *,
        counts: str,
        instance: str,
        status: Status,
        stall_seconds: float,
        recovery_seconds: float,
        exit_process: Callable[[int], Any] = os._exit,
    ) -> None:
        self._pipeline = pipeline
        self._ends = ends
        self._counts = counts
        self._instance = instance
        self._status = status
        self._stall_seconds = stall_seconds
        self._recovery_seconds = recovery_seconds
        self._exit = exit_process
        self._beat = time.monotonic()
        self._well_at = time.monotonic()

    async def run(self, stop: asyncio.Event) -> None:
        """Runs until `stop` is set.

        Raises:
            FatalError: Faust stopped by itself.
        """
        done = threading.Event()
        # A thread, because a loop that is blocked cannot watch itself.
        threading.Thread(target=self._watch, args=(done,), name="pulse-watch", daemon=True).start()
        tasks: list[asyncio.Task[Any]] = []
        try:
            await self._pipeline.start()
            tasks = [asyncio.create_task(each) for each in (stop.wait(), self._pipeline.failed(), self._tick_on())]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks[1:]:
                if task.done():
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._pipeline.stop()
            done.set()

    async def _tick_on(self) -> None:
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            await self._look()
            self._beat = time.monotonic()
            if self._pipeline.recovering or not self._pipeline.assignment():
                continue
            now = now_ms()
            tick = Tick(instance=self._instance, now_ms=now, watermark_ms=self._pipeline.inputs.watermark_ms(now))
            await self._pipeline.tick(whole(tick))

    async def _look(self) -> None:
        """How far everything is; what Kafka does not say now leaves things as they were."""
        places = self._pipeline.assignment()
        try:
            ends = await asyncio.to_thread(self._ends, places)
            stands = {
                place: Stand(
                    ends.get(place, 0),
                    await asyncio.wait_for(self._pipeline.position(place), _ASK_SECONDS),
                    self._pipeline.given(place),
                )
                for place in places
            }
        except (RetryableError, TimeoutError) as error:
            log.warning("pulse.look_failed", reason=str(error) or type(error).__name__)
            return
        now = time.monotonic()
        self._pipeline.inputs.watched({at: stand for at, stand in stands.items() if at[0] != self._counts}, now)
        self._pipeline.counts.watched({at: stand for at, stand in stands.items() if at[0] == self._counts}, now)
        self._tell()
        if places and not self._pipeline.recovering and self._stood_still(now) < _TICK_SECONDS * 3:
            self._well_at = now

    def _stood_still(self, now: float) -> float:
        return max(self._pipeline.inputs.stalled_seconds(now), self._pipeline.counts.stalled_seconds(now))

    def _tell(self) -> None:
        lag: dict[str, int] = {}
        for progress in (self._pipeline.inputs, self._pipeline.counts):
            lag |= {topic: 0 for topic, _ in progress.stands if topic not in lag}
            for (topic, _), offsets in progress.lag().items():
                lag[topic] += offsets
        behind_ms = now_ms() - self._pipeline.inputs.watermark_ms(now_ms())
        taken = sum(sum(progress.taken.values()) for progress in (self._pipeline.inputs, self._pipeline.counts))
        if taken != self._taken:
            self._taken = taken
            self._status.committed(0.0)
        self._status.assigned = len(self._pipeline.assignment())
        self._status.watched(Lag(lag, max(0.0, behind_ms / 1000)))

    _taken = -1

    def _watch(self, done: threading.Event) -> None:
        while not done.wait(1.0):
            now = time.monotonic()
            patience = self._recovery_seconds if self._pipeline.recovering else self._stall_seconds
            for what, since in (("the event loop", self._beat), ("reading", self._well_at)):
                if now - since > patience:
                    log.error("pulse.stalled", what=what, seconds=round(now - since))
                    self._exit(STALLED)
                    return
