"""A whole site under faults: the stack, the services under their supervisor, and rounds that end in the audit."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
from confluent_kafka import Message as KafkaMessage
from faults.services.audit import problems
from faults.services.journal import PROCESSORS, Reader, inputs_of
from faults.services.load import Load
from faults.services.picture import Picture
from faults.services.round import Round
from floodgate.bedrock.local_server import LocalServer
from floodgate.events.serde import AvroSerde
from floodgate.events.topics import topics
from floodgate_demo.tally import Follower
from floodgate_local.provision import provision
from floodgate_local.stack import Stack
from floodgate_local.state import repository_root
from keyflow.errors import KeyflowError
from support.fleet import Fleet
from support.processes import ServiceProcess, begin_at_the_end, eventually, free_port

_SERVICE_SETTINGS: Final = {
    "MALLOC_ARENA_MAX": "2",  # as in the images
    # Two cores serve the broker, the model and five services: more in flight would only wait.
    "FLOODGATE_KAFKA_MAX_IN_FLIGHT": "12",
    "FLOODGATE_KAFKA_COMMIT_INTERVAL_SECONDS": "0.05",
    "FLOODGATE_INTERCOM_TIMEOUT_SECONDS": "3",
    "FLOODGATE_SHOP_TIMEOUT_SECONDS": "3",
    # What a killed poller had in hand comes back soon.
    "FLOODGATE_INGEST_SQS_VISIBILITY_SECONDS": "15",
    "FLOODGATE_INGEST_SQS_WAIT_SECONDS": "1",
    "FLOODGATE_INGEST_RECONCILE_INTERVAL_SECONDS": "20",
    "FLOODGATE_INGEST_RECONCILE_GRACE_SECONDS": "10",
}
_PROGRESS_SECONDS: Final = 240.0


class TolerantFollower(Follower):
    """Follows topics on which broken records stand too."""

    def _take(self, message: KafkaMessage) -> None:
        try:
            super()._take(message)
        except KeyflowError:
            return


class Site:
    """One stack with its services.

    Args:
        stack: Up and provisioned.
        seed: Of everything that is random.
        logs: Folder for the services' logs.
        tell: Takes a line on what was proven.
        group_prefix: Of the services' groups.
        process: What a service runs as.
        **settings: More environment of the services.
    """

    def __init__(
        self,
        stack: Stack,
        seed: int,
        logs: Path,
        tell: Callable[[str], None],
        *,
        group_prefix: str = "floodgate.",
        process: Callable[[str, Mapping[str, str], Path], ServiceProcess] = ServiceProcess,
        **settings: str,
    ) -> None:
        self.stack = stack
        self.seed = seed
        self.tell = tell
        self.group_prefix = group_prefix
        # What runs is this checkout's, whatever the process was started with.
        self.env = {
            **stack.env(),
            "FLOODGATE_CATALOGUE_DIR": str(repository_root() / "catalogue"),
            "FLOODGATE_KAFKA_GROUP_PREFIX": group_prefix,
            "FLOODGATE_KAFKA_START_OVER": "1",
        }
        self.servers = self.env["FLOODGATE_KAFKA_BOOTSTRAP_SERVERS"]
        self.reader = Reader(self.servers, group_prefix)
        self.serde = AvroSerde(self.env["FLOODGATE_SCHEMA_REGISTRY_URL"])
        self.model = LocalServer(self.env["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"])
        self._ingest_port = free_port()
        environment = {**os.environ, **self.env, **_SERVICE_SETTINGS, **settings}
        self.fleet = Fleet(environment, logs, self._ingest_port, process)
        self.follower = TolerantFollower(self.servers, self.serde)
        self._rounds = 0
        self._load: Load | None = None

    def begin_at_the_end(self) -> None:
        """Leaves alone what others wrote to a shared stack before."""
        for processor in PROCESSORS:
            begin_at_the_end(self.servers, self.group_prefix + processor, inputs_of(processor))

    def start(self) -> None:
        """Starts the services, and lets the stand-in's webhooks come here, with the patience of Intercom."""
        self.follower.start()
        self.fleet.start()
        self.local("intercom", "PUT", "/_local/webhook", self._target(f"http://127.0.0.1:{self._ingest_port}"))

    def stop(self) -> None:
        self.heal()
        self.local("intercom", "PUT", "/_local/webhook", {})
        self.fleet.stop()
        self.follower.stop()

    def _target(self, ingest_url: str) -> dict[str, Any]:
        return {"url": f"{ingest_url}/webhooks/intercom", "max_attempts": 100, "first_retry_seconds": 0.5}

    # Faults of what stands around the services

    def shop_fails(self, **rule: Any) -> None:
        self.local("shop", "PUT", "/_local/faults", {"rules": [rule]})

    def intercom_fails(self, **rule: Any) -> None:
        self.local("intercom", "PUT", "/_local/faults", {"rules": [rule]})

    def heal(self) -> None:
        """Switches every fault of the stand-ins off."""
        self.local("shop", "DELETE", "/_local/faults")
        self.local("intercom", "DELETE", "/_local/faults")
        self.model.clear_faults()

    def signal_kafka(self, number: int) -> None:
        """Stops or continues the broker's process."""
        [kafka] = [status for status in self.stack.status() if status.name == "kafka"]
        assert kafka.pid is not None
        os.kill(kafka.pid, number)

    def local(self, server: str, method: str, path: str, body: object = None) -> Any:
        url = self.env[f"FLOODGATE_{server.upper()}_BASE_URL"]
        return httpx.request(method, f"{url}{path}", json=body, timeout=30.0).raise_for_status().json()

    # Progress

    def outputs(self) -> int:
        """How many outputs have been read: what faults are paced by."""
        with self.follower.seen.lock:
            seen = self.follower.seen
            return len(seen.verdicts) + len(seen.replies) + len(seen.escalations) + len(seen.summaries)

    def await_progress(self, count: int) -> None:
        """Returns once so many more outputs are committed."""
        wanted = self.outputs() + count
        self.follower.check()

        def there() -> bool:
            if self._load is not None:
                self._load.check()
            return self.outputs() >= wanted

        eventually(
            there,
            lambda: (
                f"no progress: {wanted - self.outputs()} outputs missing; exits: {self.fleet.exits[-5:]}; "
                f"lag: {self.reader.lag()}"
            ),
            _PROGRESS_SECONDS,
        )

    # Rounds

    @contextmanager
    def round(self, name: str) -> Iterator[Round]:
        """Load inside; afterwards everything heals, settles and is audited.

        Raises:
            AssertionError: Something is not as it should be; says what.
        """
        self._rounds += 1
        begun = Round(self, f"{self.seed}-{self._rounds}-{name}", self.reader.ends(topics()))
        exits = len(self.fleet.exits)
        began = time.monotonic()
        begun.load.start()
        self._load = begun.load
        try:
            yield begun
        finally:
            # Also after a failure: the next round shall not find what this one left under way.
            self.heal()
            self.fleet.go_on()
            begun.load.stop()
            self.fleet.await_ready()
            begun.settle()
        picture = begun.picture()
        found = problems(picture)
        self.tell(_figures(name, picture, begun, self.fleet.exits[exits:], time.monotonic() - began))
        assert not found, f"seed {self.seed}, {len(found)} problems:\n" + "\n".join(found[:40])


