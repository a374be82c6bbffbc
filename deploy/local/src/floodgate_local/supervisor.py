"""Starting, watching and stopping the components. There is no daemon: what runs is known from its records."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from floodgate_local import process
from floodgate_local.artifacts import ENCODER
from floodgate_local.components import Component, Place
from floodgate_local.errors import (
    ComponentFailedError,
    LimitError,
    PortTakenError,
    StackError,
    explain_os_error,
)
from floodgate_local.java import java_executable
from floodgate_local.launch import raise_open_files
from floodgate_local.privileges import run_as_for
from floodgate_local.process import ProcessRecord
from floodgate_local.progress import StackProgress
from floodgate_local.state import StateDir, port_becomes_free

_LOG_TAIL_LINES: Final = 15
_LOG_TAIL_BYTES: Final = 8192
_LOG_KEEP_BYTES: Final = 32 << 20
_POLL_SECONDS: Final = 0.1
_STRAY_GRACE_SECONDS: Final = 5.0
# What a component's last lines say when the machine, and not the component, is at fault.
_KNOWN_ENDS: Final = {
    "No space left on device": "the disk is full: free some space",
    "Address already in use": "another program took its port: stop that program",
    "No module named floodgate_local": "its package is not installed: run `make setup`",
    "cannot change user": "root may not become another user here: run as an ordinary user (or, if it is about closed "
    "folders, point FLOODGATE_CACHE and FLOODGATE_STATE at ones that every user may traverse)",
    "Too many open files": "run `ulimit -n 65536`",
    "Cannot allocate memory": "there is too little memory: end other programs",
}
# Kafka and OpenSearch keep every segment open; below this they fail in the middle of a run.
_LEAST_OPEN_FILES: Final = 4096


class HomeSource(Protocol):
    """Where the installed homes of the JVM components are."""

    def path(self, component: str) -> Path:
        """The home of a component."""
        ...

    def ensure(self, components: Sequence[str], progress: StackProgress) -> None:
        """Fetch and assemble what is missing.

        Raises:
            StackError: Something cannot be fetched or written.
        """
        ...


@dataclass(frozen=True)
class ComponentStatus:
    """What is known of one component. `state` is ready, unresponsive, dead or stopped."""

    name: str
    state: str
    pid: int | None
    ports: dict[str, int]
    rss_bytes: int
    uptime_seconds: float
    log: Path


class Supervisor:
    """Runs a set of components out of one state folder.

    Args:
        state: The folder.
        components: What to run.
        homes: Where JVM components are installed.
        env: The stack's env from its ports, given to the Python servers.
    """

    def __init__(
        self,
        state: StateDir,
        components: Sequence[Component],
        homes: HomeSource,
        env: Callable[[Mapping[str, int], Mapping[str, str]], dict[str, str]],
    ) -> None:
        self._state = state
        self._components = {component.name: component for component in components}
        self._homes = homes
        self._env = env

    def up(self, names: Sequence[str], progress: StackProgress) -> list[str]:
        """Start what does not run and wait until everything answers; return the names of what was started.

        Raises:
            StackError: Something cannot be fetched, started or reached; what runs already is left running.
        """
        chosen = [self._components[name] for name in names]
        if all(self._status(component).state == "ready" for component in chosen):
            return []
        _check_open_files()
        needed = [component.name for component in chosen if component.is_jvm]
        self._homes.ensure([*needed, *([ENCODER] if any(c.needs_encoder for c in chosen) else [])], progress)
        try:
            self._state.create()
            down = [component for component in chosen if self._alive(component) is None]
            self._stop_strays({component.name for component in down})
            self._settle_ports(down)
            env = self._write_env()
            self._in_parallel(chosen, lambda each, stop: self._bring_up(each, env, progress, stop))
        except OSError as error:
            raise explain_os_error(error, self._state.root) from error
        return [component.name for component in down]

    def down(self, names: Sequence[str] | None = None) -> list[str]:
        """Stop components (all of them without names) and return the names of those that ran."""
        chosen = [c for c in self._components.values() if names is None or c.name in names]
        stopped = [component.name for component in chosen if self._alive(component) is not None]
        self._in_parallel(chosen, lambda component, _stop: self._stop(component))
        self._stop_strays({component.name for component in chosen})
        return stopped

    def kill(self, name: str) -> None:
        """End a component at once, as a crash would."""
        record = self._alive(self._components[name])
        if record is not None:
            process.kill(record)

    def status(self) -> list[ComponentStatus]:
        """Ask every component, in parallel."""
        components = list(self._components.values())
        with ThreadPoolExecutor(len(components)) as pool:
            return list(pool.map(self._status, components))

    def log_tail(self, name: str, lines: int = _LOG_TAIL_LINES) -> str:
        """The last lines of a component's log."""
        try:
            with self._state.log(name).open("rb") as stream:
                stream.seek(0, os.SEEK_END)
                stream.seek(max(0, stream.tell() - max(_LOG_TAIL_BYTES, lines * 200)))
                text = stream.read().decode("utf-8", errors="replace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    # ------------------------------------------------------------------ starting

    def _settle_ports(self, down: Sequence[Component]) -> None:
        """Give every component its ports, and see that those of what is to start are free."""
        known = self._state.ports()
        taken = [
            (component, name, known[name])
            for component in down
            for name in component.port_names
            if name in known and not port_becomes_free(known[name])
        ]
        anything_runs = any(self._alive(component) for component in self._components.values())
        if taken and anything_runs:
            component, _, port = taken[0]
            raise PortTakenError(
                f"Port {port} of {component.name} is taken by another program",
                "stop that program, or run `floodgate stack down` and `up`, which chooses another port",
            )
        # Nothing of the stack runs, so nobody relies on the old port.
        self._state.forget_ports([name for _, name, _ in taken])
        self._state.choose_ports([name for c in self._components.values() for name in c.port_names])

    def _write_env(self) -> dict[str, str]:
        env = self._env(self._state.ports(), self._state.secrets())
        self._state.write_env(env)
        return env

    def _bring_up(
        self, component: Component, env: Mapping[str, str], progress: StackProgress, stop: threading.Event
    ) -> None:
        began = time.monotonic()
        place = self._place(component, env)
        record = self._alive(component)
        if record is not None and component.is_ready(place):
            return
        progress.starting(component.name)
        if record is None:
            record = self._start(component, place)
        self._await_ready(component, place, record, stop)
        if not stop.is_set():
            component.settle(place)
            progress.ready(component.name, time.monotonic() - began)

    def _start(self, component: Component, place: Place) -> ProcessRecord:
        component.prepare(place)
        run_as = run_as_for(place.data, [java_executable(), place.installed]) if component.refuses_root else None
        log = self._state.log(component.name)
        _rotate(log)
        environment = component.environment(place)
        environment |= place.mark
        record = process.spawn(
            component.command(place), cwd=place.data, environment=environment, log=log, run_as=run_as
        )
        # Before anything is waited for: a killed command must leave nothing that `down` cannot find.
        try:
            record.write(self._state.record(component.name))
        except OSError:
            process.kill(record)
            raise
        return record

    def _await_ready(self, component: Component, place: Place, record: ProcessRecord, stop: threading.Event) -> None:
        deadline = time.monotonic() + component.start_timeout_seconds
        while not stop.is_set():
            if not process.is_alive(record):
                raise self._failed(component, "died while starting")
            if component.is_ready(place):
                return
            if time.monotonic() >= deadline:
                raise self._failed(component, f"does not answer after {component.start_timeout_seconds:.0f} s")
            stop.wait(_POLL_SECONDS)

    def _failed(self, component: Component, what: str) -> ComponentFailedError:
        tail = self.log_tail(component.name)
        log = self._state.log(component.name)
        remedy = next((remedy for sign, remedy in _KNOWN_ENDS.items() if sign in tail), f"read {log}")
        return ComponentFailedError(
            f"{component.name} {what}",
            f"{remedy}, then run `floodgate stack up`, which starts only what is missing",
            log_tail=tail,
        )

    # ------------------------------------------------------------------ stopping and looking

    def _stop(self, component: Component) -> None:
        record = self._alive(component)
        if record is not None:
            process.stop(record, grace_seconds=component.stop_grace_seconds)
        self._state.record(component.name).unlink(missing_ok=True)

    def _stop_strays(self, names: set[str]) -> None:
        """Stop what an earlier command started but was killed before it could write down, and left children."""
        for name, record in process.find_marked(self._state.root):
            if name in names:
                process.stop(record, grace_seconds=_STRAY_GRACE_SECONDS)

    def _alive(self, component: Component) -> ProcessRecord | None:
        record = ProcessRecord.read(self._state.record(component.name))
        return record if record is not None and process.is_alive(record) else None

    def _status(self, component: Component) -> ComponentStatus:
        recorded = ProcessRecord.read(self._state.record(component.name))
        record = self._alive(component)
        ports = self._state.ports()
        if record is None:
            state = "stopped" if recorded is None else "dead"
        else:
            place = Place(data=self._state.data(component.name), home=None, ports=ports)
            state = "ready" if component.is_ready(place) else "unresponsive"
        return ComponentStatus(
            name=component.name,
            state=state,
            pid=record.pid if record else None,
            ports={name: ports[name] for name in component.port_names if name in ports},
            rss_bytes=process.rss_bytes(record) if record else 0,
            uptime_seconds=time.time() - record.started_at if record else 0.0,
            log=self._state.log(component.name),
        )

    def _place(self, component: Component, env: Mapping[str, str]) -> Place:
        home = self._homes.path(component.name) if component.is_jvm else None
        mark = {process.MARKER: f"{self._state.root}|{component.name}"}
        return Place(self._state.data(component.name), home, self._state.ports(), env, mark)

    def _in_parallel(self, components: Sequence[Component], work: Callable[[Component, threading.Event], None]) -> None:
        """Do the work for all at once; the first failure ends the waiting of the others."""
        stop = threading.Event()
        if not components:
            return
        with ThreadPoolExecutor(len(components), thread_name_prefix="component") as pool:
            futures = [pool.submit(work, component, stop) for component in components]
            try:
                _raise_first(futures)
            finally:
                stop.set()


def _raise_first(futures: Sequence[Future[None]]) -> None:
    done, _ = wait(futures, return_when=FIRST_EXCEPTION)
    # A dead component says more than one that merely was not waited for.
    errors = [error for future in done if (error := future.exception()) is not None]
    for error in errors:
        if isinstance(error, StackError):
            raise error
    if errors:
        raise errors[0]


def _check_open_files() -> None:
    allowed = raise_open_files()
    if 0 <= allowed < _LEAST_OPEN_FILES:
        raise LimitError(
            f"This process may open {allowed} files, the stack needs {_LEAST_OPEN_FILES}",
            "run `ulimit -n 65536` (or raise the hard limit of this user) and start again",
        )


def _rotate(log: Path) -> None:
    """Keep one older log, so that a stack of many days does not fill the disk."""
    if log.exists() and log.stat().st_size > _LOG_KEEP_BYTES:
        log.replace(log.with_suffix(".log.1"))
