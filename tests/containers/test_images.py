"""The images of the services: locked down as in production, they carry a message and stop when they are told to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Final
from uuid import uuid4

import docker
import httpx
import pytest
from floodgate.events.topics import topics
from support.processes import answers, begin_at_the_end, eventually, free_port
from testcontainers.core.container import DockerContainer

_STOP_SECONDS: Final = 30
_USER: Final = "10001:10001"


class Service:
    """A service's container in the network of the host: nothing of it can be written but /tmp."""

    def __init__(self, name: str, env: Mapping[str, str]) -> None:
        self.port = free_port()
        self.metrics_port = free_port()
        mine = {"FLOODGATE_METRICS_PORT": str(self.metrics_port), "FLOODGATE_INGEST_PORT": str(self.port)}
        self.container = DockerContainer(f"floodgate/{name}").with_kwargs(
            network_mode="host",
            read_only=True,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
        )
        self.container.with_tmpfs_mount("/tmp")
        for key, value in {**env, **mine}.items():
            self.container.with_env(key, value)

    def __enter__(self) -> Service:
        self.container.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.container.stop()

    @property
    def log(self) -> str:
        return b"\n".join(self.container.get_logs()).decode(errors="replace")[-3_000:]

    def is_healthy(self) -> bool:
        wrapped = self.container.get_wrapped_container()
        wrapped.reload()
        assert wrapped.status == "running", self.log
        return answers(f"http://127.0.0.1:{self.metrics_port}/healthz")

    def stop(self) -> int:
        """What `docker stop` does, SIGTERM and then the wait; the exit code."""
        wrapped = self.container.get_wrapped_container()
        wrapped.stop(timeout=_STOP_SECONDS)
        return int(wrapped.wait()["StatusCode"])


@pytest.fixture(scope="module")
def services(images: list[str], stack_env: dict[str, str]) -> Iterator[dict[str, Service]]:
    own_group = f"containers-{uuid4().hex[:8]}-"
    for processor in ("ingest", "ingest-closed", "ingest-status", "firewall", "agent", "delivery"):
        # What other tests left on the stack is not worked through.
        state = f"support.{processor}.state"
        inputs = [name for name, topic in topics().items() if processor in topic.readers and name != state]
        begin_at_the_end(stack_env["FLOODGATE_KAFKA_BOOTSTRAP_SERVERS"], own_group + processor, inputs)
    env = {**stack_env, "FLOODGATE_KAFKA_GROUP_PREFIX": own_group, "FLOODGATE_KAFKA_START_OVER": "1"}
    with ExitStack() as running:
        started = {name: running.enter_context(Service(name, env)) for name in images}
        for service in started.values():
            eventually(service.is_healthy, lambda service=service: service.log)
        yield started


def test_a_message_gets_its_verdict_through_the_containers(
    services: dict[str, Service], stack_env: dict[str, str]
) -> None:
    edge = httpx.Client(
        base_url=f"http://127.0.0.1:{services['ingest'].port}",
        headers={"X-API-Key": stack_env["FLOODGATE_INGEST_API_KEY"]},
    )
    conversation = f"container-{uuid4().hex}"
    body = {
        "message_id": uuid4().hex, "conversation_id": conversation, "text": "Where are my tickets for Friday?",
        "contact": {"external_id": "cust-0001", "verified": True}, "chosen_path": "other", "language": "en",
    }  # fmt: skip
    assert edge.post("/v1/messages", json=body).status_code == 202

    def entries() -> set[str]:
        answer = edge.get(f"/v1/conversations/rest:{conversation}")
        return {entry["type"] for entry in answer.json()["entries"]} if answer.status_code == 200 else set()

    eventually(lambda: "verdict" in entries(), lambda: "\n".join(service.log for service in services.values()))


def test_a_container_runs_as_nobody_in_particular_and_can_change_nothing_of_itself(
    services: dict[str, Service], engine: docker.DockerClient
) -> None:
    for name, service in services.items():
        assert engine.images.get(f"floodgate/{name}").attrs["Config"]["User"] == _USER
        code, out = service.container.exec(["id", "-u"])
        assert (code, out.decode().strip()) == (0, "10001")
        for place in ("/srv/catalogue", "/opt/floodgate"):
            code, out = service.container.exec(["touch", f"{place}/x"])
            assert code != 0, f"{name} may write to {place}"


def test_docker_finds_the_health_of_a_container_by_its_progress(services: dict[str, Service]) -> None:
    for service in services.values():
        wrapped = service.container.get_wrapped_container()

        def healthy(wrapped: docker.models.containers.Container = wrapped) -> bool:
            wrapped.reload()
            return bool(wrapped.attrs["State"]["Health"]["Status"] == "healthy")

        eventually(healthy, lambda service=service: service.log)


def test_a_container_leaves_by_itself_when_it_is_told_to(services: dict[str, Service]) -> None:
    for name, service in services.items():
        assert service.stop() == 0, f"{name}: {service.log}"
