"""OpenSearch with k-NN: one node, no security plugin, loopback only."""

from __future__ import annotations

import json
from typing import Final

from floodgate_local.components.base import Component, Place, answers, jvm_environment
from floodgate_local.java import COMMON_OPTIONS, LOCALE_PROVIDERS, java_executable
from floodgate_local.state import LOOPBACK

_LOG4J: Final = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%-25c{1.}] %marker%m%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
"""


class OpenSearch(Component):
    """See the module."""

    name = "opensearch"
    port_names = ("opensearch", "opensearch-transport")
    is_jvm = True
    refuses_root = True

    def prepare(self, place: Place) -> None:
        """Write the configuration."""
        for folder in ("config", "data", "logs", "tmp"):
            (place.data / folder).mkdir(parents=True, exist_ok=True)
        settings = {
            "cluster.name": "floodgate-local",
            "node.name": "local",
            "path.data": str(place.data / "data"),
            "path.logs": str(place.data / "logs"),
            "network.host": LOOPBACK,
            "http.port": place.ports["opensearch"],
            "transport.port": place.ports["opensearch-transport"],
            "discovery.type": "single-node",
            # A laptop's disk is often fuller than the watermarks of a cluster allow.
            "cluster.routing.allocation.disk.threshold_enabled": False,
            "action.auto_create_index": False,
            # Counting garbage as memory in use asks for a collector that is told to collect before a request is
            # refused (G1); the serial one is not, so that a small heap would refuse writes it has room for.
            "indices.breaker.total.use_real_memory": False,
        }
        # JSON values are YAML values, with all that a path may hold quoted.
        lines = "".join(f"{key}: {json.dumps(value)}\n" for key, value in settings.items())
        (place.data / "config" / "opensearch.yml").write_text(lines, encoding="utf-8")
        (place.data / "config" / "log4j2.properties").write_text(_LOG4J, encoding="utf-8")

    def command(self, place: Place) -> list[str]:
        """See `Component`."""
        return [
            str(java_executable()),
            *COMMON_OPTIONS,
            *("-Xms256m", "-Xmx512m"),
            LOCALE_PROVIDERS,
            f"-Djava.io.tmpdir={place.data / 'tmp'}",
            f"-Djna.tmpdir={place.data / 'tmp'}",
            "-Dfile.encoding=UTF-8",
            "-Djava.awt.headless=true",
            "-Dlog4j.shutdownHookEnabled=false",
            "-Dlog4j2.disable.jmx=true",
            "-Dio.netty.noUnsafe=true",
            "-Dio.netty.noKeySetOptimization=true",
            "-Dio.netty.recycler.maxCapacityPerThread=0",
            "-Dopensearch.networkaddress.cache.ttl=60",
            f"-Dopensearch.path.home={place.installed}",
            f"-Dopensearch.path.conf={place.data / 'config'}",
            "-Dopensearch.distribution.type=tar",
            "-Dopensearch.bundled_jdk=false",
            *("-cp", f"{place.installed / 'lib'}/*"),
            "org.opensearch.bootstrap.OpenSearch",
        ]

    def environment(self, place: Place) -> dict[str, str]:
        """See `Component`."""
        return jvm_environment(place.data)

    def is_ready(self, place: Place) -> bool:
        """Whether the cluster has all its primary shards."""
        return answers(place.ports["opensearch"], "/_cluster/health?wait_for_status=yellow&timeout=1s")
