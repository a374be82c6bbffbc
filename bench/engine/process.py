"""A contender's process: started, watched from outside, stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import psutil

_STOP_SECONDS: Final = 8.0
_TAIL_LINES: Final = 400


class ContenderError(Exception):
    """A contender could not be built, did not start, or ended; the text is the reason in its row."""


@dataclass(frozen=True)
class Usage:
    """What a process and its children used so far."""

    cpu_seconds: float
    peak_rss_mb: float


class Contender:
    """A running contender."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        self._log = folder / "log"
        self._peak = 0.0
        self._family: tuple[float, list[psutil.Process]] = (0.0, [])
        self._began: tuple[float, Usage] | None = None
        self.said: list[dict[str, Any]] = []
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603  # our own commands
                command,
                env=dict(environment),
                cwd=folder,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def __enter__(self) -> Contender:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with suppress(ValueError):
                said = json.loads(line)
                if "began" in said:
                    self._began = said["began"], self.usage()
                self.said.append(said)

    def wait_began(self, timeout_seconds: float) -> tuple[float, Usage]:
        """When the first record reached its handler, and what had been used until then.

        Raises:
            ContenderError: It ended or never began.
        """
        deadline = time.monotonic() + timeout_seconds
        while self._began is None:
            self.check()
            if time.monotonic() > deadline:
                raise ContenderError(f"handled nothing within {timeout_seconds:.0f} s: {self.last_line()}")
            time.sleep(0.005)
        return self._began

    def check(self) -> None:
        """Notices a contender that ended by itself.

        Raises:
            ContenderError: It did.
        """
        if self._process.poll() is not None:
            self._listener.join(1)
            raise ContenderError(f"ended with code {self._process.returncode}: {self.last_line()}")

    def usage(self) -> Usage:
        """CPU time and most memory of the process with its children."""
        cpu = rss = 0.0
        for member in self._members():
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                times = member.cpu_times()
                cpu += times.user + times.system + times.children_user + times.children_system
                rss += peak_mb(member)
        self._peak = max(self._peak, rss)
        return Usage(cpu, self._peak)

    def _members(self) -> list[psutil.Process]:
        """The process and its children, looked up once a second: that goes through all processes there are."""
        looked_up, members = self._family
        if time.monotonic() - looked_up > 1:
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(self._process.pid)
                members = [process, *process.children(recursive=True)]
                self._family = time.monotonic(), members
        return members

    def last_line(self) -> str:
        """The last that it wrote to its log, for a reason in one line."""
        lines = [line.strip() for line in self._log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]]
        return next((line[:200] for line in reversed(lines) if line), "it said nothing")

    def stop(self) -> None:
        """Asks it to end; after a grace ends it with all its children."""
        if self._process.poll() is None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_SECONDS)
        with suppress(ProcessLookupError, PermissionError):
            # It leads a group of its own.
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._listener.join(1)


def peak_mb(process: psutil.Process) -> float:
    """The kernel's own high-water mark where it keeps one; what getrusage says a process inherits from its parent."""
    with suppress(OSError, StopIteration):
        lines = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) / 1024
    return float(process.memory_info().rss) / 1e6
