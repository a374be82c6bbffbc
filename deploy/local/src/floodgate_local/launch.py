"""Becomes a component's process: own session, enough open files, another user if asked, then exec.

Run as a file with the isolated interpreter, so it imports the standard library alone. The process id stays the
same over the exec, so that the supervisor knows the component's id the moment it starts this.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import resource
import sys
from collections.abc import Sequence
from typing import Final

WANTED_OPEN_FILES: Final = 65536

_PR_SET_SECUREBITS: Final = 28
_SECBIT_NO_SETUID_FIXUP: Final = 1 << 2
_PR_CAP_AMBIENT: Final = 47
_PR_CAP_AMBIENT_RAISE: Final = 2
_CAP_DAC_OVERRIDE: Final = 1
_CAPABILITY_VERSION_3: Final = 0x20080522
_EXIT_CANNOT_START: Final = 126


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapabilityData(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def main(arguments: Sequence[str]) -> int:
    """Set the process up as asked and become the command; return only when that fails."""
    parser = argparse.ArgumentParser(prog="launch")
    parser.add_argument("--cwd", required=True)
    parser.add_argument("--uid", type=int)
    parser.add_argument("--gid", type=int)
    parser.add_argument("--read-all", action="store_true")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(arguments)
    try:
        os.setsid()
        raise_open_files()
        os.chdir(options.cwd)
        if options.uid is not None and not _became(options.uid, options.gid, read_all=options.read_all):
            return _EXIT_CANNOT_START
        os.execv(options.command[0], options.command)  # noqa: S606 - becoming the command is the purpose
    except OSError as error:
        sys.stderr.write(f"cannot start {options.command[0]}: {error}\n")
    return _EXIT_CANNOT_START


def raise_open_files() -> int:
    """Raise the soft limit of open files as far as allowed and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_OPEN_FILES if hard == resource.RLIM_INFINITY else min(WANTED_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return soft


def _became(uid: int, gid: int, *, read_all: bool) -> bool:
    """Change user, or say why that is not allowed (a container may have taken root's right to)."""
    try:
        _become(uid, gid, read_all=read_all)
    except OSError as error:
        closed = " and keep its way into closed folders" if read_all else ""
        sys.stderr.write(f"cannot change user{closed}: {error.strerror}\n")
        return False
    return True


def _become(uid: int, gid: int, *, read_all: bool) -> None:
    """Change to an unprivileged user.

    With `read_all` the one capability is kept that lets it into folders which only root can traverse, as a
    root user's home is. Everything else is given up either way.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if read_all:
        # Capabilities then outlive the change of user, and count for access(2) too, which the JVM asks
        # whether a file exists; without this bit access(2) drops them for every user but root.
        _check(libc.prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP, 0, 0, 0))
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    if read_all:
        bit = 1 << _CAP_DAC_OVERRIDE
        header = _CapabilityHeader(_CAPABILITY_VERSION_3, 0)
        data = (_CapabilityData * 2)(_CapabilityData(bit, bit, bit), _CapabilityData(0, 0, 0))
        _check(libc.capset(ctypes.byref(header), ctypes.byref(data)))
        raised = libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0)
        _check(raised)


def _check(result: int) -> None:
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
