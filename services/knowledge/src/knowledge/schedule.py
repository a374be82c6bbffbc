"""Runs the job again and again: the local stand-in for a rule of EventBridge."""

from __future__ import annotations

import re
import signal
import threading
import time
from collections.abc import Callable
from typing import Final

from floodgate.telemetry import get_logger
from keyflow.errors import FatalError, KeyflowError

_log: Final = get_logger(__name__)
_UNITS: Final = {"m": 60.0, "h": 3_600.0, "d": 86_400.0}
_INTERVAL: Final = re.compile(r"(\d+)([mhd])")
_FIRST_RETRY_SECONDS: Final = 60.0


def parse_interval(written: str) -> float:
    """Seconds of an interval such as 24h, 90m or 1d.

    Raises:
        FatalError: It is none, or zero.
    """
    match = _INTERVAL.fullmatch(written.strip())
    seconds = float(match[1]) * _UNITS[match[2]] if match else 0.0
    if not seconds:
        raise FatalError(f"{written!r} is no interval: write 24h, 90m or 1d")
    return seconds


def repeat(
    job: Callable[[], None],
    interval_seconds: float,
    *,
    wait: Callable[[float], bool] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Run a job at once and then at every interval, until SIGTERM or SIGINT.

    A run that fails is tried again after a minute, then two, four and so on, at most an interval later; a fatal
    failure too, for a bucket or a password is put right while this goes on.

    Args:
        job: What is run.
        interval_seconds: From the beginning of one run to the next.
        wait: Waits so many seconds; True when it is time to stop.
        clock: Monotonic seconds.
    """
    wait = wait or _until_stopped()
    failures = 0
    while True:
        started = clock()
        try:
            job()
            failures = 0
        except KeyflowError as error:
            failures += 1
            _log.error("knowledge.failed", error=type(error).__name__, reason=str(error), failures=failures)
        pause = interval_seconds - (clock() - started)
        if failures:
            pause = min(pause, _FIRST_RETRY_SECONDS * 2 ** (failures - 1))
        _log.info("knowledge.next", in_seconds=round(max(pause, 0.0)))
        if wait(max(pause, 0.0)):
            return


def _until_stopped() -> Callable[[float], bool]:
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    return stopped.wait
