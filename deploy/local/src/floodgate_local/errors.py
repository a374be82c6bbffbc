"""What can go wrong with the local stack, each as one line that names the place and the remedy."""

from __future__ import annotations

import errno
from pathlib import Path


class StackError(Exception):
    """A failure of the local stack that the operator can act on.

    Args:
        problem: What is wrong and where.
        remedy: What to do about it.
        log_tail: The last lines of the failed component's log, shown below the line.
    """

    def __init__(self, problem: str, remedy: str, log_tail: str = "") -> None:
        super().__init__(f"{problem} → {remedy}")
        self.problem = problem
        self.remedy = remedy
        self.log_tail = log_tail


class NetworkError(StackError):
    """The JVM parts cannot be fetched: no network, a name that does not resolve, a refused connection."""


class BrokenDownloadError(StackError):
    """A download ended early or does not have the hash of the lock."""


class DiskError(StackError):
    """The disk is full, read-only or not writable for this user."""


class PortTakenError(StackError):
    """Something else listens on the port of a component."""


class PlatformError(StackError):
    """The machine is of a kind for which there is no Java runtime or no way to start a component."""


class LimitError(StackError):
    """A limit of this process (open files) is too low for the stack."""


class LockfileError(StackError):
    """The lock of the JVM parts is missing, unreadable or does not fit the declared parts."""


class ComponentFailedError(StackError):
    """A component died or did not become ready in time."""


def explain_os_error(error: OSError, place: Path) -> StackError:
    """Translate an operating-system error at a place on disk into one line with its remedy."""
    where = Path(error.filename) if isinstance(error.filename, str) else place
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskError(
            f"The disk that holds {place} is full",
            "free some space there, or point FLOODGATE_CACHE and FLOODGATE_STATE at a larger disk; "
            "nothing was left half-installed",
        )
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return LimitError("Too many open files for this process", "run `ulimit -n 65536` and start again")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return DiskError(
            f"{where} is not writable ({error.strerror})",
            "make it writable, or point FLOODGATE_CACHE and FLOODGATE_STATE somewhere else",
        )
    return DiskError(f"{where}: {error.strerror or error}", "check the disk, then run the command again")
