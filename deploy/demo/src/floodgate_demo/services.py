"""The services as processes of their own, as in production; logs beside the stack's."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import psutil
from floodgate.cli.processes import service_command
from floodgate_local.state import free_ports
from keyflow.errors import FatalError

NAMES: Final = ("ingest", "firewall", "agent", "summarizer", "delivery")
CONSOLE: Final = "console"
_READY_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 25.0
_LOG_LINES: Final = 12
_IN_FLIGHT: Final = 12
"""The local model answers two calls at a time: more in flight would only wait in its queue."""
_COMMIT_INTERVAL_SECONDS: Final = 0.1
"""Nine processors share two cores with their broker here: fewer transactions serve the users sooner."""


@dataclass(slots=True)
class _Running:
    name: str
    process: subprocess.Popen[bytes]
    metrics_url: str
    log: Path


class Services:
    """Starts, watches and stops the services.

    Args:
        env: Environment of the stack.
        logs: Folder for one log per service.
        ingest_port: Where ingest's HTTP side listens.
        console_port: Where the console listens.
    """

    def __init__(self, env: Mapping[str, str], logs: Path, ingest_port: int, console_port: int) -> None:
        self._env = env
        self._logs = logs
        self._ingest_port = ingest_port
        self._console_port = console_port
        self._running: list[_Running] = []

    @property
    def pids(self) -> list[int]:
        """Process ids of the services."""
        return [item.process.pid for item in self._running]

    def start(self) -> None:
        """Starts all and waits until each answers and has its partitions.

        Raises:
            FatalError: One did not come up: names it and the last lines of its log.
        """
        for name, port in zip(NAMES, free_ports(len(NAMES), {self._ingest_port}), strict=True):
            self._running.append(self._start(name, port))
        urls = json.dumps({item.name: item.metrics_url for item in self._running})
        self._running.append(self._start(CONSOLE, self._console_port, {"FLOODGATE_CONSOLE_METRICS_URLS": urls}))
        deadline = time.monotonic() + _READY_SECONDS
        for item in self._running:
            while not self._is_ready(item):
                if item.process.poll() is not None:
                    raise FatalError(f"{item.name} exited with {item.process.returncode}: {_tail(item.log)}")
                if time.monotonic() > deadline:
                    raise FatalError(f"{item.name} was not ready within {_READY_SECONDS:.0f} s: {_tail(item.log)}")
                time.sleep(0.1)

    def check(self) -> None:
        """Raises FatalError when a service died; names it and the last lines of its log."""
        for item in self._running:
            if item.process.poll() is not None:
                raise FatalError(f"{item.name} exited with {item.process.returncode}: {_tail(item.log)}")

    def metrics(self, name: str) -> str:
        """A service's Prometheus exposition; empty when it does not answer."""
        for item in self._running:
            if item.name == name:
                try:
                    return httpx.get(f"{item.metrics_url}/metrics", timeout=5.0).text
                except httpx.HTTPError:
                    return ""
        return ""

    def stop(self) -> None:
        """SIGTERM to all, SIGKILL to whoever does not leave in time."""
        for item in self._running:
            if item.process.poll() is None:
                item.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        for item in self._running:
            try:
                item.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                item.process.kill()
                item.process.wait()
        self._running.clear()

    def _start(self, name: str, port: int, more: Mapping[str, str] | None = None) -> _Running:
        env = {
            **os.environ,
            **self._env,
            "FLOODGATE_CONSOLE_PORT" if name == CONSOLE else "FLOODGATE_METRICS_PORT": str(port),
            "FLOODGATE_INGEST_PORT": str(self._ingest_port),
            "FLOODGATE_KAFKA_MAX_IN_FLIGHT": str(_IN_FLIGHT),
            "FLOODGATE_KAFKA_COMMIT_INTERVAL_SECONDS": str(_COMMIT_INTERVAL_SECONDS),
            "FLOODGATE_STOP_WITH_PARENT": "1",
            **(more or {}),
        }
        path = self._logs / f"service-{name}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 (our own command line)
                service_command(name), env=env, stdout=log, stderr=log, start_new_session=True
            )
        return _Running(name, process, f"http://127.0.0.1:{port}", path)

    def _is_ready(self, item: _Running) -> bool:
        try:
            if item.name == CONSOLE:
                return httpx.get(f"{item.metrics_url}/healthz", timeout=2.0).is_success
            metrics = httpx.get(f"{item.metrics_url}/metrics", timeout=2.0).text
        except httpx.HTTPError:
            return False
        assigned = [line for line in metrics.splitlines() if line.startswith("keyflow_assigned{")]
        return bool(assigned) and all(float(line.rsplit(" ", 1)[1]) > 0 for line in assigned)


def rss_bytes(pids: list[int]) -> int:
    """Resident memory of the processes and their children; one that left counts nothing."""
    total = 0
    for pid in pids:
        try:
            process = psutil.Process(pid)
            for item in [process, *process.children(recursive=True)]:
                total += item.memory_info().rss
        except psutil.Error:
            continue
    return total


def _tail(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:]
    return f"see {path}\n" + "\n".join(f"  | {line}" for line in lines)
