"""Delivery as a process of its own on the real local stack, with the Intercom stand-in and a webhook receiver."""

from __future__ import annotations

import asyncio
import os
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from floodgate.events import (
    Decision,
    Escalation,
    EscalationSource,
    Message,
    MessageKind,
    Misuse,
    OutboundReply,
    Priority,
    Reply,
    ReplyOption,
    Verdict,
)
from floodgate.events.serde import AvroSerde
from floodgate.events.times import from_ms, now_ms
from floodgate.service import EventProducer
from floodgate.settings import KafkaSettings
from floodgate_local.state import repository_root
from support.processes import ServiceProcess, begin_at_the_end, eventually, running

SECRET = "a signing secret of tests"
INPUTS = ("support.verdicts", "support.replies", "support.escalations", "support.messages")
TOPICS = {Verdict: "support.verdicts", Reply: "support.replies", Escalation: "support.escalations"}


@dataclass
class Receiver:
    """A customer's own endpoint: keeps what it is sent."""

    url: str
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)


@dataclass
class Inbox:
    """One Intercom conversation, and the events that are written about it."""

    intercom: httpx.Client
    serde: AvroSerde
    servers: str
    number: str

    @property
    def conversation(self) -> str:
        return f"intercom:{self.number}"

    def send(self, *events: Any) -> None:
        async def write() -> None:
            producer = EventProducer(KafkaSettings(bootstrap_servers=self.servers), self.serde)
            for event in events:
                await producer.send(TOPICS[type(event)], event.conversation_id, event)
            await producer.close()

        asyncio.run(write())

    def shown(self) -> dict[str, Any]:
        return self.intercom.get(f"/_local/conversations/{self.number}").raise_for_status().json()

    def parts(self, *kinds: str) -> list[dict[str, Any]]:
        entries = self.shown()["conversation_parts"]["conversation_parts"]
        return [part for part in entries if part["part_type"] in kinds]

    def eventually(self, holds: Callable[[], Any], what: str) -> Any:
        return eventually(holds, what)

    def fault(self, **rule: Any) -> None:
        self.intercom.put("/_local/faults", json={"rules": [rule]}).raise_for_status()

    def common(self, changes: dict[str, Any]) -> dict[str, Any]:
        return {
            "event_id": uuid.uuid4(),
            "occurred_at": from_ms(now_ms()),
            "conversation_id": self.conversation,
            "channel": self.conversation.partition(":")[0],
            "contact_id": "test-contact",
        } | changes

    def reply(self, text: str, *, options: int = 0, **changes: Any) -> Reply:
        buttons = tuple(ReplyOption(option_id=uuid.uuid4(), label=f"Order {n}", value=str(n)) for n in range(options))
        expires_at = from_ms(now_ms()) + timedelta(hours=1)
        said = OutboundReply(text=text, language="en", options=buttons)
        return Reply(
            **self.common({"reply": said, "workflow": "w", "category": "resend_tickets", "expires_at": expires_at})
            | changes
        )

    def escalation(self, **changes: Any) -> Escalation:
        return Escalation(
            **self.common(
                {
                    "source": EscalationSource.AGENT,
                    "reason_code": "over_limit",
                    "priority": Priority.NORMAL,
                    "category": "refund_tickets",
                    "team": "tickets",
                    "language": "en",
                    "note": "The user wants: a refund\nNext: decide",
                    "reply": OutboundReply(text="A colleague takes over.", language="en"),
                }
            )
            | changes
        )

    def verdict(self, **changes: Any) -> Verdict:
        values = self.common({})
        channel, contact = values.pop("channel"), values.pop("contact_id")
        message = Message(
            event_id=uuid.uuid4(),
            occurred_at=values["occurred_at"],
            conversation_id=self.conversation,
            kind=MessageKind.USER_MESSAGE,
            channel=channel,
            contact_id=contact,
            text="x",
        )
        return Verdict(
            **values
            | {
                "decision": Decision.PASS,
                "message": message,
                "category": "order_status",
                "misuse": Misuse.NONE,
                "urgent": False,
                "urgency": 0.2,
                "confidence": 0.9,
                "explanation": "test",
                "language": "en",
                "team": "tickets",
            }
            | changes
        )


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    kept = Receiver("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept.requests.append((dict(self.headers), body))
            self.send_response(kept.statuses.pop(0) if kept.statuses else 204)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Keeps the test's output readable."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kept.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield kept
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def delivery(
    stack_env: dict[str, str], receiver: Receiver, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServiceProcess]:
    prefix = f"test-{uuid.uuid4().hex[:8]}."
    begin_at_the_end(stack_env["FLOODGATE_KAFKA_BOOTSTRAP_SERVERS"], f"{prefix}delivery", INPUTS)
    env = {
        **os.environ,
        "FLOODGATE_CATALOGUE_DIR": str(repository_root() / "catalogue"),
        "FLOODGATE_KAFKA_GROUP_PREFIX": prefix,
        "FLOODGATE_INTERCOM_TIMEOUT_SECONDS": "2",
        "FLOODGATE_WEBHOOK_URL": receiver.url,
        "FLOODGATE_WEBHOOK_SIGNING_SECRET": SECRET,
    }
    with running(ServiceProcess("delivery", env, tmp_path_factory.mktemp("delivery") / "log")) as service:
        yield service


@pytest.fixture
def inbox(stack_env: dict[str, str]) -> Iterator[Inbox]:
    client = httpx.Client(base_url=stack_env["FLOODGATE_INTERCOM_BASE_URL"], timeout=10)
    body = {"text": "Hello, I need help", "external_id": f"cust-{uuid.uuid4().hex[:8]}", "name": "Robin Vale"}
    created = client.post("/_local/conversations", json=body).raise_for_status().json()
    serde = AvroSerde(stack_env["FLOODGATE_SCHEMA_REGISTRY_URL"])
    yield Inbox(client, serde, stack_env["FLOODGATE_KAFKA_BOOTSTRAP_SERVERS"], str(created["conversation_id"]))
    client.delete("/_local/faults")
    client.close()
