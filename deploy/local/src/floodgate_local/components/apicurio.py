"""Apicurio Registry: the schema registry, used through its Confluent-compatible API."""

from __future__ import annotations

from http.client import HTTPException
from typing import Final

from floodgate_local.components.base import Component, Place, answers, jvm_environment, request
from floodgate_local.errors import ComponentFailedError
from floodgate_local.java import COMMON_OPTIONS, java_executable
from floodgate_local.state import LOOPBACK

API_PATH: Final = "/apis/ccompat/v7"
_COMPATIBILITY: Final = "BACKWARD_TRANSITIVE"
_TIMEOUT_SECONDS: Final = 30.0


class Apicurio(Component):
    """See the module."""

    name = "apicurio"
    port_names = ("apicurio", "apicurio-management")
    is_jvm = True

    def prepare(self, place: Place) -> None:
        """Make the folders of the storage."""
        (place.data / "tmp").mkdir(parents=True, exist_ok=True)

    def command(self, place: Place) -> list[str]:
        """See `Component`."""
        return [
            str(java_executable()),
            *COMMON_OPTIONS,
            *("-Xms64m", "-Xmx256m"),
            f"-Djava.io.tmpdir={place.data / 'tmp'}",
            f"-Dquarkus.http.host={LOOPBACK}",
            f"-Dquarkus.http.port={place.ports['apicurio']}",
            # Without these two the management port is open to the network.
            f"-Dquarkus.management.host={LOOPBACK}",
            f"-Dquarkus.management.port={place.ports['apicurio-management']}",
            f"-Dapicurio.datasource.url=jdbc:h2:file:{place.data / 'registry'}",
            "-Dapicurio.datasource.jdbc.initial-size=2",
            "-Dapicurio.datasource.jdbc.min-size=2",
            "-Dapicurio.datasource.jdbc.max-size=8",
            "-Dquarkus.log.console.json=false",
            "-Dquarkus.log.level=WARN",
            "-Dquarkus.http.access-log.enabled=false",
            *("-jar", str(place.installed / "dist" / "quarkus-run.jar")),
        ]

    def environment(self, place: Place) -> dict[str, str]:
        """See `Component`."""
        return jvm_environment(place.data)

    def is_ready(self, place: Place) -> bool:
        """Whether the registry lists its subjects."""
        return answers(place.ports["apicurio"], f"{API_PATH}/subjects")

    def settle(self, place: Place) -> None:
        """Set the global compatibility, which a new registry has at NONE.

        Raises:
            ComponentFailedError: The registry refuses it or does not answer.
        """
        body = {"compatibility": _COMPATIBILITY}
        port, path = place.ports["apicurio"], f"{API_PATH}/config"
        try:
            status = request(port, "PUT", path, body=body, timeout_seconds=_TIMEOUT_SECONDS)
        except (OSError, HTTPException) as error:
            raise _refused(type(error).__name__) from error
        if status != 200:
            raise _refused(f"HTTP {status}")


def _refused(what: str) -> ComponentFailedError:
    return ComponentFailedError(
        f"apicurio does not take the compatibility {_COMPATIBILITY} ({what})",
        "read its log with `floodgate stack logs apicurio`, then run `floodgate stack up` again",
    )
