"""The summarizer as a process of its own on the real local stack, with a feature group of its own."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer
from floodgate.events import Interaction, Turn, edge_event_id
from floodgate.events.serde import AvroSerde
from floodgate.events.times import from_ms, now_ms
from floodgate.service import EventProducer
from floodgate.settings import KafkaSettings
from floodgate_local.state import repository_root
from support.processes import DEADLINE_SECONDS, ServiceProcess, ends_of, running

OUTPUTS = ("support.summaries", "support.dead-letters")


@dataclass
class Archive:
    """Hands in finished interactions and collects what becomes of them."""

    serde: AvroSerde
    consumer: Consumer
    servers: str
    env: dict[str, str]
    seen: dict[str, list[Any]] = field(default_factory=lambda: {topic: [] for topic in OUTPUTS})

    def interaction(self, *turns: tuple[str, str], **changes: Any) -> Interaction:
        interaction_id = changes.pop("interaction_id", None) or uuid.uuid4()
        values: dict[str, Any] = {
            "event_id": edge_event_id("test", f"{interaction_id}:{turns}"),
            "occurred_at": from_ms(now_ms()),
            "interaction_id": interaction_id,
            "source": "file",
            "contact_id": "test-contact",
            "ended_at": from_ms(now_ms() - 60_000),
            "turns": tuple(Turn(role=role, text=text) for role, text in turns),
            **changes,
        }
        return Interaction(**values)

    def hand_in(self, *interactions: Interaction) -> None:
        async def send() -> None:
            producer = EventProducer(KafkaSettings(bootstrap_servers=self.servers), self.serde)
            for interaction in interactions:
                await producer.send("support.interactions", str(interaction.interaction_id), interaction)
            await producer.close()

        asyncio.run(send())

    def all(self, topic: str, matches: Callable[[Any], bool]) -> list[Any]:
        """What came out so far and matches."""
        for record in self.consumer.consume(500, timeout=0.2):
            value = record.value()
            if record.error() is None and value is not None:
                self.seen[record.topic()].append(self.serde.decode(record.topic(), value))
        return [value for value in self.seen[topic] if matches(value)]

    def await_one(self, topic: str, matches: Callable[[Any], bool]) -> Any:
        """The first record that matches.

        Raises:
            AssertionError: None comes in time.
        """
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not (found := self.all(topic, matches)):
            assert time.monotonic() < deadline, f"nothing in {topic}"
        return found[0]

    def summary_of(self, interaction: Interaction) -> Any:
        return self.await_one("support.summaries", lambda s: s.interaction_id == interaction.interaction_id)

    def features_of(self, interaction: Interaction) -> dict[str, Any]:
        """What `floodgate features get --json` shows, as soon as it shows something.

        Raises:
            AssertionError: Nothing is shown in time.
        """
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            shown = self.floodgate("features", "get", str(interaction.interaction_id), "--json")
            if shown.returncode == 0:
                values: dict[str, Any] = json.loads(shown.stdout)
                return values
            assert time.monotonic() < deadline, shown.stderr

    def floodgate(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).parent / "floodgate"), *arguments]
        return subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def env(stack_env: dict[str, str]) -> dict[str, str]:
    run = uuid.uuid4().hex[:8]
    return {
        **os.environ,
        "FLOODGATE_CATALOGUE_DIR": str(repository_root() / "catalogue"),
        "FLOODGATE_KAFKA_GROUP_PREFIX": f"test-{run}.",
        "FLOODGATE_FEATURE_GROUP": f"test-{run}",
    }


@pytest.fixture
def archive(stack_env: dict[str, str], env: dict[str, str]) -> Iterator[Archive]:
    servers = stack_env["FLOODGATE_KAFKA_BOOTSTRAP_SERVERS"]
    consumer = Consumer(
        {"bootstrap.servers": servers, "group.id": uuid.uuid4().hex, "isolation.level": "read_committed"}
    )
    consumer.assign(ends_of(consumer, OUTPUTS))
    yield Archive(AvroSerde(stack_env["FLOODGATE_SCHEMA_REGISTRY_URL"]), consumer, servers, env)
    consumer.close()


@pytest.fixture(scope="module")
def summarizer(env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Its feature group is declared by the command that operators use."""
    declared = subprocess.run(
        [str(Path(sys.executable).parent / "floodgate"), "features", "setup", "--json"],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert json.loads(declared.stdout)["outcome"] == "created"
    with running(ServiceProcess("summarizer", env, tmp_path_factory.mktemp("summarizer") / "log")):
        yield
