"""Under which user a component runs that refuses to run as root."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from floodgate_local.process import RunAs

_UNPRIVILEGED_USER: Final = "nobody"
_UNPRIVILEGED_ID: Final = 65534


def run_as_for(data: Path, reads: Iterable[Path]) -> RunAs | None:
    """The user for a component that refuses root, which is made the owner of its data; none unless we are root.

    Args:
        data: The component's own folder.
        reads: What the process must be able to reach (its home, the Java runtime).
    """
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(_UNPRIVILEGED_USER)
        uid, gid = entry.pw_uid, entry.pw_gid
    except KeyError:
        uid = gid = _UNPRIVILEGED_ID
    _give(data, uid, gid)
    reachable = all(can_reach(path, uid, gid) for path in (data, *reads))
    return RunAs(uid=uid, gid=gid, read_all=not reachable)


def can_reach(path: Path, uid: int, gid: int) -> bool:
    """Whether a user may traverse every folder above a path and read what lies there."""
    resolved = path.resolve()
    return _may(resolved, uid, gid, stat.S_IROTH) and all(
        _may(folder, uid, gid, stat.S_IXOTH) for folder in resolved.parents
    )


def _may(path: Path, uid: int, gid: int, others_bit: int) -> bool:
    status = path.stat()
    shift = 6 if status.st_uid == uid else 3 if status.st_gid == gid else 0
    return bool(status.st_mode & (others_bit << shift))


def _give(folder: Path, uid: int, gid: int) -> None:
    for root, folders, files in os.walk(folder):
        for name in (".", *folders, *files):
            os.chown(Path(root) / name, uid, gid, follow_symlinks=False)
