"""Virtual time for code that mixes asyncio with a thread: nothing waits, and every run goes the same way.

The loop's clock moves only when nothing is left to do, straight to the next timer. What the loop hands to an executor
runs in a thread of its own that takes turns with the loop: exactly one of the two runs at any time, and a thread that
sleeps gives the turn back. So a thread behaves like one more coroutine, and the order of all steps is fixed.
"""

from __future__ import annotations

import asyncio
import random
import selectors
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any, Final, TypeVar, TypeVarTuple
from unittest.mock import patch

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

EPOCH_SECONDS: Final = 1_000.0
"""Where virtual time begins."""

_TICK_SECONDS: Final = 1e-6


class Deadlock(Exception):
    """Nobody will ever do anything again."""


class _Selector(selectors.SelectSelector):
    """Instead of waiting for sockets (there are none), moves the clock to the next timer."""

    def __init__(self) -> None:
        super().__init__()
        self.now = EPOCH_SECONDS

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise Deadlock("nothing is ready and no timer is set")
        # Never less than a tick: a time-out that is lost in rounding would be waited for without end.
        self.now += max(timeout, _TICK_SECONDS) if timeout > 0 else 0.0
        return []


class Turns:
    """One thread that takes turns with the loop."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._jobs: deque[Callable[[], None]] = deque()
        self._go = threading.Semaphore(0)
        self._back = threading.Semaphore(0)
        self._busy = False
        self._ended = False
        self._waking: asyncio.TimerHandle | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[], None]) -> None:
        """Runs the job when those before it are done; called in the loop."""
        self._jobs.append(job)
        if not self._busy:
            self._busy = True
            self._loop.call_soon(self._resume)

    def sleep(self, seconds: float) -> None:
        """Called in this thread: gives the turn back until the time is over, or `wake`."""
        self._waking = self._loop.call_later(max(seconds, _TICK_SECONDS), self._resume)
        self._yield()

    def wake(self) -> None:
        """Ends a sleep early."""
        if self._waking is not None:
            self._waking.cancel()
            self._waking = self._loop.call_later(0, self._resume)

    def end(self) -> None:
        """The thread ends; it must not be in a job."""
        assert not self._busy, "a thread of this run is still at work"
        self._ended = True
        self._go.release()
        self._thread.join()

    def _resume(self) -> None:
        self._waking = None
        self._go.release()
        self._back.acquire()

    def _yield(self) -> None:
        self._back.release()
        self._go.acquire()

    def _run(self) -> None:
        self._loop.turns_by_thread[threading.get_ident()] = self
        self._go.acquire()
        while not self._ended:
            while self._jobs:
                self._jobs.popleft()()
            self._busy = False
            self._yield()


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time, executors included."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        self.turns_by_thread: dict[int, Turns] = {}
        self._turns_by_executor: dict[Executor | None, Turns] = {}
        self._sleepers: dict[Turns, None] = {}
        self.unhandled: list[dict[str, Any]] = []
        super().__init__(self._virtual)
        self.set_exception_handler(lambda _, context: self.unhandled.append(context))

    def time(self) -> float:
        return self._virtual.now

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        future: asyncio.Future[T] = self.create_future()

        def job() -> None:
            try:
                result = func(*args)
            except BaseException as error:  # it belongs to whoever awaits the call
                if not future.done():
                    future.set_exception(error)
            else:
                if not future.done():
                    future.set_result(result)

        turns = self._turns_by_executor.get(executor)
        if turns is None:
            turns = self._turns_by_executor[executor] = Turns(self)
        turns.submit(job)
        return future

    def sleep_in_thread(self, seconds: float) -> None:
        """What `time.sleep` is here."""
        turns = self.turns_by_thread.get(threading.get_ident())
        assert turns is not None, "time.sleep() in the event loop would hold up everything"
        turns.sleep(seconds)

    def wait_in_thread(self, holds: Callable[[], bool], timeout_seconds: float) -> bool:
        """Sleeps until it holds, looking again whenever `notify` is called."""
        turns = self.turns_by_thread[threading.get_ident()]
        deadline = self.time() + timeout_seconds
        while not holds():
            left = deadline - self.time()
            if left <= 0:
                return False
            self._sleepers[turns] = None
            turns.sleep(left)
            del self._sleepers[turns]
        return True

    def notify(self) -> None:
        """Something changed: whoever waits looks again."""
        for turns in list(self._sleepers):
            turns.wake()

    def end(self) -> None:
        """Ends the threads and closes the loop."""
        for turns in self._turns_by_executor.values():
            turns.end()
        self.close()


class VirtualTime:
    """Stands in for the module `time` in the code under test."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self.sleep = loop.sleep_in_thread
        self.monotonic = loop.time
        self.perf_counter = loop.time
        self.time = loop.time

    def monotonic_ns(self) -> int:
        return int(self._loop.time() * 1e9)

    time_ns = monotonic_ns
    perf_counter_ns = monotonic_ns


@contextmanager
def virtual(package: str, loop: VirtualLoop, seed: int, names: dict[str, Any]) -> Iterator[None]:
    """Puts virtual time, seeded chance and the given names into every module of a package.

    Default arguments that are `time.monotonic` or `random.random` are replaced too.
    """
    chance = random.Random(seed)
    stand_ins = {time.monotonic: loop.time, time.time: loop.time, random.random: chance.random}
    undo: list[Any] = []

    def put(target: Any, name: str, value: Any) -> None:
        patcher = patch.object(target, name, value)
        patcher.start()
        undo.append(patcher)

    try:
        for module in [found for name, found in sys.modules.items() if name.partition(".")[0] == package]:
            held = vars(module)
            if held.get("time") is time:
                put(module, "time", VirtualTime(loop))
            for name, value in names.items():
                if name in held and held[name] is not value and held[name].__module__ != module.__name__:
                    put(module, name, value)
            for function in _functions(module):
                defaults, named = function.__defaults__ or (), function.__kwdefaults__ or {}
                if any(_known(value, stand_ins) for value in defaults):
                    put(function, "__defaults__", tuple(_replaced(value, stand_ins) for value in defaults))
                if any(_known(value, stand_ins) for value in named.values()):
                    new = {name: _replaced(value, stand_ins) for name, value in named.items()}
                    put(function, "__kwdefaults__", new)
        yield
    finally:
        for patcher in reversed(undo):
            patcher.stop()


def _known(value: Any, stand_ins: dict[Any, Any]) -> bool:
    return callable(value) and any(value is known for known in stand_ins)


def _replaced(value: Any, stand_ins: dict[Any, Any]) -> Any:
    return stand_ins[value] if _known(value, stand_ins) else value


def _functions(module: Any) -> Iterator[Any]:
    for value in vars(module).values():
        if getattr(value, "__module__", None) != module.__name__:
            continue
        for found in [value, *vars(value).values()] if isinstance(value, type) else [value]:
            if hasattr(found, "__kwdefaults__"):
                yield found
