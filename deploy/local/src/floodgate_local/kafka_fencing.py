"""After a crash, end the broker's former session before the broker starts again.

A combined node that crashed finds itself still the leader in its own metadata, for as long as its former session
lasts. In that time its transaction coordinator goes on with transactions that were committed but not yet marked so
in their partitions; in the moment in which the session ends and no partition has a leader, it takes the partitions
for deleted and may record such a transaction as complete without its marker. Whoever reads committed records then
waits for ever. So the controller runs alone first, until it has fenced the broker: its metadata names no leader
when the whole node starts, and the node need not wait for the former session either.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

SESSION_TIMEOUT_MS: Final = 500

_FENCED: Final = "Fencing broker 1 "
_ACTIVE: Final = "Performing controller activation"
_START_SECONDS: Final = 60.0
# From activation on; a broker that never registered is not fenced, and nothing says so.
_FENCE_SECONDS: Final = 4.0
_STOP_SECONDS: Final = 15.0


def crashed(log_folder: Path) -> bool:
    """Whether the node that wrote the folder did not shut down in order."""
    return (log_folder / "__cluster_metadata-0").exists() and not (log_folder / ".kafka_cleanshutdown").exists()


def fence(command: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Run a controller until it has fenced the broker of its node; return whether it said so.

    Raises:
        OSError: The process cannot be started.
    """
    active, fenced = threading.Event(), threading.Event()
    with subprocess.Popen(  # noqa: S603 - our own command
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, errors="replace"
    ) as controller:
        reader = threading.Thread(target=_watch, args=(controller, active, fenced), daemon=True)
        reader.start()
        try:
            if active.wait(_START_SECONDS):
                fenced.wait(_FENCE_SECONDS)
        finally:
            controller.terminate()
            with suppress(subprocess.TimeoutExpired):
                controller.wait(_STOP_SECONDS)
            controller.kill()
            reader.join(_STOP_SECONDS)
    return fenced.is_set()


def _watch(controller: subprocess.Popen[str], active: threading.Event, fenced: threading.Event) -> None:
    for line in controller.stdout or ():
        if _ACTIVE in line:
            active.set()
        if _FENCED in line:
            fenced.set()
    # It ended: there is nothing more to wait for.
    active.set()
