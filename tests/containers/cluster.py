"""Everything that the services talk to, in containers: three brokers, registry, OpenSearch, the local AWS servers.

Brokers restart in the middle of a test, so their ports are fixed, below the range of outgoing connections. Each broker
is in two networks: by one the others reach it, by the other its port is published. Cutting it off takes it out of the
first: its clients still find it, and it cannot do anything for them.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import docker
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from containers.own_images import server
from faults.services.site import prepare
from floodgate.admin import apply_topics
from floodgate.settings import KafkaSettings
from floodgate_local.components.apicurio import API_PATH, Apicurio
from floodgate_local.components.base import Place
from floodgate_local.environment import stack_env
from floodgate_local.state import LOOPBACK, SECRET_KEYS, free_ports
from support.processes import answers, eventually
from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network

BROKERS: Final = 3
PYTHON_SERVERS: Final = ("bedrock", "featurestore", "intercom", "shop")
_CLUSTER_ID: Final = "Zmxvb2RnYXRlLWNvbnRhaQ"
_START_SECONDS: Final = 180.0
_BROKER: Final = {
    "CLUSTER_ID": _CLUSTER_ID,
    "KAFKA_PROCESS_ROLES": "broker,controller",
    "KAFKA_CONTROLLER_QUORUM_VOTERS": ",".join(f"{n}@kafka-{n}:9093" for n in range(1, BROKERS + 1)),
    "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
    "KAFKA_INTER_BROKER_LISTENER_NAME": "BROKER",
    "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CLIENT:PLAINTEXT,BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "KAFKA_LOG_DIRS": "/var/lib/kafka/data",
    # Topics are declared and deployed; a misspelt name must not become a topic.
    "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
    "KAFKA_DEFAULT_REPLICATION_FACTOR": "3",
    "KAFKA_MIN_INSYNC_REPLICAS": "2",
    "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "3",
    "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "8",
    "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "3",
    "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "2",
    "KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS": "8",
    "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
    "KAFKA_LOG_CLEANER_DEDUPE_BUFFER_SIZE": "8388608",
    # Index files are allocated whole; small ones keep many partitions cheap.
    "KAFKA_LOG_INDEX_SIZE_MAX_BYTES": "1048576",
    "KAFKA_LOG_SEGMENT_BYTES": "67108864",
    "KAFKA_HEAP_OPTS": "-Xms64m -Xmx384m",
}


class Broker:
    """One of the cluster, and what can happen to it."""

    def __init__(self, number: int, port: int, image: str, inner: Network, outer: Network) -> None:
        self.name = f"kafka-{number}"
        self._inner = inner
        listeners = "CLIENT://:9092,BROKER://:9094,CONTROLLER://:9093"
        env = {
            **_BROKER,
            "KAFKA_NODE_ID": str(number),
            "KAFKA_LISTENERS": listeners,
            "KAFKA_ADVERTISED_LISTENERS": f"CLIENT://{LOOPBACK}:{port},BROKER://{self.name}:9094",
        }
        self.container = _container(image, env).with_network(outer)
        _publish(self.container, 9092, port)

    def start(self) -> None:
        self.container.start()
        self.reconnect()

    def kill(self) -> None:
        """`kill -9`."""
        self._wrapped.kill("SIGKILL")

    def restart(self) -> None:
        """Comes back with its data and its port."""
        self._wrapped.start()

    def pause(self) -> None:
        self._wrapped.pause()

    def unpause(self) -> None:
        self._wrapped.unpause()

    def cut_off(self) -> None:
        """The other brokers and it do not reach each other any more."""
        self._inner._network.disconnect(self._wrapped)

    def reconnect(self) -> None:
        self._inner.connect(self._wrapped.id, [self.name])

    @property
    def _wrapped(self) -> Any:
        return self.container.get_wrapped_container()


class Cluster:
    """The servers of one site, up and prepared. A site takes it for its stack."""

    def __init__(self, brokers: list[Broker], env: Mapping[str, str], state_dir: Path) -> None:
        self.brokers = brokers
        self.state_dir = state_dir
        self._env = dict(env)

    def env(self) -> dict[str, str]:
        return dict(self._env)

    def set_env(self, values: Mapping[str, str]) -> None:
        self._env.update(values)

    def await_whole(self) -> None:
        """Returns once every partition has all its replicas in sync."""
        servers = self._env["FLOODGATE_KAFKA_BOOTSTRAP_SERVERS"]
        client = AdminClient({"bootstrap.servers": servers, "log_level": 0})
        eventually(lambda: _is_whole(client), "a replica does not catch up", _START_SECONDS)


@contextmanager
def cluster(engine: docker.DockerClient, state_dir: Path) -> Iterator[Cluster]:
    """Servers inside, gone afterwards."""
    names = [*(f"kafka-{n}" for n in range(1, BROKERS + 1)), "apicurio", "opensearch", "moto", *PYTHON_SERVERS]
    ports = dict(zip(names, free_ports(len(names), set()), strict=True))
    env = stack_env({**ports, "kafka": 0}, {key: secrets.token_hex(32) for key in SECRET_KEYS})
    env["FLOODGATE_KAFKA_BOOTSTRAP_SERVERS"] = ",".join(
        f"{LOOPBACK}:{ports[f'kafka-{n}']}" for n in range(1, BROKERS + 1)
    )
    with ExitStack() as running:
        inner, outer = (running.enter_context(Network()) for _ in range(2))
        image = server(engine, "kafka")
        brokers = [Broker(n, ports[f"kafka-{n}"], image, inner, outer) for n in range(1, BROKERS + 1)]
        others = [_registry(engine, ports["apicurio"]), _opensearch(engine, ports["opensearch"])]
        others += [_python_server(name, ports[name], env) for name in ("moto", *PYTHON_SERVERS)]
        for broker in brokers:
            running.callback(broker.container.stop)
            broker.start()
        for container in others:
            running.callback(container.stop)
            container.start()
        made = Cluster(brokers, env, state_dir)
        _await_servers(made, ports, others)
        _prepare(made, ports)
        yield made


def _prepare(made: Cluster, ports: Mapping[str, int]) -> None:
    env = made.env()
    Apicurio().settle(Place(Path(), None, ports))
    kafka = KafkaSettings(bootstrap_servers=env["FLOODGATE_KAFKA_BOOTSTRAP_SERVERS"])
    apply_topics(kafka, replication=BROKERS)
    prepare(made)  # type: ignore[arg-type]


def _await_servers(made: Cluster, ports: Mapping[str, int], others: list[DockerContainer]) -> None:
    probes = {
        "apicurio": f"{API_PATH}/subjects",
        "opensearch": "/_cluster/health?wait_for_status=yellow&timeout=1s",
        "moto": "/moto-api/",
        **dict.fromkeys(PYTHON_SERVERS, "/healthz"),
    }
    for (name, path), container in zip(probes.items(), others, strict=True):
        url = f"http://{LOOPBACK}:{ports[name]}{path}"
        eventually(lambda url=url: answers(url), lambda c=container: _log(c), _START_SECONDS)  # type: ignore[misc]
    client = AdminClient({"bootstrap.servers": made.env()["FLOODGATE_KAFKA_BOOTSTRAP_SERVERS"], "log_level": 0})
    logs: Callable[[], str] = lambda: "\n".join(_log(broker.container) for broker in made.brokers)  # noqa: E731
    eventually(lambda: _brokers(client) == BROKERS, logs, _START_SECONDS)


def _brokers(client: AdminClient) -> int:
    try:
        return len(client.list_topics(timeout=5).brokers)
    except KafkaException:
        return 0


def _is_whole(client: AdminClient) -> bool:
    try:
        topics = client.list_topics(timeout=5).topics.values()
    except KafkaException:
        return False
    return all(len(p.isrs) == len(p.replicas) for topic in topics for p in topic.partitions.values())


def _registry(engine: docker.DockerClient, port: int) -> DockerContainer:
    return _publish(_container(server(engine, "registry"), {}), 8080, port)


def _opensearch(engine: docker.DockerClient, port: int) -> DockerContainer:
    env = {
        "discovery.type": "single-node",
        "DISABLE_SECURITY_PLUGIN": "true",
        "action.auto_create_index": "false",
        # A disk is often fuller than the watermarks of a cluster allow.
        "cluster.routing.allocation.disk.threshold_enabled": "false",
        "OPENSEARCH_JAVA_OPTS": "-Xms256m -Xmx512m",
    }
    return _publish(_container(server(engine, "opensearch"), env), 9200, port)


def _python_server(name: str, port: int, env: Mapping[str, str]) -> DockerContainer:
    module = "moto.server" if name == "moto" else f"floodgate_local.{name}"
    arguments = ["-H", LOOPBACK, "-p", str(port)]
    if name != "moto":
        arguments = ["--port", str(port), "--state-dir", "/tmp/state"]
    container = _container("floodgate/local", {**env, "FLOODGATE_SERVICE": module})
    # Its callbacks go to the services, which listen on the host's loopback.
    unwatched = {"test": ["NONE"]}  # what the image asks is a service's port
    return container.with_kwargs(network_mode="host", healthcheck=unwatched).with_command(arguments)


def _container(image: str, env: Mapping[str, str]) -> DockerContainer:
    container = DockerContainer(image)
    for key, value in env.items():
        container.with_env(key, value)
    return container


def _publish(container: DockerContainer, inside: int, outside: int) -> DockerContainer:
    """On loopback alone."""
    container.ports[f"{inside}/tcp"] = (LOOPBACK, outside)
    return container


def _log(container: DockerContainer) -> str:
    return b"\n".join(container.get_logs()).decode(errors="replace")[-3_000:]
