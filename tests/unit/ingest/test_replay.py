"""A notification that somebody recorded and sends again, as it was or changed."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import httpx
import pytest
from floodgate.intercom.webhooks import sign
from ingest.edge import EdgeWriter
from ingest.http.webhook import PATH, IntercomWebhook
from ingest_fakes import FakeSink, clock
from ingest_samples import RULES, conversation, envelope, part

SECRET = b"client-secret-of-the-test"
RECORDED = json.dumps(envelope("conversation.user.replied", conversation(part("77")))).encode()


async def sent(sink: FakeSink, body: bytes, *, later: timedelta = timedelta()) -> int:
    """Sends a body with the signature that was recorded."""
    writer = EdgeWriter(sink, "webhook", timeout_seconds=0.05)
    app = IntercomWebhook(SECRET, RULES, writer, lambda: clock() + later, max_body_bytes=1_048_576)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://ingest") as client:
        answer = await client.post(PATH, content=body, headers={"X-Hub-Signature": sign(SECRET, RECORDED)})
    return answer.status_code


async def test_sent_again_days_later_it_is_the_event_that_it_was_in_every_field() -> None:
    sink = FakeSink()
    assert await sent(sink, RECORDED) == 202
    assert await sent(sink, RECORDED, later=timedelta(days=3)) == 202
    first, second = sink.on("support.messages")
    assert first == second, "the services drop what they have seen under this id"


def _changed(**changes: Any) -> bytes:
    return json.dumps({**json.loads(RECORDED), **changes}).encode()


@pytest.mark.parametrize(
    "body",
    [
        _changed(topic="conversation.admin.closed"),
        _changed(id="notif_another"),
        RECORDED.replace(b'"503"', b'"504"'),
        RECORDED.replace(b"did not arrive", b"has arrived"),
        RECORDED + b" ",
    ],
    ids=["another topic", "another notification", "another conversation", "another text", "a blank"],
)
async def test_with_anything_changed_it_is_refused(body: bytes) -> None:
    sink = FakeSink()
    assert body != RECORDED
    assert await sent(sink, body) == 401
    assert sink.sent == []
