"""Apache Kafka: one node that is broker and controller (KRaft)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from floodgate_local.components.base import Component, Place, jvm_environment, listens
from floodgate_local.java import COMMON_OPTIONS, java_executable
from floodgate_local.kafka_fencing import SESSION_TIMEOUT_MS, crashed, fence
from floodgate_local.kafka_home import new_log_folder
from floodgate_local.state import LOOPBACK

_PROBE_TIMEOUT_SECONDS: Final = 1.0
_LOGGER: Final = "org.slf4j.simpleLogger"


class Kafka(Component):
    """See the module."""

    name = "kafka"
    port_names = ("kafka", "kafka-controller")
    is_jvm = True
    stop_grace_seconds = 20.0

    def prepare(self, place: Place) -> None:
        """Write the configuration; a new stack gets a formatted log folder, a crashed one its session ended."""
        (place.data / "tmp").mkdir(parents=True, exist_ok=True)
        (place.data / "server.properties").write_text(_properties(place), encoding="utf-8")
        if not (place.data / "log").exists():
            new_log_folder(place.installed, place.data / "log")
        elif crashed(place.data / "log"):
            alone = place.data / "controller.properties"
            alone.write_text(_controller_properties(place), encoding="utf-8")
            options = [f"-D{_LOGGER}.log.org.apache.kafka.controller=info"]
            fence([*_java(place, *options), "kafka.Kafka", str(alone)], {**self.environment(place), **place.mark})

    def command(self, place: Place) -> list[str]:
        """See `Component`."""
        options = [f"-D{_LOGGER}.log.kafka.server.KafkaRaftServer=info"]
        return [*_java(place, *options), "kafka.Kafka", str(place.data / "server.properties")]

    def environment(self, place: Place) -> dict[str, str]:
        """See `Component`."""
        return jvm_environment(place.data)

    def is_ready(self, place: Place) -> bool:
        """Whether the broker tells its cluster's metadata."""
        if not listens(place.ports["kafka"]):
            # A client of a broker that is not there starts threads and tries on for nothing.
            return False
        client = AdminClient(
            {
                "bootstrap.servers": f"{LOOPBACK}:{place.ports['kafka']}",
                "socket.timeout.ms": 1000,
                "log_level": 0,
            }
        )
        try:
            return bool(client.list_topics(timeout=_PROBE_TIMEOUT_SECONDS).brokers)
        except KafkaException:
            return False


def _java(place: Place, *options: str) -> list[str]:
    return [
        str(java_executable()),
        *COMMON_OPTIONS,
        *("-Xms64m", "-Xmx384m"),
        f"-Djava.io.tmpdir={place.data / 'tmp'}",
        f"-D{_LOGGER}.showDateTime=true",
        f"-D{_LOGGER}.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSS",
        f"-D{_LOGGER}.defaultLogLevel=warn",
        *options,
        *("-cp", f"{place.installed / 'libs'}/*"),
    ]


def _controller_properties(place: Place) -> str:
    controller = place.ports["kafka-controller"]
    values = {
        "process.roles": "controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{LOOPBACK}:{controller}",
        "listeners": f"CONTROLLER://{LOOPBACK}:{controller}",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": place.data / "log",
        "broker.session.timeout.ms": SESSION_TIMEOUT_MS,
    }
    return _rendered(values)


def _rendered(values: Mapping[str, object]) -> str:
    return "".join(f"{key}={value}\n" for key, value in values.items())


def _properties(place: Place) -> str:
    broker, controller = place.ports["kafka"], place.ports["kafka-controller"]
    values = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{LOOPBACK}:{controller}",
        "listeners": f"PLAINTEXT://{LOOPBACK}:{broker},CONTROLLER://{LOOPBACK}:{controller}",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{broker}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": place.data / "log",
        # Topics are declared and deployed; a misspelt name must not become a topic.
        "auto.create.topics.enable": "false",
        "num.partitions": 1,
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "share.coordinator.state.topic.num.partitions": 1,
        "group.initial.rebalance.delay.ms": 0,
        # The new group protocol (KIP-848) has its times at the broker; its defaults (45 s, 5 s) are too slow to watch.
        "group.consumer.min.session.timeout.ms": 6_000,
        "group.consumer.session.timeout.ms": 10_000,
        "group.consumer.min.heartbeat.interval.ms": 500,
        "group.consumer.heartbeat.interval.ms": 1_000,
        "log.cleaner.dedupe.buffer.size": 8_388_608,
        # Index files are allocated whole; small ones keep many partitions cheap.
        "log.index.size.max.bytes": 1_048_576,
        "log.segment.bytes": 67_108_864,
        "num.network.threads": 2,
        "num.io.threads": 4,
        "num.recovery.threads.per.data.dir": 2,
    }
    return _rendered(values)
