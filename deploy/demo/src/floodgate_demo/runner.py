"""The demo from beginning to end: stack, services, users, drops, accounting."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import boto3
import httpx
from botocore.exceptions import BotoCoreError, ClientError
from confluent_kafka import Producer
from floodgate.events.serde import AvroSerde
from floodgate_local import Stack
from floodgate_local.progress import StackProgress
from floodgate_local.provision import provision
from floodgate_local.state import free_ports
from keyflow.errors import FatalError

from floodgate_demo.figures import counter_value, histogram_percentiles
from floodgate_demo.player import Played, Player
from floodgate_demo.report import Expected, Report, account, count_replies, make_report
from floodgate_demo.scenario import Scenario
from floodgate_demo.services import NAMES, Services, rss_bytes
from floodgate_demo.tally import Follower, Seen
from floodgate_demo.trying import try_out

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SETTLE_SECONDS: Final = 180.0
"""How long everything may take after the last message went in."""

_QUIET_SECONDS: Final = 2.0
_STEP_SECONDS: Final = 0.5

Tell = Callable[[str], None]


@dataclass(slots=True)
class Running:
    """A demo that is up: what it runs on and what it has seen."""

    stack: Stack
    services: Services
    follower: Follower
    env: dict[str, str]
    ingest_url: str
    console_url: str
    began: float = field(default_factory=time.monotonic)
    peak_rss_bytes: int = 0

    @property
    def seen(self) -> Seen:
        """What was read from the topics."""
        return self.follower.seen


@contextmanager
def running(stack: Stack, progress: StackProgress, tell: Tell, began: float) -> Iterator[Running]:
    """Brings everything up and, at the end, down again.

    Raises:
        StackError: The stack does not come up.
        FatalError: A deploy step or a service fails; names it.
    """
    follower: Follower | None = None
    services: Services | None = None
    sampler = threading.Event()
    try:
        stack.up(progress, fresh=True)
        env = stack.env()
        made = provision(env)
        stack.set_env(made.env)
        env = {**stack.env(), "FLOODGATE_STATE": str(stack.state_dir)}
        _floodgate(env, "knowledge", "sync")
        _floodgate(env, "features", "setup")
        tell(f"prepared: {made.topics_created} topics, {made.schemas_created} schemas, knowledge, feature group")
        port, console_port = free_ports(2, set())
        services = Services(env, stack.state_dir / "logs", port, console_port)
        services.start()
        tell(f"services: {', '.join(NAMES)} are up, and the console: http://127.0.0.1:{console_port}")
        follower = Follower(env["FLOODGATE_KAFKA_BOOTSTRAP_SERVERS"], AvroSerde(env["FLOODGATE_SCHEMA_REGISTRY_URL"]))
        follower.start()
        demo = Running(
            stack, services, follower, env, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{console_port}", began
        )
        threading.Thread(target=_sample, args=(demo, sampler), daemon=True).start()
        yield demo
    finally:
        sampler.set()
        if follower is not None:
            follower.stop()
        if services is not None:
            services.stop()
        stack.down()


def _floodgate(env: Mapping[str, str], *arguments: str) -> None:
    command = [sys.executable, "-m", "floodgate.cli.main", *arguments]
    done = subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, check=False)  # noqa: S603 (ours)
    if done.returncode != 0:
        raise FatalError(f"`floodgate {' '.join(arguments)}` failed: {(done.stderr or done.stdout).strip()[-1500:]}")


def _sample(demo: Running, stop: threading.Event) -> None:
    while not stop.wait(1.0):
        total = demo.stack.rss_bytes() + rss_bytes(demo.services.pids)
        demo.peak_rss_bytes = max(demo.peak_rss_bytes, total)


def play(demo: Running, scenario: Scenario) -> Report:
    """Sends the scenario through the front doors and waits until all of it is accounted for.

    Raises:
        FatalError: A service died, or a front door refuses.
    """
    try:
        httpx.put(
            f"{demo.env['FLOODGATE_INTERCOM_BASE_URL']}/_local/webhook",
            json={"url": f"{demo.ingest_url}/webhooks/intercom"},
            timeout=10.0,
        ).raise_for_status()
        _drop(demo.env, scenario)
        _publish_broken(demo.env, scenario)
        player = Player(demo.env["FLOODGATE_INTERCOM_BASE_URL"], demo.seen)
        asyncio.run(player.play(scenario.plays))
    except (httpx.HTTPError, ClientError, BotoCoreError) as error:
        demo.services.check()
        raise FatalError(f"a front door failed: {type(error).__name__}: {error}") from error
    report = settle(demo, lambda: _expected(demo, scenario, player.played), player.played.problems)
    return replace(report, shadow=try_out(demo.env, demo.stack.state_dir))


def settle(demo: Running, expected: Callable[[], Expected], problems: list[str]) -> Report:
    """Waits until nothing is missing and every reply is shown, or the deadline comes; then counts."""
    quiet_since = 0.0
    deadline = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < deadline:
        demo.services.check()
        demo.follower.check()
        if not _is_settled(demo, expected()):
            quiet_since = 0.0
        elif quiet_since == 0.0:
            quiet_since = time.monotonic()
        elif time.monotonic() - quiet_since >= _QUIET_SECONDS:
            # One effect leads to the next (a reply to a close, a close to an interaction): quiet means that none did.
            break
        time.sleep(_STEP_SECONDS)
    seconds = time.monotonic() - demo.began
    report = make_report(
        demo.seen,
        replace(expected(), **_own_figures(demo.services)),
        seconds=seconds,
        peak_rss_bytes=demo.peak_rss_bytes,
    )
    report.problems.extend(problems)
    return report


def _own_figures(services: Services) -> dict[str, Any]:
    timed = {
        "ingest (HTTP)": histogram_percentiles(services.metrics("ingest"), "floodgate_ingest_http_seconds"),
        "delivery": histogram_percentiles(services.metrics("delivery"), "floodgate_delivery_sent_seconds"),
    }
    firewall = services.metrics("firewall")
    return {
        "latency_ms": {name: figures for name, figures in timed.items() if figures is not None},
        "without_retrieval": counter_value(firewall, "floodgate_firewall_retrieval_failed_total"),
    }


def _is_settled(demo: Running, expected: Expected) -> bool:
    with demo.seen.lock:
        lost = account(demo.seen, expected)[1]
        shown = expected.replies_shown is None or expected.replies_shown >= count_replies(demo.seen)
    return lost == 0 and shown


def _expected(demo: Running, scenario: Scenario, played: Played) -> Expected:
    # Whoever closed a conversation, a human or delivery after the last step of a workflow: it is finished.
    summary = httpx.get(f"{demo.env['FLOODGATE_INTERCOM_BASE_URL']}/_local/summary", timeout=10.0).json()
    return Expected(
        messages=played.messages,
        interaction_lines=sum(drop.lines for drop in scenario.drops),
        closed_conversations=int(summary["conversations_by_state"].get("closed", 0)),
        broken_raw=len(scenario.broken_raw),
        replies_shown=int(summary["bot"]["replies"]),
        judged=played.judged,
    )


def _drop(env: Mapping[str, str], scenario: Scenario) -> None:
    client: S3Client = boto3.client(
        "s3",
        endpoint_url=env["AWS_ENDPOINT_URL"],
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
        region_name=env["AWS_REGION"],
    )
    for drop in scenario.drops:
        client.put_object(Bucket=env["FLOODGATE_S3_BUCKET"], Key=f"interactions/demo/{drop.name}", Body=drop.body)


def _publish_broken(env: Mapping[str, str], scenario: Scenario) -> None:
    producer = Producer(
        {"bootstrap.servers": env["FLOODGATE_KAFKA_BOOTSTRAP_SERVERS"], "partitioner": "murmur2_random"}
    )
    for number, value in enumerate(scenario.broken_raw):
        producer.produce("support.intercom.raw", key=f"intercom:broken-{number}", value=value)
    if producer.flush(15.0):
        raise FatalError("Kafka did not take the raw records within 15 s")


def ingest_file(demo: Running, path: Path) -> Report:
    """Sends a user's own file through `floodgate ingest file` and waits until all of it is accounted for.

    Raises:
        FatalError: The file cannot be read, or a service died.
    """
    command = [sys.executable, "-m", "floodgate.cli.main", "ingest", "file", str(path), "--json"]
    done = subprocess.run(  # noqa: S603 (ours)
        command, env={**os.environ, **demo.env}, stdout=subprocess.PIPE, text=True, check=False
    )
    try:
        result = json.loads(done.stdout)
    except ValueError as error:
        raise FatalError(f"`floodgate ingest file {path}` failed with exit code {done.returncode}") from error
    expected = Expected(
        messages=int(result.get("messages", 0)),
        interaction_lines=int(result.get("interactions", 0)),
        closed_conversations=0,
        broken_raw=0,
    )
    return settle(demo, lambda: expected, [])
