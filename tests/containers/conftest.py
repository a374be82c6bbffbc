"""The services' images with everything around them in containers. Without a Docker engine these tests are skipped.

Images are built once, and one cluster serves all tests. Each server's image is named by a variable (own_images.py).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import docker
import pytest
from containers.boxes import ServiceBox
from containers.cluster import Cluster, cluster
from containers.own_images import build_services, have_python
from docker.errors import DockerException
from faults.conftest import seed, tell  # noqa: F401 - fixtures
from faults.services.site import Site
from support.fleet import NAMES

# The reaper is an image of its own, which may not be there to pull; every test here stops what it starts.
os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    try:
        client = docker.from_env()
        client.ping()
    except DockerException:
        pytest.skip("needs a Docker engine: start one, and `docker version` has to answer")
    yield client
    client.close()


@pytest.fixture(scope="session")
def images(engine: docker.DockerClient) -> tuple[str, ...]:
    """The services of the whole way, each built from the one Dockerfile; names of their images."""
    have_python(engine)
    build_services([*NAMES, "local"])
    return NAMES


@pytest.fixture(scope="session")
def servers(
    engine: docker.DockerClient, images: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    with cluster(engine, tmp_path_factory.mktemp("cluster")) as made:
        yield made


@pytest.fixture(scope="session")
def site(
    servers: Cluster,
    seed: int,  # noqa: F811 - the fixture
    tell: Callable[[str], None],  # noqa: F811 - the fixture
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    """Every service once, as its image."""
    boxes: list[ServiceBox] = []

    def box(name: str, env: Mapping[str, str], log: Path) -> ServiceBox:
        boxes.append(ServiceBox(name, env, log))
        return boxes[-1]

    made = Site(servers, seed, tmp_path_factory.mktemp("services"), tell, process=box)  # type: ignore[arg-type]
    try:
        made.start()
        yield made
    finally:
        made.stop()
        for each in boxes:
            each.remove()
