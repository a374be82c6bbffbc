"""The state folder of one stack: ports, secrets, env file, process records, logs and data."""

from __future__ import annotations

import fcntl
import json
import os
import random
import secrets
import shlex
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from floodgate.cli.environment import read_env_file

LOOPBACK: Final = "127.0.0.1"

# Below the range from which the kernel takes ports of outgoing connections, so that a port stays free
# while its component is down.
_PORT_RANGE: Final = range(17_000, 32_000)
_PORT_ATTEMPTS: Final = 200
_PORT_WAIT_SECONDS: Final = 2.0
_PORT_POLL_SECONDS: Final = 0.05

_SECRET_BYTES: Final = 32
SECRET_KEYS: Final = (
    "FLOODGATE_INTERCOM_TOKEN",
    "FLOODGATE_INTERCOM_CLIENT_SECRET",
    "FLOODGATE_SHOP_TOKEN",
    "FLOODGATE_INGEST_API_KEY",
    "FLOODGATE_WEBHOOK_SIGNING_SECRET",
    "FLOODGATE_PSEUDONYM_KEY",
)


def repository_root() -> Path:
    """The checkout that this distribution is installed from (it is always an editable one)."""
    return Path(__file__).resolve().parents[4]


def default_state_dir() -> Path:
    """`FLOODGATE_STATE`, else `.floodgate` in the repository root."""
    override = os.environ.get("FLOODGATE_STATE")
    if override:
        return Path(override).expanduser().absolute()
    return repository_root() / ".floodgate"


class StateDir:
    """Paths and small files of one stack. Nothing is created before it is written."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    @property
    def env_file(self) -> Path:
        """The env file: `KEY=VALUE` lines for a shell and for `read_env`."""
        return self.root / "env"

    def data(self, component: str) -> Path:
        """The component's data folder."""
        return self.root / "data" / component

    def log(self, component: str) -> Path:
        """The component's log."""
        return self.root / "logs" / f"{component}.log"

    def record(self, component: str) -> Path:
        """The component's process record."""
        return self.root / "run" / f"{component}.json"

    def create(self) -> None:
        """Create the folders."""
        for name in ("run", "logs", "data"):
            (self.root / name).mkdir(parents=True, exist_ok=True)

    def purge(self) -> None:
        """Remove everything but the folder itself and its lock, which the caller holds."""
        for name in ("run", "logs", "data"):
            shutil.rmtree(self.root / name, ignore_errors=True)
        for name in ("env", "ports.json", "secrets.json"):
            (self.root / name).unlink(missing_ok=True)

    @contextmanager
    def exclusive(self, on_wait: Callable[[], None]) -> Iterator[None]:
        """One command at a time on this stack; another one is told and waits."""
        self.root.mkdir(parents=True, exist_ok=True)
        with locked(self.root / "lock", on_wait):
            yield

    def ports(self) -> dict[str, int]:
        """The ports chosen so far, by name."""
        try:
            rows = json.loads((self.root / "ports.json").read_text(encoding="utf-8"))
            return {str(name): int(port) for name, port in rows.items()}
        except (FileNotFoundError, ValueError):
            return {}

    def choose_ports(self, names: list[str]) -> dict[str, int]:
        """Choose a port for each name that has none, and keep it."""
        ports = self.ports()
        chosen = free_ports(len([name for name in names if name not in ports]), set(ports.values()))
        for name in names:
            if name not in ports:
                ports[name] = chosen.pop()
        _write_atomically(self.root / "ports.json", json.dumps(ports, indent=1), 0o644)
        return ports

    def forget_ports(self, names: list[str]) -> None:
        """Give the ports of these names up, so that new ones are chosen."""
        kept = {name: port for name, port in self.ports().items() if name not in names}
        _write_atomically(self.root / "ports.json", json.dumps(kept, indent=1), 0o644)

    def secrets(self) -> dict[str, str]:
        """This stack's secrets; random, made once."""
        path = self.root / "secrets.json"
        try:
            kept = {str(k): str(v) for k, v in json.loads(path.read_text(encoding="utf-8")).items()}
        except (FileNotFoundError, ValueError):
            kept = {}
        missing = [key for key in SECRET_KEYS if key not in kept]
        if missing:
            kept.update({key: secrets.token_hex(_SECRET_BYTES) for key in missing})
            _write_atomically(path, json.dumps(kept, indent=1), 0o600)
        return kept

    def write_env(self, values: Mapping[str, str]) -> None:
        """Write the env file; keys that a later step added stay."""
        merged = {**read_env(self.env_file), **values}
        text = "".join(f"{key}={shlex.quote(value)}\n" for key, value in sorted(merged.items()))
        _write_atomically(self.env_file, text, 0o600)


@contextmanager
def locked(path: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold a file's lock, which ends with the process however that ends."""
    with path.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def read_env(path: Path) -> dict[str, str]:
    """The values of an env file; empty when it is not there.

    Raises:
        FatalError: It is not an env file.
    """
    return read_env_file(path) if path.exists() else {}


def free_ports(count: int, taken: set[int]) -> list[int]:
    """Distinct ports on which nothing listens now, held together until all are found.

    Raises:
        OSError: The range is exhausted.
    """
    ports: list[int] = []
    with ExitStack() as held:
        for _ in range(count * _PORT_ATTEMPTS):
            if len(ports) == count:
                break
            port = random.choice(_PORT_RANGE)  # noqa: S311 - any free port will do
            if port in taken or port in ports:
                continue
            candidate = held.enter_context(socket.socket())
            try:
                candidate.bind((LOOPBACK, port))
            except OSError:
                continue
            ports.append(port)
    if len(ports) < count:
        raise OSError(f"no free port between {_PORT_RANGE.start} and {_PORT_RANGE.stop}")
    return ports


def port_becomes_free(port: int) -> bool:
    """Whether a server could listen on the loopback port, now or in a moment (a server that ended lets go late)."""
    deadline = time.monotonic() + _PORT_WAIT_SECONDS
    while not port_is_free(port):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_PORT_POLL_SECONDS)
    return True


def port_is_free(port: int) -> bool:
    """Whether a server could listen on the loopback port now."""
    with socket.socket() as candidate:
        # Connections that linger after a server's end do not keep a new server off.
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _write_atomically(path: Path, text: str, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    temporary.replace(path)
