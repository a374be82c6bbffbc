"""The firewall as a process of its own on the real local stack: messages in, verdicts and hand-offs out."""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer
from floodgate.events import AvroModel, Message, MessageKind, edge_event_id
from floodgate.events.serde import AvroSerde
from floodgate.events.times import from_ms, now_ms
from floodgate.service import EventProducer
from floodgate.settings import KafkaSettings
from floodgate_local.state import repository_root
from support.processes import DEADLINE_SECONDS, ServiceProcess, ends_of, running

OUTPUTS = ("support.verdicts", "support.escalations", "support.dead-letters")


@contextmanager
def running_firewall(log: Path, **changes: str) -> Iterator[None]:
    """The service in a consumer group of its own; it has to stop cleanly."""
    env = {
        **os.environ,
        "FLOODGATE_CATALOGUE_DIR": str(repository_root() / "catalogue"),
        "FLOODGATE_KAFKA_GROUP_PREFIX": f"test-{uuid.uuid4().hex[:8]}.",
        **changes,
    }
    with running(ServiceProcess("firewall", env, log)):
        yield


@dataclass
class Desk:
    """What a test says as the customer, and everything that comes out."""

    serde: AvroSerde
    consumer: Consumer
    servers: str
    seen: dict[str, list[Any]] = field(default_factory=lambda: {topic: [] for topic in OUTPUTS})

    def message(self, text: str, *, conversation: str, **changes: Any) -> Message:
        values: dict[str, Any] = {
            "event_id": edge_event_id("test", f"{conversation}:{text}:{changes.get('kind', '')}"),
            "occurred_at": from_ms(now_ms()),
            "conversation_id": conversation,
            "kind": MessageKind.USER_MESSAGE,
            "channel": conversation.partition(":")[0],
            "contact_id": "test-contact",
            "text": text,
            **changes,
        }
        return Message(**values)

    def say(self, *messages: AvroModel) -> None:
        async def send() -> None:
            producer = EventProducer(KafkaSettings(bootstrap_servers=self.servers), self.serde)
            for message in messages:
                await producer.send("support.messages", message.conversation_id, message)  # type: ignore[attr-defined]
            await producer.close()

        asyncio.run(send())

    def say_bytes(self, conversation: str, data: bytes) -> None:
        producer = Producer(
            {"bootstrap.servers": self.servers, "partitioner": "murmur2_random", "enable.idempotence": True}
        )
        producer.produce("support.messages", key=conversation, value=data)
        assert producer.flush(20) == 0

    def all(self, topic: str, matches: Callable[[Any], bool]) -> list[Any]:
        """What came out so far and matches."""
        for record in self.consumer.consume(500, timeout=0.2):
            value = record.value()
            if record.error() is None and value is not None:
                self.seen[record.topic()].append(self.serde.decode(record.topic(), value))
        return [value for value in self.seen[topic] if matches(value)]

    def await_all(self, topic: str, count: int, matches: Callable[[Any], bool]) -> list[Any]:
        """The first `count` records that match.

        Raises:
            AssertionError: They do not come in time.
        """
        deadline = time.monotonic() + DEADLINE_SECONDS
        while len(found := self.all(topic, matches)) < count:
            assert time.monotonic() < deadline, f"{len(found)} of {count} in {topic}"
        return found

    def verdict_on(self, message: Message) -> Any:
        (verdict,) = self.await_all("support.verdicts", 1, lambda v: v.causation_id == message.event_id)
        return verdict


@pytest.fixture
def desk(stack_env: dict[str, str]) -> Iterator[Desk]:
    servers = stack_env["FLOODGATE_KAFKA_BOOTSTRAP_SERVERS"]
    consumer = Consumer(
        {"bootstrap.servers": servers, "group.id": uuid.uuid4().hex, "isolation.level": "read_committed"}
    )
    consumer.assign(ends_of(consumer, OUTPUTS))
    yield Desk(AvroSerde(stack_env["FLOODGATE_SCHEMA_REGISTRY_URL"]), consumer, servers)
    consumer.close()


@pytest.fixture(scope="module")
def firewall(stack_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with running_firewall(tmp_path_factory.mktemp("firewall") / "log"):
        yield


@pytest.fixture
def firewall_without_model(stack_env: dict[str, str], tmp_path: Path) -> Iterator[None]:
    """Its Bedrock endpoint refuses every connection, so the local rules have to do."""
    with running_firewall(
        tmp_path / "log",
        AWS_ENDPOINT_URL_BEDROCK_RUNTIME="http://127.0.0.1:9",
        FLOODGATE_FIREWALL_BUDGET_SECONDS="4",
        FLOODGATE_FIREWALL_RETRIEVAL_SECONDS="1",
    ):
        yield


@pytest.fixture
def conversation() -> str:
    return f"rest:{uuid.uuid4().hex}"
