"""The Intercom stand-in and the webhook of ingest, one process, no sockets; fakes of the unit tests behind."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from floodgate_local.inprocess import serving
from floodgate_local.intercom.app import create_app
from floodgate_local.intercom.settings import StandInSettings
from pydantic import SecretStr

sys.path.insert(0, str(Path(__file__).parents[2] / "unit" / "ingest"))

from floodgate.events import Message
from floodgate.intercom import IntercomSettings
from ingest.adapters.intercom_documents import IntercomDocuments
from ingest.domain.intercom_parts import IntercomRules
from ingest.edge import EdgeWriter
from ingest.http.webhook import IntercomWebhook
from ingest_fakes import FakeSink, FakeTimeline, clock  # (the folder is added above)
from ingest_samples import PSEUDONYMS

BOT_ADMIN_ID = "5001"
SECRET = "client-secret-of-the-test"
TOKEN = "local-token"


@dataclass
class Desk:
    """Plays users and humans in the stand-in, and sees what ingest made of it."""

    http: httpx.AsyncClient
    documents: IntercomDocuments
    sink: FakeSink
    timeline: FakeTimeline
    rules: IntercomRules

    async def play(self, action: str, /, **body: Any) -> dict[str, Any]:
        answer = await self.http.post(f"/_local/conversations{action}", json=body)
        assert answer.status_code == 200, answer.text
        played: dict[str, Any] = answer.json()
        return played

    async def settled(self) -> None:
        """Waits until every notification was delivered or lost."""
        async with asyncio.timeout(20):
            # The stand-in's own figures are asked: no event of asyncio tells them.
            while (await self.http.get("/_local/webhook")).json()["pending"]:  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    @property
    def messages(self) -> list[Message]:
        return self.sink.on("support.messages")


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    sink = FakeSink()
    rules = IntercomRules(pseudonyms=PSEUDONYMS, bot_admin_ids=frozenset((BOT_ADMIN_ID,)))
    webhook = IntercomWebhook(
        SECRET.encode(), rules, EdgeWriter(sink, "webhook", timeout_seconds=1), clock, max_body_bytes=1_048_576
    )
    stand_in = create_app(
        StandInSettings(
            token=SecretStr(TOKEN),
            client_secret=SecretStr(SECRET),
            state_dir=tmp_path,
            webhook_target="http://ingest/webhooks/intercom",
        ),
        webhook_transport=httpx.ASGITransport(app=webhook),
    )
    settings = IntercomSettings(
        token=SecretStr(TOKEN),
        client_secret=SecretStr(SECRET),
        base_url="http://intercom.test",
        bot_admin_id=BOT_ADMIN_ID,
    )
    async with (
        serving(stand_in) as transport,
        httpx.AsyncClient(transport=transport, base_url="http://intercom.test") as http,
        IntercomDocuments(settings, transport=transport) as documents,
    ):
        yield Desk(http, documents, sink, FakeTimeline(), rules)
