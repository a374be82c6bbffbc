"""Starting, recognising and stopping the components' processes."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import psutil

_LAUNCHER: Final = Path(__file__).with_name("launch.py")
_POLL_SECONDS: Final = 0.05
_KILL_WAIT_SECONDS: Final = 10.0

# Set for the components alone, so that a process whose record was never written can still be found.
MARKER: Final = "FLOODGATE_STACK_COMPONENT"


@dataclass(frozen=True)
class ProcessRecord:
    """A started process, with what tells it from a later one of the same id."""

    pid: int
    started: str
    started_at: float

    def write(self, path: Path) -> None:
        """Write the record so that a reader sees all of it or nothing."""
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps(asdict(self)), encoding="utf-8")
        temporary.replace(path)

    @classmethod
    def read(cls, path: Path) -> ProcessRecord | None:
        """The record at a path; none where there is none or it is not readable as one."""
        try:
            row = json.loads(path.read_text(encoding="utf-8"))
            return cls(int(row["pid"]), str(row["started"]), float(row["started_at"]))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None


@dataclass(frozen=True)
class RunAs:
    """The user that a process changes to, and whether it keeps root's way into closed folders."""

    uid: int
    gid: int
    read_all: bool


def spawn(
    command: Sequence[str], *, cwd: Path, environment: Mapping[str, str], log: Path, run_as: RunAs | None
) -> ProcessRecord:
    """Start a command in its own session, its output appended to the log.

    Raises:
        OSError: The process or its log cannot be created.
    """
    launcher = [sys.executable, "-I", "-S", str(_LAUNCHER), "--cwd", str(cwd)]
    if run_as is not None:
        launcher += ["--uid", str(run_as.uid), "--gid", str(run_as.gid)]
        launcher += ["--read-all"] if run_as.read_all else []
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    pid = os.posix_spawn(
        sys.executable,
        [*launcher, "--", *command],
        dict(environment),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), append, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
    )
    return ProcessRecord(pid=pid, started=_start_mark(pid) or "", started_at=time.time())


def is_alive(record: ProcessRecord) -> bool:
    """Whether this very process still runs (a zombie and a recycled id do not count)."""
    # A child of this process stays a zombie until somebody asks for its end.
    with suppress(ChildProcessError):
        os.waitpid(record.pid, os.WNOHANG)
    try:
        process = psutil.Process(record.pid)
        if _start_mark(record.pid) != record.started:
            return False
        return process.status() != psutil.STATUS_ZOMBIE or _has_other_threads(record.pid)
    except psutil.NoSuchProcess:
        return False


def _has_other_threads(pid: int) -> bool:
    """Whether threads outlive their first one, as a JVM's do for a moment: its ports are not free until then."""
    try:
        return len(list(Path(f"/proc/{pid}/task").iterdir())) > 1
    except OSError:
        return False


def stop(record: ProcessRecord, *, grace_seconds: float) -> None:
    """Ask the process to end; after the grace, end it and its process group."""
    if not is_alive(record):
        return
    with suppress(ProcessLookupError):
        os.kill(record.pid, signal.SIGTERM)
    if not wait_gone(record, grace_seconds):
        kill(record)


def kill(record: ProcessRecord) -> None:
    """End the process and its process group at once."""
    if not is_alive(record):
        return
    with suppress(ProcessLookupError):
        # The launcher made the process the leader of its own group, unless it has not come that far.
        if os.getpgid(record.pid) == record.pid:
            os.killpg(record.pid, signal.SIGKILL)
        else:
            os.kill(record.pid, signal.SIGKILL)
    wait_gone(record, _KILL_WAIT_SECONDS)


def wait_gone(record: ProcessRecord, timeout_seconds: float) -> bool:
    """Wait for the end of the process; false when it still runs at the deadline."""
    deadline = time.monotonic() + timeout_seconds
    while is_alive(record):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def rss_bytes(record: ProcessRecord) -> int:
    """Resident memory of the process and its children; zero when it does not run."""
    if not is_alive(record):
        return 0
    total = 0
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(record.pid)
        for member in [process, *process.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                total += member.memory_info().rss
    return total


def find_marked(state_dir: Path) -> list[tuple[str, ProcessRecord]]:
    """Component name and process of all that was started from this state folder, on record or not."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            folder, _, name = process.environ().get(MARKER, "").rpartition("|")
            mark = _start_mark(process.pid)
            if folder == str(state_dir) and mark is not None:
                found.append((name, ProcessRecord(process.pid, mark, process.create_time())))
    return found


def _start_mark(pid: int) -> str | None:
    """What is the same for one process only: its start, in the kernel's own ticks where there are any."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        # Field 22; the command in field 2 may hold spaces and parentheses.
        return f"{boot}:{stat.rpartition(')')[2].split()[19]}"
    except OSError:
        pass
    try:
        return f"{psutil.Process(pid).create_time():.2f}"
    except psutil.NoSuchProcess:
        return None
