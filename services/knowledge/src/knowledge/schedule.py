"""Runs the job again and again: the local stand-in for a rule of EventBridge."""

from __future__ import annotations

import re
import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from floodgate.telemetry import get_logger, one_line
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
    version: Callable[[], str | None] = lambda: None,
    look_seconds: float = 3.0,
    wait: Callable[[float], bool] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Run a job at once, then at every interval and whenever another version is published, until SIGTERM or SIGINT.

    A run that fails is tried again after a minute, then two, four and so on, at most an interval later; a fatal
    failure too, for a bucket or a password is put right while this goes on.

    Args:
        job: What is run.
        interval_seconds: From the beginning of one run to the next.
        version: The published version of the catalogue; None where none is published. A failure to read it counts
            as no change: the next look, or the interval, makes up for it.
        look_seconds: Between two looks at it.
        wait: Waits so many seconds; True when it is time to stop.
        clock: Monotonic seconds.
    """
    wait = wait or _until_stopped()
    failures = 0
    while True:
        started, ran = clock(), _known(version)
        try:
            job()
            failures = 0
        except KeyflowError as error:
            failures += 1
            _log.error("knowledge.failed", error=type(error).__name__, reason=one_line(error), failures=failures)
        pause = interval_seconds - (clock() - started)
        if failures:
            pause = min(pause, _FIRST_RETRY_SECONDS * 2 ** (failures - 1))
        _log.info("knowledge.next", in_seconds=round(max(pause, 0.0)))
        if _waited(max(pause, 0.0), look_seconds, wait, clock, partial(_changed, version, ran)):
            return


def _waited(
    seconds: float,
    look_seconds: float,
    wait: Callable[[float], bool],
    clock: Callable[[], float],
    is_due: Callable[[], bool],
) -> bool:
    """Waits out the seconds, or until something is due; True when it is time to stop."""
    until = clock() + seconds
    while not wait(max(min(until - clock(), look_seconds), 0.0)):
        if clock() >= until:
            return False
        if is_due():
            _log.info("knowledge.published")
            return False
    return True


def _changed(version: Callable[[], str | None], ran: str | None) -> bool:
    return _known(version) not in (None, ran)


def _known(version: Callable[[], str | None]) -> str | None:
    try:
        return version()
    except KeyflowError:
        return None


def _until_stopped() -> Callable[[float], bool]:
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    return stopped.wait
