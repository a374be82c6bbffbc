"""A service in its container, with the handles that a supervisor needs: what `support.processes` has for a process."""

from __future__ import annotations

import signal
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import docker
from docker.errors import APIError
from testcontainers.core.container import DockerContainer

LOCKED_DOWN: Final = {
    "network_mode": "host",
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
}
_STOP_SECONDS: Final = 40
_LOG_CHARS: Final = 4_000
_OF_THE_HOST: Final = ("AWS_CA_BUNDLE", "AWS_PROFILE", "AWS_CONFIG_FILE", "FLOODGATE_CATALOGUE_DIR", "FLOODGATE_STOP_")


class ServiceBox:
    """`floodgate/<name>` with an environment, locked down as in production. Nothing runs before `start`.

    Every start is a container of its own, as an orchestrator makes it: nothing is left of the one before.

    Args:
        name: The service.
        env: Of it, only what is ours or AWS's goes in.
        log: Everything that it printed, written when it ends.
        tag: Of the image.
    """

    def __init__(self, name: str, env: Mapping[str, str], log: Path, tag: str = "latest") -> None:
        self.name = name
        self.tag = tag
        self.env = {
            key: value
            for key, value in env.items()
            if key.startswith(("FLOODGATE_", "AWS_")) and not key.startswith(_OF_THE_HOST)
        }
        self.log = log
        self.pid = 0
        self.container: DockerContainer | None = None
        self._ended = threading.Event()
        self._code: int | None = None

    def start(self) -> None:
        """Starts it in a new container; returns at once."""
        self.remove()
        container = DockerContainer(f"floodgate/{self.name}:{self.tag}").with_kwargs(**LOCKED_DOWN)
        container.with_tmpfs_mount("/tmp")
        for key, value in self.env.items():
            container.with_env(key, value)
        container.start()
        self.container, self._code = container, None
        # What tells the supervisor one process from the next.
        self.pid += 1
        self._ended = threading.Event()
        threading.Thread(target=self._wait, args=(container, self._ended), daemon=True).start()

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._code if self._ended.is_set() else None

    def signal(self, number: int) -> None:
        """Sends a signal; one that left already gets none."""
        if self.exit_code is not None:
            return
        match number:
            case signal.SIGSTOP:
                self._try("pause")
            case signal.SIGCONT:
                self._try("unpause")
            case _:
                self._try("kill", signal.Signals(number).name)

    def kill(self) -> None:
        """SIGKILL, as a crash would; returns when it is gone."""
        self.signal(signal.SIGKILL)
        assert self._ended.wait(_STOP_SECONDS), f"{self.name} cannot be killed"
        self.remove()

    def tail(self) -> str:
        """The end of its log."""
        return "" if self.container is None else _log(self.container)[-_LOG_CHARS:]

    def python(self, line: str) -> tuple[int, str]:
        """Runs a line inside; exit code and output."""
        assert self.container is not None
        code, out = self.container.exec(["python", "-c", line])
        return code, out.decode().strip()

    def health(self) -> str:
        """What Docker makes of the image's own check."""
        assert self.container is not None
        wrapped = self.container.get_wrapped_container()
        wrapped.reload()
        return str(wrapped.attrs["State"]["Health"]["Status"])

    def _try(self, method: str, *arguments: Any) -> None:
        assert self.container is not None
        try:
            getattr(self.container.get_wrapped_container(), method)(*arguments)
        except APIError as error:
            # It left in this moment, or was not paused.
            if error.status_code not in (404, 409, 500):
                raise

    def _wait(self, container: DockerContainer, ended: threading.Event) -> None:
        # A connection of its own: it is held for as long as the container runs.
        client = docker.APIClient(timeout=None)  # type: ignore[arg-type]
        try:
            code = int(client.wait(container.get_wrapped_container().id)["StatusCode"])
        except APIError:
            code = -1
        finally:
            client.close()
        self._code = code
        ended.set()

    def remove(self) -> None:
        if self.container is None:
            return
        with self.log.open("a", encoding="utf-8") as out:
            out.write(_log(self.container))
        self.container.stop()
        self.container = None


def _log(container: DockerContainer) -> str:
    return b"\n".join(container.get_logs()).decode(errors="replace")
