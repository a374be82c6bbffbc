"""Services under a supervisor that acts as an orchestrator does: what dies is started again in the same slot, and what
says of itself that it is unhealthy is killed (a liveness probe on `/healthz`)."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx
from prometheus_client.parser import text_string_to_metric_families
from support.processes import ServiceProcess, eventually, free_port

NAMES: Final = ("ingest", "firewall", "agent", "summarizer", "delivery")
_WATCH_SECONDS: Final = 0.05
_PROBE_SECONDS: Final = 5.0
_BACK_OFF_SECONDS: Final = 1.0
"""After an exit of its own accord: a service that cannot start shall not take the machine."""
_STOP_SECONDS: Final = 60.0


@dataclass(slots=True)
class Slot:
    """One instance of a service: its name, its number, its ports, and the process that fills it now."""

    name: str
    number: int
    process: ServiceProcess
    metrics_port: int
    wanted: bool = True
    not_before: float = 0.0
    starts: int = 0
    killed_pids: set[int] = field(default_factory=set)
    asked_pids: set[int] = field(default_factory=set)

    @property
    def label(self) -> str:
        return f"{self.name}-{self.number}"

    def is_ready(self) -> bool:
        """Whether every processor of the instance has partitions."""
        return bool(held := self.assigned()) and all(count > 0 for count in held.values())

    def is_unhealthy(self) -> bool:
        """Whether it says so itself; no answer says nothing (it may be starting, or be stopped by a fault)."""
        try:
            return httpx.get(f"http://127.0.0.1:{self.metrics_port}/healthz", timeout=2.0).status_code == 503
        except httpx.HTTPError:
            return False

    def assigned(self) -> dict[str, int]:
        """Partitions that each processor of the instance holds; empty while it does not answer."""
        try:
            metrics = httpx.get(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=2.0).text
        except httpx.HTTPError:
            return {}
        return {
            sample.labels["processor"]: int(sample.value)
            for family in text_string_to_metric_families(metrics)
            for sample in family.samples
            if sample.name == "keyflow_assigned"
        }


class Fleet:
    """Runs slots and keeps them filled.

    Args:
        env: Environment of the stack.
        logs: Folder for one log per slot.
        ingest_port: Where the HTTP side of ingest's slot 0 listens, over all restarts.
        process: What fills a slot, of name, environment and log: a process, or what acts like one.
    """

    def __init__(
        self,
        env: Mapping[str, str],
        logs: Path,
        ingest_port: int,
        process: Callable[[str, Mapping[str, str], Path], ServiceProcess] = ServiceProcess,
    ) -> None:
        self._process = process
        self._env = dict(env)
        self._logs = logs
        self._ingest_port = ingest_port
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._watch = threading.Thread(target=self._keep_filled, name="fleet", daemon=True)
        self._probe = threading.Thread(target=self._keep_healthy, name="liveness", daemon=True)
        self.slots: dict[str, Slot] = {}
        self.exits: list[str] = []
        """Ends that nobody asked for, one line each."""

    def start(self) -> None:
        """Fills slot 0 of every service and begins to watch; returns once all have their partitions."""
        self._logs.mkdir(parents=True, exist_ok=True)
        for name in NAMES:
            self.add(name, 0)
        self._watch.start()
        self._probe.start()
        self.await_ready()

    def add(self, name: str, number: int) -> Slot:
        """Starts one more instance; it is not waited for."""
        metrics_port = free_port()
        env = {
            **self._env,
            "FLOODGATE_KAFKA_INSTANCE": str(number),
            "FLOODGATE_METRICS_PORT": str(metrics_port),
            "FLOODGATE_INGEST_PORT": str(self._ingest_port if number == 0 else free_port()),
            "FLOODGATE_STOP_WITH_PARENT": "1",
        }
        slot = Slot(name, number, self._process(name, env, self._logs / f"{name}-{number}.log"), metrics_port)
        with self._lock:
            self._fill(slot)
            self.slots[slot.label] = slot
        return slot

    def remove(self, slot: Slot) -> None:
        """Asks one instance to leave for good and waits until it did."""
        with self._lock:
            slot.wanted = False
            slot.asked_pids.add(slot.process.pid)
            slot.process.signal(signal.SIGTERM)
        eventually(lambda: slot.process.exit_code is not None, f"{slot.label} does not leave", _STOP_SECONDS)
        with self._lock:
            del self.slots[slot.label]

    def kill(self, slot: Slot) -> None:
        """`kill -9`; the supervisor starts it again."""
        with self._lock:
            slot.killed_pids.add(slot.process.pid)
            slot.process.signal(signal.SIGKILL)

    def terminate(self, slot: Slot) -> None:
        """SIGTERM; the supervisor starts it again."""
        with self._lock:
            slot.asked_pids.add(slot.process.pid)
            slot.process.signal(signal.SIGTERM)

    def go_on(self) -> None:
        """Continues every process that was stopped (SIGSTOP)."""
        with self._lock:
            for slot in self.slots.values():
                slot.process.signal(signal.SIGCONT)

    def await_ready(self, slots: list[Slot] | None = None) -> None:
        """Returns once the slots (all of them without) have their partitions."""
        for slot in slots or list(self.slots.values()):
            eventually(slot.is_ready, lambda slot=slot: f"{slot.label}: {slot.process.tail()}", 180.0)  # type: ignore[misc]

    def stop(self) -> None:
        """Ends everything and stops watching; what does not leave in time is killed."""
        self._stop.set()
        for thread in (self._watch, self._probe):
            if thread.is_alive():
                thread.join(10)
        for slot in self.slots.values():
            slot.process.signal(signal.SIGCONT)
            slot.process.signal(signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        for slot in self.slots.values():
            while slot.process.exit_code is None and time.monotonic() < deadline:
                time.sleep(_WATCH_SECONDS)
            slot.process.kill()

    def _keep_filled(self) -> None:
        while not self._stop.wait(_WATCH_SECONDS):
            with self._lock:
                for slot in self.slots.values():
                    self._look_after(slot)

    def _keep_healthy(self) -> None:
        while not self._stop.wait(_PROBE_SECONDS):
            with self._lock:
                slots = list(self.slots.values())
            for slot in slots:
                if slot.is_unhealthy():
                    self.exits.append(f"{slot.label} was killed, being unhealthy: {last_line(slot.process)}")
                    self.kill(slot)

    def _look_after(self, slot: Slot) -> None:
        code = slot.process.exit_code
        if code is None or not slot.wanted or time.monotonic() < slot.not_before:
            return
        pid = slot.process.pid
        known = pid in slot.killed_pids or (pid in slot.asked_pids and code == 0)
        if not known and slot.not_before == 0.0:
            self.exits.append(f"{slot.label} exited with {code}: {last_line(slot.process)}")
            slot.not_before = time.monotonic() + _BACK_OFF_SECONDS
            return
        self._fill(slot)

    def _fill(self, slot: Slot) -> None:
        slot.not_before = 0.0
        slot.starts += 1
        slot.process.start()

    def choose(self, pick: Callable[[list[Slot]], Slot], names: tuple[str, ...] = NAMES) -> Slot:
        """One of the running slots; waits for one where all are down."""
        return pick(eventually(lambda: self._running(names), f"none of {', '.join(names)} runs"))

    def _running(self, names: tuple[str, ...]) -> list[Slot]:
        with self._lock:
            running = [slot for slot in self.slots.values() if slot.name in names and slot.process.exit_code is None]
        return sorted(running, key=lambda slot: slot.label)


def last_line(process: ServiceProcess) -> str:
    """What it said last."""
    return " ".join(process.tail().strip().splitlines()[-1:])[:300]