def _figures(name: str, picture: Picture, begun: Round, exits: list[str], seconds: float) -> str:
    """What a round proved, and under how much load."""
    line = (
        f"{name}: {len(picture.user_messages)} messages, {len(picture.verdicts)} verdicts, "
        f"{len(picture.replies)} replies, {len(picture.escalations)} hand-overs, {len(picture.actions)} shop actions "
        f"so far, {len(picture.dropped)} drops, {len(picture.letters)} dead letters ({len(picture.poison)} records "
        f"broken on purpose), {begun.kills} kills, {len(exits)} other exits, {seconds:.0f} s"
    )
    return "\n".join([line, *(f"  {item}" for item in exits)])


def floodgate(env: Mapping[str, str], *arguments: str) -> None:
    """A command of the deploy step.

    Raises:
        AssertionError: It fails; with what it said.
    """
    command = [sys.executable, "-m", "floodgate.cli.main", *arguments]
    done = subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"floodgate {' '.join(arguments)}: {done.stderr[-2000:]}"


def prepare(stack: Stack) -> None:
    """The deploy step: topics, schemas, bucket, knowledge, feature group."""
    stack.set_env(provision(stack.env()).env)
    env = {**stack.env(), "FLOODGATE_STATE": str(stack.state_dir)}
    floodgate(env, "knowledge", "sync")
    floodgate(env, "features", "setup")
