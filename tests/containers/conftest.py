"""The services' images on a Docker engine, beside the local stack. Without an engine these tests are skipped.

FLOODGATE_TEST_STATE names the state folder of a stack that already runs, to save its start while developing.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import docker
import pytest
from docker.errors import DockerException, ImageNotFound
from floodgate_local.provision import provision
from floodgate_local.testing import stack_for_tests

# The reaper is an image of its own, which may not be there to pull; every test here stops what it starts.
os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")

ROOT: Final = Path(__file__).parents[2]
BASE: Final = os.environ.get("FLOODGATE_TEST_PYTHON_IMAGE", "python:3.11-slim")


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
def images(engine: docker.DockerClient) -> list[str]:
    """The services of the message's way, each built from the one Dockerfile; names of their images."""
    _have_base(engine)
    services = ["ingest", "firewall", "agent", "delivery"]
    subprocess.run(["make", "-s", "images", f"ONLY={' '.join(services)}", f"PYTHON_IMAGE={BASE}"], cwd=ROOT, check=True)
    return services


def _have_base(engine: docker.DockerClient) -> None:
    """The public image where it can be pulled, else one of the same name from Debian's packages."""
    try:
        engine.images.get(BASE)
        return
    except ImageNotFound:
        pass
    try:
        engine.images.pull(BASE)
    except DockerException:
        subprocess.run([ROOT / "deploy/images/local-base", BASE], check=True)


@pytest.fixture(scope="session")
def stack_env() -> Iterator[dict[str, str]]:
    """The environment of a running local stack with topics and schemas."""
    for stack in stack_for_tests():
        stack.set_env(provision(stack.env()).env)
        yield stack.env()
