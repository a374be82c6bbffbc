"""The event loop to run an engine in, and what the whole process shares: the interpreter and its collector."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

try:
    import uvloop
except ImportError:  # not on Windows, and only with the extra `keyflow[uvloop]`
    uvloop = None  # type: ignore[assignment]

T = TypeVar("T")

_SWITCH_SECONDS: Final = 0.001
_COLLECT_AFTER: Final = (50_000, 20, 50)
_switching = threading.Lock()
_intervals: list[float] = []


def run(main: Coroutine[Any, Any, T]) -> T:
    """As `asyncio.run` does, in uvloop's loop where that is installed: it takes less processor time."""
    factory = asyncio.new_event_loop if uvloop is None else uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main)


@contextmanager
def threads_switching_often() -> Iterator[None]:
    """Has Python switch threads after 1 ms, and as before once the last engine of the process has ended.

    The Kafka thread lets go of the interpreter in every call to librdkafka, and gets it back from a busy loop only
    after that interval: with Python's 5 ms the loop had nothing left to handle for a good part of the time.
    """
    with _switching:
        _intervals.append(sys.getswitchinterval())
        sys.setswitchinterval(min(_intervals[0], _SWITCH_SECONDS))
    try:
        yield
    finally:
        with _switching:
            before = _intervals.pop()
            if not _intervals:
                sys.setswitchinterval(before)


@contextmanager
def collecting_seldom() -> Iterator[None]:
    """Has Python look for cycles of garbage after 50,000 new objects, not after every 700; then as before.

    For an application whose handlers take microseconds, around all it runs. What an engine holds of its records is no
    garbage, and to look through it time and again costs more than anything else it does for them. Where handlers wait
    or compute, there is nothing to gain.
    """
    before = gc.get_threshold()
    gc.set_threshold(*_COLLECT_AFTER)
    try:
        yield
    finally:
        gc.set_threshold(*before)
