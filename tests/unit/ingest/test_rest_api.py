from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

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
    Verdict,
    derive_event_id,
)
from ingest.edge import EdgeWriter
from ingest.http.app import make_app
from ingest.http.rest import RestApi
from ingest.settings import IngestSettings
from ingest_fakes import NOW, FakeSink, FakeTimeline, clock
from ingest_samples import PSEUDONYMS
from keyflow.errors import OutageError, PoisonMessageError, RetryableError
from prometheus_client import REGISTRY
from pydantic import SecretStr

KEY = "the-first-key-of-the-test"
NEXT_KEY = "the-second-key-of-the-test"
SETTINGS = IngestSettings(api_key=SecretStr(f"{KEY}, {NEXT_KEY}"))
NOTICES = {"": "This is automated.", "nl": "Dit is automatisch."}
MESSAGE: dict[str, Any] = {
    "message_id": "m-1",
    "conversation_id": "c-1",
    "text": "Where is my ticket?",
    "contact": {"external_id": "cust-0001", "verified": True},
}


class Edge:
    def __init__(self) -> None:
        self.sink = FakeSink()
        self.timeline = FakeTimeline()
        self.missing: dict[str, str] = {}
        rest = RestApi(
            EdgeWriter(self.sink, "rest", timeout_seconds=0.05), self.timeline, PSEUDONYMS, clock, NOTICES.__getitem__
        )
        self.app = make_app(SETTINGS, rest, None, self.readiness)

    async def readiness(self) -> dict[str, str]:
        return self.missing


@pytest.fixture
def edge() -> Edge:
    return Edge()


@pytest.fixture
async def client(edge: Edge) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=edge.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://ingest", headers={"X-API-Key": KEY}) as client:
        yield client


async def test_a_message_is_accepted_with_its_ids(client: httpx.AsyncClient, edge: Edge) -> None:
    response = await client.post("/v1/messages", json=MESSAGE)
    assert response.status_code == 202
    ((topic, key, message),) = edge.sink.sent
    assert isinstance(message, Message)
    assert (topic, key) == ("support.messages", "rest:c-1")
    assert response.json() == {"event_id": str(message.event_id), "conversation_id": "rest:c-1"}
    assert message.occurred_at == NOW
    assert PSEUDONYMS.reveal(message.contact_id) == ("customer", "cust-0001")


async def test_the_same_message_id_is_the_same_event(client: httpx.AsyncClient) -> None:
    first = await client.post("/v1/messages", json=MESSAGE)
    again = await client.post("/v1/messages", json=MESSAGE)
    other = await client.post("/v1/messages", json={**MESSAGE, "channel": "chatbot"})
    assert first.json() == again.json()
    assert other.json()["event_id"] != first.json()["event_id"]


async def test_a_person_who_is_not_vouched_for_is_the_channels_own(client: httpx.AsyncClient, edge: Edge) -> None:
    await client.post("/v1/messages", json={**MESSAGE, "contact": {"external_id": "cust-0001"}})
    (message,) = edge.sink.on("support.messages")
    assert not message.contact_verified
    assert PSEUDONYMS.reveal(message.contact_id) == ("rest", "cust-0001")


