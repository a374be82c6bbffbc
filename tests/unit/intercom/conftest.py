from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from floodgate.intercom import IntercomClient, IntercomSettings
from floodgate_local.inprocess import serving
from floodgate_local.intercom.app import create_app
from floodgate_local.intercom.settings import StandInSettings

SECRET = "client-secret"


@dataclass
class Clock:
    """A clock that moves when it is told to."""

    now: float = 1_795_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Receiver:
    """Where webhooks go: takes or refuses them as told, and keeps what came."""

    answers: list[int] = field(default_factory=list)
    received: list[httpx.Request] = field(default_factory=list)

    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self._take)

    def _take(self, request: httpx.Request) -> httpx.Response:
        self.received.append(request)
        return httpx.Response(self.answers.pop(0) if self.answers else 202)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def settings(tmp_path: Path) -> StandInSettings:
    return StandInSettings(token="local-token", client_secret=SECRET, state_dir=tmp_path)


@pytest.fixture
async def transport(settings, clock, receiver) -> AsyncIterator[httpx.AsyncBaseTransport]:
    app = create_app(settings, clock=clock, webhook_transport=receiver.transport())
    async with serving(app) as transport:
        yield transport


@pytest.fixture
async def local(transport) -> AsyncIterator[httpx.AsyncClient]:
    """The stand-in's own calls."""
    async with httpx.AsyncClient(transport=transport, base_url="http://intercom.test") as client:
        yield client


@pytest.fixture
async def client(transport, clock) -> AsyncIterator[IntercomClient]:
    settings = IntercomSettings(
        token="local-token", client_secret=SECRET, base_url="http://intercom.test", bot_admin_id="5001"
    )
    async with IntercomClient(settings, transport=transport, wall_clock=clock) as client:
        yield client


@pytest.fixture
async def conversation_id(local) -> str:
    """A conversation that cust-0001 began."""
    body: dict[str, Any] = {
        "external_id": "cust-0001",
        "name": "Bram Verhoeve",
        "language": "nl",
        "country": "NL",
        "path": "tickets/resend",
        "text": "Waar zijn mijn kaartjes?",
    }
    begun = await local.post("/_local/conversations", json=body)
    assert begun.status_code == 200, begun.text
    return begun.json()["conversation_id"]
