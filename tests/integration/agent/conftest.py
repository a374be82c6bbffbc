"""The agent as a process of its own on the real local stack, and the handler on a real shop without a socket."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from confluent_kafka import Consumer
from floodgate.events import (
    Decision,
    Escalation,
    Message,
    MessageKind,
    Misuse,
    Pseudonyms,
    Reply,
    SwitchMode,
    Verdict,
    edge_event_id,
)
from floodgate.events.serde import AvroSerde
from floodgate.events.times import from_ms, now_ms
from floodgate.mode_switch import write_mode
from floodgate.service import EventProducer
from floodgate.settings import KafkaSettings
from floodgate_local.state import repository_root
from support.processes import (
    DEADLINE_SECONDS,
    ServiceProcess,
    answers,
    begin_at_the_end,
    ends_of,
    eventually,
    free_port,
    running,
)

OUTPUTS = ("support.replies", "support.escalations", "support.dead-letters")
CATEGORIES = {
    "resend_tickets": "resend_tickets",
    "cancel_subscription": "cancel_subscription",
    "refund_order": "refund_tickets",
    "reset_sign_in": "sign_in",
}
INPUTS = ("support.verdicts", "support.messages")


@dataclass
class Desk:
    """What the firewall would write for one customer, and everything that comes out for that conversation."""

    serde: AvroSerde
    consumer: Consumer
    servers: str
    shop: httpx.Client
    pseudonyms: Pseudonyms
    customer: int = 1
    workflow: str = "resend_tickets"
    language: str = "en"
    conversation: str = field(default_factory=lambda: f"rest:{uuid.uuid4().hex}")
    seen: list[Any] = field(default_factory=list)

    def verdict(self, text: str, **changes: Any) -> Verdict:
        message = Message(
            **{
                "event_id": uuid.uuid4(),
                "occurred_at": from_ms(now_ms()),
                "conversation_id": self.conversation,
                "kind": MessageKind.USER_MESSAGE,
                "channel": "rest",
                "contact_id": self.pseudonyms.contact_id("customer", f"cust-{self.customer:04d}"),
                "contact_verified": True,
                "text": text,
            }
            | changes
        )
        return Verdict(
            event_id=edge_event_id("test", str(message.event_id)),
            occurred_at=from_ms(now_ms()),
            causation_id=message.event_id,
            conversation_id=self.conversation,
            decision=Decision.AUTOMATE,
            message=message,
            category=CATEGORIES[self.workflow],
            misuse=Misuse.NONE,
            urgent=False,
            urgency=0.1,
            workflow=self.workflow,
            wants="The customer wants help.",
            confidence=0.9,
            explanation="test",
            language=self.language,
        )

    def send(self, verdict: Verdict) -> None:
        async def write() -> None:
            producer = EventProducer(KafkaSettings(bootstrap_servers=self.servers), self.serde)
            await producer.send("support.verdicts", verdict.conversation_id, verdict)
            await producer.close()

        asyncio.run(write())

    def say(self, text: str, **changes: Any) -> Reply | Escalation:
        """Sends a turn and waits for the answer to it."""
        before = len(self.records())
        self.send(self.verdict(text, **changes))
        return self.await_records(before + 1)[-1]

    def click(self, value: str) -> Reply | Escalation:
        options = self.records()[-1].reply.options
        option = next(option for option in options if option.value == value)
        return self.say(option.label, clicked_option=str(option.option_id))

    def records(self) -> list[Any]:
        """What came out for this conversation so far."""
        for record in self.consumer.consume(500, timeout=0.2):
            value = record.value()
            if record.error() is None and value is not None and record.key() == self.conversation.encode():
                self.seen.append(self.serde.decode(record.topic(), value))
        return self.seen

    def await_records(self, count: int) -> list[Any]:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while len(found := self.records()) < count:
            assert time.monotonic() < deadline, f"{len(found)} of {count} records"
        return found

    def actions(self, verdict: Verdict | None = None) -> list[dict[str, Any]]:
        """What the shop's journal holds for this customer."""
        journal = self.shop.get("/_local/actions").raise_for_status().json()["actions"]
        mine = [entry for entry in journal if entry["contact_id"] == f"cust-{self.customer:04d}"]
        return [
            entry for entry in mine if verdict is None or entry["idempotency_key"].startswith(str(verdict.event_id))
        ]

    def fault(self, **rule: Any) -> None:
        self.shop.put("/_local/faults", json={"rules": [rule]}).raise_for_status()


@pytest.fixture(scope="module")
def shop_url(stack_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A freshly seeded shop of these tests' own: a refund can be paid once, and faults strike nobody else."""
    port = free_port()
    folder = tmp_path_factory.mktemp("shop")
    command = [sys.executable, "-m", "floodgate_local.shop", "--port", str(port), "--state-dir", str(folder)]
    url = f"http://127.0.0.1:{port}"
    with (folder / "log").open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
        try:
            eventually(lambda: answers(f"{url}/healthz"), (folder / "log").read_text)
            yield url
        finally:
            process.terminate()
            process.wait(20)


@pytest.fixture(scope="module")
def agent_env(stack_env: dict[str, str], shop_url: str) -> dict[str, str]:
    prefix = f"test-{uuid.uuid4().hex[:8]}."
    begin_at_the_end(stack_env["FLOODGATE_KAFKA_BOOTSTRAP_SERVERS"], f"{prefix}agent", INPUTS)
    return {
        **os.environ,
        "FLOODGATE_CATALOGUE_DIR": str(repository_root() / "catalogue"),
        "FLOODGATE_KAFKA_GROUP_PREFIX": prefix,
        "FLOODGATE_SHOP_BASE_URL": shop_url,
        "FLOODGATE_SHOP_TIMEOUT_SECONDS": "3",
    }


@pytest.fixture(scope="module")
def agent(agent_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    # A port of its own: services that run beside this one share the rest of the environment.
    env = {**agent_env, "FLOODGATE_METRICS_PORT": str(free_port())}
    with running(ServiceProcess("agent", env, tmp_path_factory.mktemp("agent") / "log")) as service:
        yield service


@pytest.fixture
def open_desk(stack_env: dict[str, str], shop_url: str) -> Iterator[Callable[..., Desk]]:
    servers = stack_env["FLOODGATE_KAFKA_BOOTSTRAP_SERVERS"]
    consumer = Consumer(
        {"bootstrap.servers": servers, "group.id": uuid.uuid4().hex, "isolation.level": "read_committed"}
    )
    consumer.assign(ends_of(consumer, OUTPUTS))
    serde = AvroSerde(stack_env["FLOODGATE_SCHEMA_REGISTRY_URL"])
    shop = httpx.Client(base_url=shop_url, timeout=10)
    pseudonyms = Pseudonyms(stack_env["FLOODGATE_PSEUDONYM_KEY"].encode())

    def one(**changes: Any) -> Desk:
        return Desk(serde, consumer, servers, shop, pseudonyms, **changes)

    yield one
    shop.delete("/_local/faults")
    shop.close()
    consumer.close()


@pytest.fixture
def limit(agent: ServiceProcess) -> Iterator[Callable[[SwitchMode], None]]:
    """Sets the most that signing in may do, and returns once the running agent knows."""

    def set_to(mode: SwitchMode) -> None:
        taken = agent.log.read_text().count("mode.taken")
        asyncio.run(write_mode(CATEGORIES["reset_sign_in"], mode, "a test", "a test of the limits"))
        eventually(lambda: agent.log.read_text().count("mode.taken") > taken, agent.tail)

    yield set_to
    set_to(SwitchMode.ON)
