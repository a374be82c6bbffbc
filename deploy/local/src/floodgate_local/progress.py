"""How the stack tells what it is doing: a live view on a terminal, plain lines elsewhere, or nothing."""

from __future__ import annotations

import threading
import time
from contextlib import AbstractContextManager, nullcontext
from typing import Final, Protocol, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TransferSpeedColumn,
)

_PLAIN_INTERVAL_SECONDS: Final = 5.0


class StackProgress(Protocol):
    """What is told while parts are fetched and components start. Calls may come from several threads."""

    def live(self) -> AbstractContextManager[object]:
        """The frame in which the other methods are called."""
        ...

    def fetched(self, component: str, done_bytes: int, total_bytes: int) -> None:
        """So much of a component's files has arrived."""
        ...

    def starting(self, component: str) -> None:
        """The component's process was started."""
        ...

    def ready(self, component: str, seconds: float) -> None:
        """The component answered over its own protocol."""
        ...

    def note(self, text: str) -> None:
        """Anything else worth one line."""
        ...


class SilentProgress:
    """Tells nothing."""

    def live(self) -> AbstractContextManager[object]:
        """See `StackProgress`."""
        return nullcontext()

    def fetched(self, component: str, done_bytes: int, total_bytes: int) -> None:
        """See `StackProgress`."""

    def starting(self, component: str) -> None:
        """See `StackProgress`."""

    def ready(self, component: str, seconds: float) -> None:
        """See `StackProgress`."""

    def note(self, text: str) -> None:
        """See `StackProgress`."""


class PlainProgress:
    """One line per event; of a download, one line every few seconds."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._told_at: dict[str, float] = {}
        self._told: dict[str, str] = {}

    def live(self) -> AbstractContextManager[object]:
        """See `StackProgress`."""
        return nullcontext()

    def fetched(self, component: str, done_bytes: int, total_bytes: int) -> None:
        """See `StackProgress`."""
        now = time.monotonic()
        with self._lock:
            complete = done_bytes >= total_bytes
            if not complete and now - self._told_at.get(component, 0.0) < _PLAIN_INTERVAL_SECONDS:
                return
            self._told_at[component] = now
            text = f"{component} fetched {done_bytes / 1e6:.0f} of {total_bytes / 1e6:.0f} MB"
            # The last file's end rounds to what was told a moment before.
            if text != self._told.get(component):
                self._told[component] = text
                self._line(text)

    def starting(self, component: str) -> None:
        """See `StackProgress`."""
        self.note(f"{component} starting")

    def ready(self, component: str, seconds: float) -> None:
        """See `StackProgress`."""
        self.note(f"{component} ready {seconds:.1f} s")

    def note(self, text: str) -> None:
        """See `StackProgress`."""
        with self._lock:
            self._line(text)

    def _line(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()


class TerminalProgress:
    """Bars while fetching, a spinner per component while starting, and a line for each that is ready."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lock = threading.Lock()
        self._tasks: dict[str, TaskID] = {}
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description:<14}"),
            BarColumn(bar_width=28),
            DownloadColumn(),
            TransferSpeedColumn(),
            console=console,
            transient=True,
        )

    def live(self) -> AbstractContextManager[object]:
        """See `StackProgress`."""
        return self._progress

    def fetched(self, component: str, done_bytes: int, total_bytes: int) -> None:
        """See `StackProgress`."""
        with self._lock:
            task = self._task(component)
            self._progress.update(task, completed=done_bytes, total=total_bytes)
            if done_bytes >= total_bytes:
                self._forget(component)
                self._progress.console.print(f"  {component} fetched ({total_bytes / 1e6:.0f} MB)")

    def starting(self, component: str) -> None:
        """See `StackProgress`."""
        with self._lock:
            self._task(component)

    def ready(self, component: str, seconds: float) -> None:
        """See `StackProgress`."""
        with self._lock:
            self._forget(component)
        self._progress.console.print(f"  [green]✓[/green] {component} ready {seconds:.1f} s")

    def note(self, text: str) -> None:
        """See `StackProgress`."""
        self._progress.console.print(f"  {text}", highlight=False)

    def _task(self, component: str) -> TaskID:
        if component not in self._tasks:
            self._tasks[component] = self._progress.add_task(component, total=None)
        return self._tasks[component]

    def _forget(self, component: str) -> None:
        task = self._tasks.pop(component, None)
        if task is not None:
            self._progress.remove_task(task)


def progress_for(stream: TextIO) -> StackProgress:
    """The live view for a terminal, plain lines for anything else."""
    console = Console(file=stream)
    return TerminalProgress(console) if console.is_terminal else PlainProgress(stream)
