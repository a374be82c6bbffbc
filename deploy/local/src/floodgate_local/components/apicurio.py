"""Apicurio Registry: the schema registry, used through its Confluent-compatible API."""

from __future__ import annotations

from typing import Final

import httpx

from floodgate_local.components.base import Component, Place, answers, jvm_environment
from floodgate_local.java import COMMON_OPTIONS, java_executable
from floodgate_local.state import LOOPBACK

API_PATH: Final = "/apis/ccompat/v7"
_COMPATIBILITY: Final = "BACKWARD_TRANSITIVE"
_TIMEOUT_SECONDS: Final = 10.0


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
        return answers(f"{place.url('apicurio')}{API_PATH}/subjects")

    def settle(self, place: Place) -> None:
        """Set the global compatibility, which a new registry has at NONE."""
        url = f"{place.url('apicurio')}{API_PATH}/config"
        with httpx.Client(timeout=_TIMEOUT_SECONDS, trust_env=False) as client:
            client.put(url, json={"compatibility": _COMPATIBILITY}).raise_for_status()
