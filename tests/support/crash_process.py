"""One life of an engine: the numbered steps at which it may die, stand still or meet an error."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from confluent_kafka import KafkaError, KafkaException
from keyflow import Engine
from support.memory_clients import MemoryConsumer, Wire, failure

if TYPE_CHECKING:
    from support.crash_lab import Lab

_STALL_SECONDS: Final = 60.0


class Killed(BaseException):
    """The process is dead: nothing after this line runs in it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong in one process.

    Attributes:
        step: At which step of the process, counted from 1.
        kind: "crash", "stall" (the Kafka thread stands still there for a minute), or the name of an error of `ERRORS`.
    """

    step: int
    kind: str = "crash"


@dataclass(frozen=True, slots=True)
class InjectedError:
    """How a call can fail: before it reached the broker, or after the broker did it."""

    calls: frozenset[str]
    after: bool
    make: Callable[[], BaseException]


_TRANSACTIONAL: Final = frozenset(
    {"init_transactions", "send_offsets_to_transaction", "commit_transaction", "abort_transaction"}
)
_ASKING: Final = frozenset({"committed", "get_watermark_offsets", "list_topics", "position", "pause", "close"})
ERRORS: Final[Mapping[str, InjectedError]] = {
    "retriable": InjectedError(_TRANSACTIONAL, False, lambda: failure(KafkaError._TIMED_OUT, retriable=True)),
    "answer lost": InjectedError(_TRANSACTIONAL, True, lambda: failure(KafkaError._TIMED_OUT, retriable=True)),
    "abortable": InjectedError(
        frozenset({"send_offsets_to_transaction", "commit_transaction"}),
        False,
        lambda: failure(KafkaError.NOT_COORDINATOR, abort=True),
    ),
    "fenced": InjectedError(
        _TRANSACTIONAL | {"begin_transaction", "produce"}, False, lambda: failure(KafkaError._FENCED, fatal=True)
    ),
    "fenced after": InjectedError(_TRANSACTIONAL, True, lambda: failure(KafkaError._FENCED, fatal=True)),
    "no answer": InjectedError(_ASKING, False, lambda: failure(KafkaError._TIMED_OUT)),
    "queue full": InjectedError(frozenset({"produce"}), False, lambda: BufferError("Local: Queue full")),
    "read error": InjectedError(frozenset({"poll"}), False, lambda: failure(KafkaError._ALL_BROKERS_DOWN)),
}


class Process(Wire):
    """One run of an engine, and the line between its clients and the broker."""

    def __init__(self, lab: Lab, name: str, fault: Fault | None) -> None:
        self._lab = lab
        self.name = name
        self.fault = fault
        self.alive = True
        self.steps: list[str] = []
        self.consumers: list[MemoryConsumer] = []
        self.task: asyncio.Task[None] | None = None
        self.engine: Engine[int] | None = None
        self.faulted = False
        self._frozen_until = 0.0

    def step(self, name: str, *, when: str = "before") -> None:
        """One numbered place at which something may go wrong.

        Raises:
            Killed: The process dies here, or is dead already.
        """
        if not self.alive:
            raise Killed
        self.steps.append(f"{when} {name}")
        fault = self.fault
        if fault is None or len(self.steps) != fault.step:
            return
        if fault.kind == "crash":
            self.kill()
            raise Killed
        if fault.kind == "stall":
            return
        error = ERRORS[fault.kind]
        if name in error.calls and error.after == (when == "after"):
            self.faulted = True
            raise error.make()

    def kill(self) -> None:
        """Dies at once: no close, no abort, no last word."""
        self.alive = False
        for consumer in self.consumers:
            consumer.die()
        self._lab.loop.notify()
        if self.task is not None:
            self._lab.loop.call_soon(self.task.cancel)

    def expire(self) -> None:
        """The group takes it for dead; it learns of that with its next poll."""
        for consumer in self.consumers:
            consumer.expire()

    def freeze(self, seconds: float) -> None:
        """Its Kafka thread stands still for so long, wherever it is (the machine sleeps, say)."""
        self._frozen_until = self._lab.loop.time() + seconds

    @contextmanager
    def call(self, name: str) -> Iterator[None]:
        if self._frozen_until > self._lab.loop.time():
            self._lab.loop.sleep_in_thread(self._frozen_until - self._lab.loop.time())
        if not self.alive:
            raise Killed
        if not name:
            yield
            return
        self._call_step(name, "before")
        yield
        self._call_step(name, "after")

    def _call_step(self, name: str, when: str) -> None:
        self.step(name, when=when)
        if self.fault is not None and self.fault.kind == "stall" and len(self.steps) == self.fault.step:
            self._lab.loop.sleep_in_thread(_STALL_SECONDS)

    def polled(self, found: bool) -> KafkaError | None:
        if not self.alive:
            raise Killed
        if not found:
            return None
        try:
            self.step("poll")
        except KafkaException as error:
            return error.args[0]  # type: ignore[no-any-return]  # confluent_kafka has no types
        return None
