from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from floodgate.intercom.webhooks import sign, verify_signature
from hypothesis import given
from hypothesis import strategies as st
from ingest.edge import EdgeWriter
from ingest.http.webhook import PATH, IntercomWebhook
from ingest_fakes import FakeSink, clock
from ingest_samples import RULES, conversation, envelope, part
from keyflow.errors import RetryableError

SECRET = b"client-secret-of-the-test"
MAX_BODY_BYTES = 1_048_576


def webhook(sink: FakeSink) -> IntercomWebhook:
    writer = EdgeWriter(sink, "webhook", timeout_seconds=0.05)
    return IntercomWebhook(SECRET, RULES, writer, clock, max_body_bytes=MAX_BODY_BYTES)


@pytest.fixture
def sink() -> FakeSink:
    return FakeSink()


@pytest.fixture
async def client(sink: FakeSink) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=webhook(sink))
    async with httpx.AsyncClient(transport=transport, base_url="http://ingest") as client:
        yield client


async def deliver(client: httpx.AsyncClient, body: bytes, signature: str | None = None) -> httpx.Response:
    headers = {"X-Hub-Signature": sign(SECRET, body) if signature is None else signature}
    return await client.post(PATH, content=body, headers=headers)


def as_bytes(document: Any) -> bytes:
    return json.dumps(document).encode()


USER_REPLY = as_bytes(envelope("conversation.user.replied", conversation(part("77"))))


async def test_a_signed_notification_is_accepted_once_kafka_has_it(client: httpx.AsyncClient, sink: FakeSink) -> None:
    response = await deliver(client, USER_REPLY)
    assert response.status_code == 202
    ((topic, key, message),) = sink.sent
    assert (topic, key) == ("support.messages", "intercom:503")
    assert getattr(message, "text", None) == "My ticket did not arrive."


async def test_a_repeated_delivery_has_the_same_event_id(client: httpx.AsyncClient, sink: FakeSink) -> None:
    again = as_bytes(envelope("conversation.user.replied", conversation(part("77")), delivery_attempts=2))
    await deliver(client, USER_REPLY)
    await deliver(client, again)
    first, second = sink.on("support.messages")
    assert first.event_id == second.event_id


@pytest.mark.parametrize(
    "signature", ["", "sha1=", "sha1=" + "0" * 40, sign(b"another secret", USER_REPLY), "sha256=abc", "ü"]
)
async def test_a_wrong_signature_is_refused_and_nothing_is_written(sink: FakeSink, signature: str) -> None:
    transport = httpx.ASGITransport(app=webhook(sink))
    async with httpx.AsyncClient(transport=transport, base_url="http://ingest") as client:
        headers = [(b"X-Hub-Signature", signature.encode())]
        response = await client.post(PATH, content=USER_REPLY, headers=headers)
    assert response.status_code == 401
    assert "FLOODGATE_INTERCOM_CLIENT_SECRET" in response.json()["remedy"]
    assert sink.sent == []


async def test_a_missing_signature_is_refused(client: httpx.AsyncClient, sink: FakeSink) -> None:
    assert (await client.post(PATH, content=USER_REPLY)).status_code == 401
    assert sink.sent == []


async def test_a_forged_body_is_not_parsed(client: httpx.AsyncClient, sink: FakeSink) -> None:
    response = await deliver(client, b"{" * 1000, signature="sha1=" + "0" * 40)
    assert response.status_code == 401
    assert sink.sent == []


async def test_head_answers_200(client: httpx.AsyncClient) -> None:
    assert (await client.head(PATH)).status_code == 200


async def test_get_is_told_what_is_served(client: httpx.AsyncClient) -> None:
    response = await client.get(PATH)
    assert response.status_code == 405
    assert response.headers["allow"] == "HEAD, POST"


async def test_a_declared_length_over_the_bound_is_refused_unread(client: httpx.AsyncClient) -> None:
    response = await deliver(client, b"x" * (MAX_BODY_BYTES + 1))
    assert response.status_code == 413
    assert response.headers["content-type"] == "application/problem+json"


async def test_a_chunked_body_over_the_bound_is_refused_without_reading_all_of_it(client: httpx.AsyncClient) -> None:
    chunks_sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal chunks_sent
        for _ in range(1000):
            chunks_sent += 1
            yield b"x" * 65_536

    response = await client.post(PATH, content=endless(), headers={"X-Hub-Signature": "sha1=0"})
    assert response.status_code == 413
    assert chunks_sent <= 20


async def test_a_body_of_exactly_the_bound_is_read(client: httpx.AsyncClient, sink: FakeSink) -> None:
    body = USER_REPLY + b" " * (MAX_BODY_BYTES - len(USER_REPLY))
    assert (await deliver(client, body)).status_code == 202
    assert len(sink.sent) == 1


@pytest.mark.parametrize("topic", ["ping", "company.created", "conversation.admin.noted"])
async def test_what_means_nothing_here_is_acknowledged(client: httpx.AsyncClient, sink: FakeSink, topic: str) -> None:
    response = await deliver(client, as_bytes(envelope(topic, {"type": "ping"})))
    assert response.status_code == 202
    assert sink.sent == []


@pytest.mark.parametrize(
    "body",
    [b"{not json", b"\xff\xfe", b"[]", b"", as_bytes(envelope("conversation.user.created", {"id": "1"}))],
)
async def test_what_cannot_be_read_goes_to_the_dead_letters_with_its_bytes(
    client: httpx.AsyncClient, sink: FakeSink, body: bytes
) -> None:
    assert (await deliver(client, body)).status_code == 202
    (letter,) = sink.dead_letters
    assert letter.value == body
    assert letter.origin_topic == "webhooks/intercom"
    assert letter.key
    assert letter.error_class == "poison"


async def test_while_kafka_is_down_intercom_is_asked_to_send_again(client: httpx.AsyncClient, sink: FakeSink) -> None:
    sink.failure = RetryableError("Kafka did not take the record: _MSG_TIMED_OUT")
    response = await deliver(client, USER_REPLY)
    assert response.status_code == 503
    assert response.headers["retry-after"] == "5"
    assert (await deliver(client, b"{broken")).status_code == 503


async def test_a_kafka_that_does_not_answer_is_not_waited_for_longer_than_allowed(
    client: httpx.AsyncClient, sink: FakeSink
) -> None:
    sink.hangs = True
    assert (await deliver(client, USER_REPLY)).status_code == 503


@given(st.binary(max_size=500), st.binary(min_size=1, max_size=64))
def test_a_signature_holds_for_its_own_body_and_secret(body: bytes, secret: bytes) -> None:
    assert verify_signature(secret, body, sign(secret, body))


@given(st.binary(min_size=1, max_size=200), st.data())
def test_one_changed_byte_breaks_the_signature(body: bytes, data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(body) - 1))
    changed = body[:position] + bytes([body[position] ^ data.draw(st.integers(1, 255))]) + body[position + 1 :]
    assert not verify_signature(SECRET, changed, sign(SECRET, body))
