"""All services in one process tree, for a small site: a service that dies is started again, at most so often."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Final

import typer

from floodgate.service import STOP_WITH_PARENT

_RESTARTS_PER_MINUTE: Final = 5
_STOP_SECONDS: Final = 30.0


@dataclass(slots=True)
class _Child:
    name: str
    process: subprocess.Popen[bytes]
    started: list[float] = field(default_factory=list)


def service_command(name: str) -> list[str]:
    """The command line that runs one service with this interpreter."""
    return [sys.executable, "-m", "floodgate.cli.main", "run", name]


def run_all(names: Sequence[str]) -> int:
    """Runs the services until SIGTERM or SIGINT; the exit code is 1 when one could not be kept running."""
    stopping = False

    def stop(_: int, __: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    children = [_Child(name, _start(name), [time.monotonic()]) for name in names]
    typer.echo(f"running {', '.join(names)}; Ctrl-C stops them", err=True)
    failed = ""
    while not stopping and not failed:
        time.sleep(0.2)
        for child in children:
            code = child.process.poll()
            if code is None:
                continue
            recent = [moment for moment in child.started if moment > time.monotonic() - 60]
            if len(recent) >= _RESTARTS_PER_MINUTE:
                failed = f"{child.name} exited with {code} and did so {len(recent)} times within a minute"
                break
            typer.echo(f"{child.name} exited with {code}: starting it again", err=True)
            child.process = _start(child.name)
            child.started = [*recent, time.monotonic()]
    _stop(children)
    if failed:
        typer.echo(failed, err=True)
    return 1 if failed else 0


def _start(name: str) -> subprocess.Popen[bytes]:
    # A session of its own, so that Ctrl-C reaches the children through us and only once.
    # Two arenas, as in the images: each of glibc's keeps what was freed in it.
    env = {"MALLOC_ARENA_MAX": "2", **os.environ, STOP_WITH_PARENT: "1"}
    return subprocess.Popen(service_command(name), env=env, start_new_session=True)  # noqa: S603 (ours)


def _stop(children: Sequence[_Child]) -> None:
    for child in children:
        if child.process.poll() is None:
            child.process.terminate()
    deadline = time.monotonic() + _STOP_SECONDS
    for child in children:
        try:
            child.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.wait()
