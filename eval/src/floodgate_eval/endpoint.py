"""Where the model is: the local Bedrock server, started for the run and stopped after it, or Bedrock."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import boto3
import httpx
from botocore.config import Config
from floodgate.bedrock import BedrockModel, BedrockSettings
from floodgate.bedrock.budget import Budget
from floodgate.bedrock.local_server import is_local_server
from floodgate.settings import load
from keyflow import FatalError

from floodgate_eval.catalogues import Measured, write_for_local_model

if TYPE_CHECKING:
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient

LOCAL: Final = "local"
AWS: Final = "aws"
CONFIGURED: Final = "configured"
"""Where the services find theirs: AWS_ENDPOINT_URL_BEDROCK_RUNTIME or, without it, AWS."""
LOOPBACK: Final = "127.0.0.1"
# Training on thousands of examples takes a while on a busy machine.
_START_SECONDS: Final = 600.0
_POLL_SECONDS: Final = 0.1
_STOP_SECONDS: Final = 10.0
_READ_TIMEOUT_SECONDS: Final = 60.0
_LOCAL_REGION: Final = "eu-central-1"
_TAIL_LINES: Final = 8


@contextmanager
def model_at(
    endpoint: str,
    measured: Measured,
    *,
    catalogue_dir: Path | None,
    model_id: str | None,
    concurrency: int,
    say: Callable[[str], None],
    budget: Budget | None = None,
) -> Iterator[BedrockModel]:
    """The model client of the services, connected to an endpoint for as long as the run lasts.

    Args:
        endpoint: "local", "aws", "configured", or an address.
        measured: The local model is shown its catalogue.
        catalogue_dir: Where that catalogue stands; a temporary one is written for the local model.
        model_id: In place of the configured one.
        concurrency: Most calls in flight.
        say: Shown to whoever waits.
        budget: Shared with other clients of the run; one of its own when left out.

    Raises:
        FatalError: The local server does not come up, or a setting is wrong.
    """
    if endpoint != LOCAL:
        if endpoint == CONFIGURED:
            endpoint = os.environ.get("AWS_ENDPOINT_URL_BEDROCK_RUNTIME") or AWS
        url = None if endpoint == AWS else endpoint.rstrip("/")
        if url is not None and not url.startswith(("http://", "https://")):
            raise FatalError(f"--endpoint {endpoint}: say local, aws, or an address such as http://127.0.0.1:8080")
        is_ours = url is not None and is_local_server(url)
        with _connected(_settings(model_id, concurrency, capped=not is_ours), url, budget, local=is_ours) as model:
            yield model
        return
    with tempfile.TemporaryDirectory(prefix="floodgate-eval-") as folder:
        shown = catalogue_dir
        if measured.temporary or shown is None:
            shown = Path(folder) / "catalogue"
            write_for_local_model(measured.catalogue, shown)
        say(f"starting the local Bedrock server ({_count(measured)})")
        with (
            local_server(shown, Path(folder) / "state") as url,
            _connected(_settings(model_id, concurrency, capped=False), url, local=True) as model,
        ):
            yield model


@contextmanager
def local_server(catalogue_dir: Path, state_dir: Path) -> Iterator[str]:
    """Runs the local Bedrock server on a free loopback port; stopped at the end, whatever happens.

    Raises:
        FatalError: It does not come up.
    """
    state_dir.mkdir(parents=True, exist_ok=True)
    port = _free_port()
    command = [
        sys.executable, "-m", "floodgate_local.bedrock", "--port", str(port),
        "--state-dir", str(state_dir), "--catalogue", str(catalogue_dir),
    ]  # fmt: skip
    log = state_dir / "server.log"
    # One thread each for the linear algebra: the calls themselves run side by side.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)  # noqa: S603 (ours)
    try:
        url = f"http://{LOOPBACK}:{port}"
        _until_ready(process, url, log)
        yield url
    finally:
        _stop(process)


def _until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    # One client: each new one would read all certificates of the system again, for a loopback address.
    with httpx.Client(verify=False, timeout=2.0, trust_env=False) as client:  # noqa: S501 - plain HTTP on loopback
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise FatalError(f"the local Bedrock server exited with {process.returncode}: {_tail(log)}")
            with suppress(httpx.HTTPError):  # not there yet
                if client.get(f"{url}/healthz").is_success:
                    return
            time.sleep(_POLL_SECONDS)
    raise FatalError(f"the local Bedrock server did not come up within {_START_SECONDS:.0f} s: {_tail(log)}")


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return " / ".join(lines[-_TAIL_LINES:]) or "it wrote nothing"


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def _settings(model_id: str | None, concurrency: int, *, capped: bool) -> BedrockSettings:
    changes: dict[str, Any] = {
        "max_in_flight": concurrency,
        "read_timeout_seconds": _READ_TIMEOUT_SECONDS,
        "deadline_seconds": 2 * _READ_TIMEOUT_SECONDS,
        "fallback_model_id": None,  # one model is measured, and no other in its place
    }
    if model_id:
        changes["model_id"] = model_id
    if not capped:
        # The local model costs nothing; its list price is reported, and no cap should end the run.
        changes["max_usd"] = None
    return load(BedrockSettings).model_copy(update=changes)


@contextmanager
def _connected(
    settings: BedrockSettings, url: str | None, budget: Budget | None = None, *, local: bool
) -> Iterator[BedrockModel]:
    def client(of: BedrockSettings) -> BedrockRuntimeClient:
        # The stubs do not know the first; without it a local stack's environment would redirect a run on AWS.
        options: dict[str, Any] = {"ignore_configured_endpoint_urls": True, "parameter_validation": not local}
        config = Config(
            retries={"mode": "standard", "total_max_attempts": 1},
            max_pool_connections=2 * of.max_in_flight,
            connect_timeout=of.connect_timeout_seconds,
            read_timeout=of.read_timeout_seconds,
            **options,
        )
        session = boto3.session.Session()
        if local:
            return session.client(
                "bedrock-runtime", endpoint_url=url, region_name=of.region or _LOCAL_REGION, config=config,
                aws_access_key_id="local", aws_secret_access_key="local",  # noqa: S106 - the local server takes any
            )  # fmt: skip
        return session.client("bedrock-runtime", endpoint_url=url, region_name=of.region, config=config)

    # The local model costs nothing: what others have left of the budget does not bind it.
    model = BedrockModel(settings, client_factory=client, budget=None if local else budget)
    try:
        yield model
    finally:
        model.close()


def _count(measured: Measured) -> str:
    categories = measured.catalogue.categories
    texts = sum(len(kept) for category in categories for kept in category.examples.values())
    return f"{len(categories)} categories, {texts} examples"
