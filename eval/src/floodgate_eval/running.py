"""Many rows side by side, with progress on standard error; what was answered counts even when money ran out."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from floodgate.bedrock import BudgetExceededError

T = TypeVar("T")
R = TypeVar("R")

INTERRUPTED: Final = "interrupted"
"""Why a run stopped that somebody ended with Ctrl-C."""

_EVERY_SECONDS: Final = 5.0
_EVERY_SECONDS_ON_A_TERMINAL: Final = 0.3


@dataclass(slots=True)
class Run(Generic[T, R]):
    """What came of the rows, in their order.

    Attributes:
        done: Pairs of row and result.
        stopped: Why not every row was handled; empty when all were.
    """

    done: list[tuple[T, R]] = field(default_factory=list)
    seconds: float = 0.0
    stopped: str = ""


async def run_rows(
    rows: Sequence[T],
    handle: Callable[[T], Awaitable[R]],
    *,
    concurrency: int,
    progress: Progress,
    keep_interrupted: bool = False,
) -> Run[T, R]:
    """Handle every row, at most `concurrency` at a time; the first error ends the run, a spent budget keeps its rows.

    Args:
        rows: What is handled.
        handle: Handles one.
        concurrency: How many at a time.
        progress: Told of every row.
        keep_interrupted: Ctrl-C keeps the rows that are done, too.

    Raises:
        FatalError: Credentials, access or the model do not allow the calls.
    """
    results: dict[int, R] = {}
    positions = iter(range(len(rows)))
    run: Run[T, R] = Run()
    started = time.monotonic()

    async def work() -> None:
        for position in positions:
            if run.stopped:
                return
            try:
                results[position] = await handle(rows[position])
            except BudgetExceededError as error:
                run.stopped = str(error)
                return
            progress.step()

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(concurrency, max(len(rows), 1))):
                group.create_task(work())
    except BaseExceptionGroup as failed:
        # Every worker may have met the same; one clear line is enough.
        raise failed.exceptions[0] from None
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if not keep_interrupted or task is None:
            raise
        task.uncancel()
        run.stopped = INTERRUPTED
    run.seconds = time.monotonic() - started
    run.done = [(rows[position], results[position]) for position in sorted(results)]
    progress.end()
    return run


class Progress:
    """One line that grows, on standard error: rewritten on a terminal, now and then elsewhere."""

    def __init__(self, what: str, total: int, *, quiet: bool = False, unit: str = "rows") -> None:
        self._what, self._total, self._quiet, self._unit = what, total, quiet, unit
        self._done = 0
        self._started = time.monotonic()
        self._shown = self._started
        self._rewrites = sys.stderr.isatty()

    def step(self) -> None:
        """One more row is done."""
        self._done += 1
        every = _EVERY_SECONDS_ON_A_TERMINAL if self._rewrites else _EVERY_SECONDS
        if time.monotonic() - self._shown >= every:
            self._show("\r" if self._rewrites else "", "" if self._rewrites else "\n")

    def end(self) -> None:
        """The last line."""
        self._show("\r" if self._rewrites else "", "\n")

    def _show(self, start: str, end: str) -> None:
        if self._quiet:
            return
        self._shown = time.monotonic()
        seconds = max(self._shown - self._started, 1e-6)
        rate = self._done / seconds
        sys.stderr.write(f"{start}{self._what}: {self._done}/{self._total} {self._unit}, {rate:.0f}/s{end}")
        sys.stderr.flush()