@pytest.mark.parametrize("key", ["", "wrong", KEY + "x", f"{KEY}, {NEXT_KEY}"])
async def test_without_a_right_key_nothing_is_read(edge: Edge, key: str) -> None:
    transport = httpx.ASGITransport(app=edge.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://ingest") as client:
        response = await client.post("/v1/messages", content=b"{not json", headers={"X-API-Key": key})
    assert response.status_code == 401
    assert response.headers["content-type"] == "application/problem+json"
    assert edge.sink.sent == []


async def test_a_second_key_works_while_keys_are_being_changed(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/messages", json=MESSAGE, headers={"X-API-Key": NEXT_KEY})
    assert response.status_code == 202


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"text": ""}, "text"),
        ({"text": None}, "text"),
        ({"message_id": "a b"}, "message_id"),
        ({"conversation_id": "a:b"}, "conversation_id"),
        ({"channel": "intercom"}, "channel"),
        ({"country": "Nederland"}, "country"),
        ({"language": "Dutch!"}, "language"),
        ({"clicked_option": "yes"}, "clicked_option"),
        ({"contact": {"email": "a@example.org"}}, "contact.email"),
        ({"chosenpath": "x"}, "chosenpath"),
    ],
)
async def test_a_wrong_body_is_told_the_field_and_never_quoted(
    client: httpx.AsyncClient, edge: Edge, change: dict[str, Any], field: str
) -> None:
    response = await client.post("/v1/messages", json={**MESSAGE, **change})
    assert response.status_code == 422
    body = response.json()
    assert field in [error["field"] for error in body["errors"]]
    assert body["remedy"]
    assert MESSAGE["text"] not in response.text
    assert edge.sink.sent == []


async def test_a_body_that_is_not_json_is_400(client: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "application/json"}
    response = await client.post("/v1/messages", content=b'{"text": ', headers=headers)
    assert response.status_code == 400
    assert response.json()["type"] == "urn:floodgate:problem:not-json"


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/conversations/rest:c-1/close"])
@pytest.mark.parametrize(
    ("declared", "told"),
    [
        ("text/plain", "says text/plain"),
        ("application/x-www-form-urlencoded; charset=utf-8", "says application/x-www-form-urlencoded;"),
        (None, "says nothing"),
        ("whatever I like", "says something else"),
    ],
)
async def test_a_body_that_is_not_declared_as_json_is_told_the_header(
    client: httpx.AsyncClient, edge: Edge, path: str, declared: str | None, told: str
) -> None:
    headers = {"Content-Type": declared} if declared else {}
    response = await client.post(path, content=json.dumps(MESSAGE).encode(), headers=headers)
    assert response.status_code == 415
    body = response.json()
    assert body["type"] == "urn:floodgate:problem:not-declared-as-json"
    assert "Content-Type" in body["detail"]
    assert told in body["detail"]
    assert "application/json" in body["remedy"]
    assert edge.sink.sent == []


@pytest.mark.parametrize("declared", ["application/json; charset=utf-8", "Application/JSON", "application/ld+json"])
async def test_json_under_any_of_its_names_is_taken(client: httpx.AsyncClient, declared: str) -> None:
    body = json.dumps(MESSAGE).encode()
    assert (await client.post("/v1/messages", content=body, headers={"Content-Type": declared})).status_code == 202


async def test_the_press_of_a_button_needs_no_text(client: httpx.AsyncClient, edge: Edge) -> None:
    option = "5f0c3f6e-3b1c-4a44-9f2e-0d3f6f1f7a10"
    for press in ({"clicked_option": option, "text": ""}, {"clicked_option": option, "message_id": "m-2"}):
        body = {name: value for name, value in MESSAGE.items() if name != "text"} | press
        assert (await client.post("/v1/messages", json=body)).status_code == 202
    pressed = edge.sink.on("support.messages")
    assert [(message.clicked_option, message.text) for message in pressed] == [(option, "")] * 2


async def test_a_message_without_text_and_button_is_told_what_it_needs(client: httpx.AsyncClient) -> None:
    body = {name: value for name, value in MESSAGE.items() if name != "text"}
    (error,) = (await client.post("/v1/messages", json=body)).json()["errors"]
    assert error["field"] == "text"
    assert "clicked_option" in error["detail"]


