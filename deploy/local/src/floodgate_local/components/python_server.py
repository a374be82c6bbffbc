"""The servers in Python: moto for the AWS services it has, and the project's own."""

from __future__ import annotations

import os
import sys

from floodgate_local.components.base import Component, Place, answers
from floodgate_local.state import LOOPBACK, repository_root


def _environment(place: Place) -> dict[str, str]:
    environment = {
        "FLOODGATE_CATALOGUE_DIR": str(repository_root() / "catalogue"),
        **os.environ,
        **place.env,
        "PYTHONUNBUFFERED": "1",
    }
    # Foreign credentials and profiles have no business in a local server.
    for key in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"):
        environment.pop(key, None)
    return environment


class PythonServer(Component):
    """A server of this distribution, run as `python -m floodgate_local.<name>`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.port_names = (name,)

    def prepare(self, place: Place) -> None:
        """Make the server's data folder."""
        place.data.mkdir(parents=True, exist_ok=True)

    def command(self, place: Place) -> list[str]:
        """See `Component`."""
        port = str(place.ports[self.main_port])
        module = f"floodgate_local.{self.name}"
        return [sys.executable, "-m", module, "--port", port, "--state-dir", str(place.data)]

    def environment(self, place: Place) -> dict[str, str]:
        """See `Component`."""
        return _environment(place)

    def is_ready(self, place: Place) -> bool:
        """Whether the server calls itself healthy."""
        return answers(place.ports[self.main_port], "/healthz")


class Bedrock(PythonServer):
    """The Bedrock server; `FLOODGATE_BEDROCK_CONFIG` names its file of faults and latencies."""

    needs_encoder = True

    def __init__(self) -> None:
        super().__init__("bedrock")

    def command(self, place: Place) -> list[str]:
        """See `Component`."""
        config = os.environ.get("FLOODGATE_BEDROCK_CONFIG")
        return [*super().command(place), *(("--config", config) if config else ())]


class Moto(Component):
    """S3, SQS, EventBridge and Secrets Manager, in memory: a restart begins empty."""

    name = "moto"
    port_names = ("moto",)

    def prepare(self, place: Place) -> None:
        """Make the folder that the process runs in."""
        place.data.mkdir(parents=True, exist_ok=True)

    def command(self, place: Place) -> list[str]:
        """See `Component`."""
        port = str(place.ports[self.main_port])
        return [sys.executable, "-m", "moto.server", "-H", LOOPBACK, "-p", port]

    def environment(self, place: Place) -> dict[str, str]:
        """See `Component`."""
        return _environment(place)

    def is_ready(self, place: Place) -> bool:
        """Whether moto's own page answers (its data page would load every service that moto has)."""
        return answers(place.ports[self.main_port], "/moto-api/")
