"""The signed webhook: what the receiver gets, and what its answers mean."""

from __future__ import annotations

import hashlib
import hmac
import json

import httpx
import pytest
from delivery.adapters.webhook_channel import WebhookChannel
from delivery.domain.commands import Order, ReplyCommand
from delivery.settings import WebhookSettings
from keyflow import PoisonMessageError, RetryableError
from pydantic import ValidationError

SECRET = b"a secret that is long"
ORDER = Order(
    channel="rest", conversation_id="c-1", event_id="e-1", number=3, command=ReplyCommand(text="Zażółć", language="pl")
)


def channel(handler):
    return WebhookChannel(
        "https://receiver.example.org/hook",
        SECRET,
        transport=httpx.MockTransport(handler),
        wall_clock=lambda: 1_795_341_600.9,
    )


async def test_the_receiver_can_check_who_sent_it_and_tell_a_repeat():
    seen = []

    def receive(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(204)

    await channel(receive).deliver(ORDER, maybe_repeated=False)
    request = seen[0]
    expected = hmac.new(SECRET, b"1795341600." + request.content, hashlib.sha256).hexdigest()
    assert request.headers["X-Floodgate-Signature"] == f"t=1795341600,v1={expected}"
    assert request.headers["Idempotency-Key"] == "e-1:3"
    assert json.loads(request.content) == {
        "event_id": "e-1",
        "number": 3,
        "channel": "rest",
        "conversation_id": "c-1",
        "command": {"do": "reply", "text": "Zażółć", "language": "pl", "options": []},
    }


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 503])
async def test_a_receiver_that_cannot_now_is_asked_again_later(status):
    hook = channel(lambda request: httpx.Response(status, headers={"Retry-After": "7"}))
    with pytest.raises(RetryableError) as caught:
        await hook.deliver(ORDER, maybe_repeated=False)
    assert caught.value.retry_after_seconds == 7.0


@pytest.mark.parametrize("status", [301, 400, 401, 404, 410])
async def test_a_receiver_that_refuses_is_not_asked_again(status):
    hook = channel(lambda request: httpx.Response(status))
    with pytest.raises(PoisonMessageError, match=str(status)):
        await hook.deliver(ORDER, maybe_repeated=False)


async def test_a_broken_connection_is_retried():
    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("slow")

    with pytest.raises(RetryableError, match="ReadTimeout"):
        await channel(fail).deliver(ORDER, maybe_repeated=False)


def test_a_webhook_without_a_secret_is_refused_at_the_start():
    with pytest.raises(ValidationError, match="FLOODGATE_WEBHOOK_SIGNING_SECRET"):
        WebhookSettings(url="https://receiver.example.org", signing_secret=None)