@pytest.mark.parametrize(
    ("method", "path", "route", "status_class"),
    [
        ("POST", "/v1/messages", "messages", "4xx"),
        ("GET", "/v1/conversations/rest:c-1", "conversation", "4xx"),
        ("POST", "/v1/conversations/rest:c-1/close", "close", "2xx"),
        ("GET", "/healthz", "health", "2xx"),
        ("GET", "/whatever/else", "other", "4xx"),
        ("POST", "/webhooks/intercom", "webhook", "4xx"),
    ],
)
async def test_the_time_to_every_answer_is_observed_by_route_and_class_of_status(
    client: httpx.AsyncClient, method: str, path: str, route: str, status_class: str
) -> None:
    labels = {"route": route, "status_class": status_class}

    def observed() -> float:
        return REGISTRY.get_sample_value("floodgate_ingest_http_seconds_count", labels) or 0.0

    before = observed()
    await client.request(method, path)
    assert observed() == before + 1


async def test_bodies_over_the_bound_are_413_also_when_chunked(client: httpx.AsyncClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" " * 65_536

    declared = await client.post("/v1/messages", content=b" " * 1_048_577)
    chunked = await client.post("/v1/messages", content=chunks(), headers={"Content-Type": "application/json"})
    assert (declared.status_code, chunked.status_code) == (413, 413)


@pytest.mark.parametrize(
    ("failure", "status"), [(RetryableError("later"), 503), (PoisonMessageError("no such member"), 422)]
)
async def test_what_kafka_does_not_take_is_not_acknowledged(
    client: httpx.AsyncClient, edge: Edge, failure: Exception, status: int
) -> None:
    edge.sink.failure = failure
    assert (await client.post("/v1/messages", json=MESSAGE)).status_code == status


def told(edge: Edge) -> None:
    """A message, its verdict and the reply, written in another order than they happened."""
    message = Message(
        event_id=derive_event_id(UUID(int=1), "m"),
        occurred_at=NOW,
        conversation_id="rest:c-1",
        kind=MessageKind.USER_MESSAGE,
        channel="rest",
        contact_id="pseudonym",
        text="Where is my ticket?",
    )
    verdict = Verdict(
        event_id=derive_event_id(message.event_id, "verdict"),
        occurred_at=NOW - timedelta(seconds=3),
        causation_id=message.event_id,
        conversation_id="rest:c-1",
        decision=Decision.AUTOMATE,
        message=message,
        misuse=Misuse.NONE,
        urgent=False,
        urgency=0.1,
        confidence=0.9,
        explanation="It asks for tickets to be sent again.",
    )
    reply = Reply(
        event_id=derive_event_id(verdict.event_id, "reply"),
        occurred_at=NOW + timedelta(seconds=1),
        causation_id=verdict.event_id,
        conversation_id="rest:c-1",
        channel="rest",
        contact_id="pseudonym",
        reply=OutboundReply(text="We have sent it again.", language="nl"),
        resolved=True,
    )
    for event in (reply, verdict, message):
        edge.timeline.events[str(event.event_id)] = event


async def test_a_conversation_is_shown_in_order_with_where_it_stands(client: httpx.AsyncClient, edge: Edge) -> None:
    told(edge)
    response = await client.get("/v1/conversations/rest:c-1")
    assert response.status_code == 200
    body = response.json()
    assert body["state"] == "resolved"
    assert [entry["type"] for entry in body["entries"]] == ["message", "verdict", "reply"]
    assert body["entries"][1]["detail"]["decision"] == "automate"
    assert body["entries"][2]["detail"]["reply"]["text"].endswith("We have sent it again.")
    assert "usage" not in body["entries"][1]["detail"]


async def test_every_reply_is_marked_and_the_first_one_says_in_words_that_it_is_automated(
    client: httpx.AsyncClient, edge: Edge
) -> None:
    told(edge)
    later = Escalation(
        event_id=derive_event_id(UUID(int=2), "escalation"),
        occurred_at=NOW + timedelta(seconds=9),
        conversation_id="rest:c-1",
        channel="rest",
        contact_id="pseudonym",
        source=EscalationSource.AGENT,
        reason_code="asked_for_person",
        priority=Priority.NORMAL,
        reply=OutboundReply(text="A colleague takes over.", language="nl"),
    )
    edge.timeline.events[str(later.event_id)] = later
    entries = (await client.get("/v1/conversations/rest:c-1")).json()["entries"]
    replies = [entry["detail"]["reply"] for entry in entries if entry["detail"].get("reply")]
    assert [reply["automated"] for reply in replies] == [True, True]
    assert replies[0]["notice"] == "Dit is automatisch."
    assert replies[0]["text"] == "Dit is automatisch.\n\nWe have sent it again."
    assert "notice" not in replies[1]
    assert replies[1]["text"] == "A colleague takes over."


async def test_what_a_user_wrote_is_never_marked_as_automated(client: httpx.AsyncClient, edge: Edge) -> None:
    told(edge)
    message = (await client.get("/v1/conversations/rest:c-1")).json()["entries"][0]
    assert message["detail"]["text"] == "Where is my ticket?"
    assert "automated" not in str(message)


async def test_an_unknown_conversation_is_404(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/conversations/rest:nothing")
    assert response.status_code == 404
    assert response.json()["remedy"]


async def test_while_the_timeline_is_down_the_caller_is_told_to_come_back(
    client: httpx.AsyncClient, edge: Edge
) -> None:
    edge.timeline.failure = OutageError("OpenSearch cannot be reached")
    assert (await client.get("/v1/conversations/rest:c-1")).status_code == 503


async def test_a_conversation_is_closed_without_a_body(client: httpx.AsyncClient, edge: Edge) -> None:
    response = await client.post("/v1/conversations/rest:c-1/close")
    assert response.status_code == 202
    (closed,) = edge.sink.on("support.messages")
    assert closed.kind is MessageKind.CLOSED
    assert closed.channel == "rest"
    again = await client.post("/v1/conversations/rest:c-1/close", json={"close_id": "1"})
    later = await client.post("/v1/conversations/rest:c-1/close", json={"close_id": "2"})
    assert again.json()["event_id"] == response.json()["event_id"] != later.json()["event_id"]


async def test_intercoms_conversations_are_not_closed_here(client: httpx.AsyncClient, edge: Edge) -> None:
    assert (await client.post("/v1/conversations/intercom:5/close")).status_code == 404
    assert edge.sink.sent == []


async def test_health_is_open_and_readiness_names_what_is_missing(client: httpx.AsyncClient, edge: Edge) -> None:
    del client.headers["X-API-Key"]
    assert (await client.get("/healthz")).status_code == 200
    assert (await client.get("/readyz")).json() == {"status": "ready", "missing": {}}
    edge.missing = {"kafka": "not reached"}
    response = await client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["missing"] == {"kafka": "not reached"}


async def test_an_unknown_address_is_a_problem_too(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/nothing")
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"


async def test_the_openapi_page_describes_every_route_and_the_key(client: httpx.AsyncClient) -> None:
    schema = (await client.get("/openapi.json")).json()
    assert set(schema["paths"]) >= {
        "/v1/messages",
        "/v1/conversations/{conversation_id}",
        "/v1/conversations/{conversation_id}/close",
        "/healthz",
        "/readyz",
    }
    assert schema["components"]["securitySchemes"]["APIKeyHeader"]["name"] == "X-API-Key"
    assert (await client.get("/docs")).status_code == 200


def test_a_short_key_is_refused_at_start() -> None:
    with pytest.raises(ValueError, match="fewer than 16 characters"):
        IngestSettings(api_key=SecretStr("short"))


async def test_without_a_configured_key_nobody_gets_in() -> None:
    edge = Edge()
    rest = RestApi(EdgeWriter(edge.sink, "rest"), edge.timeline, PSEUDONYMS, clock, NOTICES.__getitem__)
    app = make_app(IngestSettings(api_key=SecretStr("")), rest, None, edge.readiness)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://ingest") as client:
        for key in ("", "anything"):
            assert (await client.post("/v1/messages", json=MESSAGE, headers={"X-API-Key": key})).status_code == 401
