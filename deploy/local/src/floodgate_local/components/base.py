"""What the supervisor needs to know of a component."""

from __future__ import annotations

import json
import os
import socket
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final

from floodgate_local.state import LOOPBACK

_PROBE_TIMEOUT_SECONDS: Final = 5.0


@dataclass(frozen=True)
class Place:
    """Where a component runs: its data, its installed home (JVM components), its ports and the stack's env."""

    data: Path
    home: Path | None
    ports: Mapping[str, int]
    env: Mapping[str, str] = field(default_factory=dict)
    #: To be in the environment of every process of the component, so that it is found whatever happens.
    mark: Mapping[str, str] = field(default_factory=dict)

    @property
    def installed(self) -> Path:
        """The home of a component that has one."""
        if self.home is None:
            raise ValueError("this component has no installed home")
        return self.home


class Component(ABC):
    """One server of the stack. Stateless: everything that varies is in the `Place`."""

    name: str = ""
    #: The first is the one that clients use.
    port_names: tuple[str, ...] = ()
    is_jvm: bool = False
    #: It runs the local models: the sentence encoder is fetched before it starts.
    needs_encoder: bool = False
    refuses_root: bool = False
    #: Long enough for a cold start of everything at once on two slow cores.
    start_timeout_seconds: float = 120.0
    stop_grace_seconds: float = 15.0

    @property
    def main_port(self) -> str:
        """The name of the port that clients use."""
        return self.port_names[0]

    @abstractmethod
    def prepare(self, place: Place) -> None:
        """Write configuration and format storage; called before every start.

        Raises:
            StackError: The component cannot be prepared.
            OSError: A file cannot be written.
        """

    @abstractmethod
    def command(self, place: Place) -> list[str]:
        """The command that runs the server in the foreground."""

    def environment(self, place: Place) -> dict[str, str]:
        """The process environment."""
        del place
        return dict(os.environ)

    @abstractmethod
    def is_ready(self, place: Place) -> bool:
        """Whether the server answers over its own protocol, asked once with a short time-out."""

    def settle(self, place: Place) -> None:
        """Set what is to be set once the server answers; must be idempotent."""
        del place


def listens(port: int) -> bool:
    """Whether anything accepts connections on a loopback port."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=_PROBE_TIMEOUT_SECONDS):
            return True
    except OSError:
        return False


def answers(port: int, path: str) -> bool:
    """Whether a GET on a loopback port is answered with success."""
    try:
        return 200 <= request(port, "GET", path, timeout_seconds=_PROBE_TIMEOUT_SECONDS) < 300
    except (OSError, HTTPException):
        return False


def request(port: int, method: str, path: str, *, body: object = None, timeout_seconds: float) -> int:
    """Send one request, with a JSON body if any, to a loopback port and return the status of the answer.

    Plain `http.client`: probes are many while everything starts on few cores, and larger clients set up TLS
    for each.

    Raises:
        OSError: Nothing listens there, or the answer took too long.
        HTTPException: The answer is not HTTP.
    """
    connection = HTTPConnection(LOOPBACK, port, timeout=timeout_seconds)
    try:
        content = None if body is None else json.dumps(body)
        connection.request(method, path, body=content, headers={"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def jvm_environment(data: Path) -> dict[str, str]:
    """An environment without foreign Java settings, and with few malloc arenas (they cost resident memory)."""
    environment = {
        key: value
        for key, value in os.environ.items()
        if key not in ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "CLASSPATH")
    }
    environment |= {"MALLOC_ARENA_MAX": "2", "HOME": str(data), "TMPDIR": str(data / "tmp")}
    return environment
