"""The ways in, on real Kafka, OpenSearch, moto and the Intercom stand-in."""

from __future__ import annotations

import asyncio
import gzip
import json
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import boto3
import httpx
import pytest
from confluent_kafka import Producer
from floodgate.deadletters.cli import app as dead_letters
from floodgate.events import MessageKind, OutboundReply, Pseudonyms, Reply, TurnRole
from floodgate.events.serde import AvroSerde
from floodgate.intercom.webhooks import sign
from floodgate.service import EventProducer
from floodgate.settings import KafkaSettings
from ingest_waiting import eventually
from typer.testing import CliRunner

pytestmark = pytest.mark.integration
Tails = Callable[[str], Any]


def interaction_line(**more: Any) -> dict[str, Any]:
    return {
        "interaction_id": str(uuid.uuid4()),
        "country": "NL",
        "language": "nl",
        "contact": {"external_id": "cust-0001"},
        "turns": [
            {"role": "customer", "text": "Mijn ticket kwam niet aan."},
            {"role": "agent", "text": "Ik heb het opnieuw gestuurd."},
        ],
        **more,
    }


def new_conversation(own_id: str) -> dict[str, Any]:
    """Intercom's notification of a conversation that a user began."""
    return {
        "type": "notification_event",
        "topic": "conversation.user.created",
        "data": {
            "item": {
                "id": own_id,
                "created_at": 1_795_000_000,
                "source": {"body": "<p>Hola</p>", "author": {"type": "user", "id": "u"}},
                "contacts": {"contacts": [{"id": "u", "external_id": "cust-0009"}]},
            }
        },
    }


@pytest.fixture
def stand_in(stack_env: dict[str, str], edge: httpx.Client) -> Iterator[httpx.Client]:
    """The Intercom stand-in, whose notifications go to the service under test while a test runs."""
    with httpx.Client(base_url=stack_env["FLOODGATE_INTERCOM_BASE_URL"]) as client:
        before = client.get("/_local/webhook").json()["url"]
        client.put("/_local/webhook", json={"url": str(edge.base_url.join("/webhooks/intercom"))})
        yield client
        restored = client.put("/_local/webhook", json={"url": before} if before else {})
        assert restored.status_code == 200, restored.text


def timeline(edge: httpx.Client, conversation_id: str, kinds: list[str]) -> dict[str, Any]:
    """The conversation, once its messages are of these kinds."""

    def find() -> dict[str, Any] | None:
        answer = edge.get(f"/v1/conversations/{conversation_id}")
        if answer.status_code != 200:
            return None
        view: dict[str, Any] = answer.json()
        shown = [entry["kind"] for entry in view["entries"] if entry["type"] == "message"]
        return view if shown == kinds else None

    found: dict[str, Any] = eventually(find, f"{conversation_id} with {kinds}")
    return found


def test_a_rest_message_is_in_kafka_when_it_is_acknowledged_and_shows_in_the_timeline(
    edge: httpx.Client, tail: Tails, stack_env: dict[str, str]
) -> None:
    messages, interactions = tail("support.messages"), tail("support.interactions")
    own_id = uuid.uuid4().hex
    body = {
        "message_id": "m-1",
        "conversation_id": own_id,
        "text": "Where is my ticket?",
        "contact": {"external_id": "cust-0001", "verified": True},
        "chosen_path": "other",
    }
    accepted = edge.post("/v1/messages", json=body)
    assert accepted.status_code == 202
    message = messages.first(lambda m: m.conversation_id == f"rest:{own_id}")
    assert str(message.event_id) == accepted.json()["event_id"]
    key = stack_env["FLOODGATE_PSEUDONYM_KEY"].encode()
    assert Pseudonyms(key).reveal(message.contact_id) == ("customer", "cust-0001")
    assert edge.post(f"/v1/conversations/rest:{own_id}/close").status_code == 202
    view = timeline(edge, f"rest:{own_id}", ["user_message", "closed"])
    assert view["state"] == "closed"
    interaction = interactions.first(lambda i: i.conversation_id == f"rest:{own_id}")
    assert [(turn.role, turn.text) for turn in interaction.turns] == [(TurnRole.CUSTOMER, "Where is my ticket?")]


def test_a_caller_who_polls_reads_that_the_reply_is_automated(edge: httpx.Client, stack_env: dict[str, str]) -> None:
    own_id = uuid.uuid4().hex
    body = {"message_id": "m-1", "conversation_id": own_id, "text": "Hallo", "contact": {"id": "u"}}
    assert edge.post("/v1/messages", json=body).status_code == 202
    reply = Reply(
        event_id=uuid.uuid4(),
        occurred_at=datetime.now(UTC),
        conversation_id=f"rest:{own_id}",
        channel="rest",
        contact_id="pseudonym",
        reply=OutboundReply(text="Waar gaat het over?", language="nl"),
    )

    async def write() -> None:
        producer = EventProducer(KafkaSettings(), AvroSerde(stack_env["FLOODGATE_SCHEMA_REGISTRY_URL"]))
        await producer.send("support.replies", reply.conversation_id, reply)
        await producer.close()

    asyncio.run(write())

    def shown() -> dict[str, Any] | None:
        entries = edge.get(f"/v1/conversations/rest:{own_id}").json().get("entries", [])
        return next((entry["detail"]["reply"] for entry in entries if entry["type"] == "reply"), None)

    found = eventually(shown, "the reply in the timeline")
    assert found["automated"] is True
    assert found["notice"].startswith("Dit is een automatisch antwoord")
    assert found["text"] == f"{found['notice']}\n\nWaar gaat het over?"


def test_intercoms_webhooks_become_messages_a_timeline_feedback_and_an_interaction(
    edge: httpx.Client, stand_in: httpx.Client, tail: Tails
) -> None:
    messages, interactions, feedback = (
        tail("support.messages"),
        tail("support.interactions"),
        tail("support.feedback"),
    )
    begin = {"external_id": "cust-0001", "text": "Waar is mijn ticket?", "path": "other", "language": "nl"}
    own_id = stand_in.post("/_local/conversations", json=begin).json()["conversation_id"]
    conversation_id = f"intercom:{own_id}"
    for action, body in (
        ("user-reply", {"text": "Hallo?"}),
        ("human-reply", {"text": "Ik kijk even."}),
        ("tag", {"tag": "floodgate:ok"}),
        ("close", {}),
    ):
        assert stand_in.post(f"/_local/conversations/{own_id}/{action}", json=body).status_code == 200
    closed = messages.first(lambda m: m.conversation_id == conversation_id and m.kind is MessageKind.CLOSED)
    view = timeline(edge, conversation_id, ["user_message", "user_message", "human_joined", "closed"])
    assert view["entries"][0]["detail"]["chosen_path"] == "other"
    interaction = interactions.first(lambda i: i.conversation_id == conversation_id)
    assert [turn.role for turn in interaction.turns] == [TurnRole.CUSTOMER, TurnRole.CUSTOMER, TurnRole.AGENT]
    assert interaction.causation_id == closed.event_id
    feedback.first(lambda f: f.conversation_id == conversation_id)


def test_a_notification_delivered_again_is_the_same_event(
    edge: httpx.Client, stand_in: httpx.Client, tail: Tails
) -> None:
    messages = tail("support.messages")
    own_id = stand_in.post("/_local/conversations", json={"external_id": "cust-0002", "text": "Hi"}).json()[
        "conversation_id"
    ]
    mine = {"conversation_id": own_id}
    notifications = stand_in.get("/_local/notifications", params=mine).json()["notifications"]
    (notification,) = [found for found in notifications if found["conversation_id"] == own_id]
    messages.first(lambda m: m.conversation_id == f"intercom:{own_id}")
    assert stand_in.post(f"/_local/notifications/{notification['id']}/redeliver").status_code in (200, 202)

    def twice() -> list[Any] | None:
        messages.poll()
        found = [m for m in messages.seen if m.conversation_id == f"intercom:{own_id}"]
        return found if len(found) == 2 else None

    first, second = eventually(twice, "the second delivery")
    assert first == second


def test_a_raw_envelope_of_a_connector_is_read(edge: httpx.Client, tail: Tails, stack_env: dict[str, str]) -> None:
    messages, letters = tail("support.messages"), tail("support.dead-letters")
    own_id = str(uuid.uuid4().int % 10**12)
    envelope = new_conversation(own_id)
    producer = Producer(
        {"bootstrap.servers": stack_env["FLOODGATE_KAFKA_BOOTSTRAP_SERVERS"], "partitioner": "murmur2_random"}
    )
    producer.produce("support.intercom.raw", key=f"intercom:{own_id}", value=json.dumps(envelope))
    producer.produce("support.intercom.raw", key=f"intercom:{own_id}", value=b"{broken %s" % own_id.encode())
    assert producer.flush(15) == 0
    assert messages.first(lambda m: m.conversation_id == f"intercom:{own_id}").text == "Hola"
    letter = letters.first(lambda found: found.value == b"{broken %s" % own_id.encode())
    assert (letter.service, letter.origin_topic) == ("ingest", "support.intercom.raw")
    assert "not JSON" in letter.reason


def test_a_drop_reaches_the_topic_and_its_broken_line_the_dead_letters(
    edge: httpx.Client, drops: dict[str, str], tail: Tails
) -> None:
    interactions, letters = tail("support.interactions"), tail("support.dead-letters")
    good, packed = interaction_line(labels={"sentiment": "neutral"}), interaction_line()
    key = f"interactions/2026/{uuid.uuid4()} à+b.jsonl"
    body = "\n".join([json.dumps(good), "", "{broken", json.dumps({**good, "interaction_id": "nope"})])
    s3 = boto3.client("s3")
    s3.put_object(Bucket=drops["bucket"], Key=key, Body=body.encode())
    s3.put_object(Bucket=drops["bucket"], Key=key + ".gz", Body=gzip.compress(json.dumps(packed).encode()))
    found = interactions.first(lambda i: str(i.interaction_id) == good["interaction_id"])
    assert found.origin == f"s3://{drops['bucket']}/{key}:1"
    assert found.source == "s3"
    interactions.first(lambda i: str(i.interaction_id) == packed["interaction_id"])
    broken = letters.first(lambda d: d.origin_topic == f"s3://{drops['bucket']}/{key}" and d.origin_offset == 3)
    assert broken.value == b"{broken"
    wrong = letters.first(lambda d: d.origin_topic == f"s3://{drops['bucket']}/{key}" and d.origin_offset == 4)
    assert wrong.reason.startswith("interaction_id:")


def test_a_broken_line_that_was_dropped_is_corrected_and_redriven(
    edge: httpx.Client, drops: dict[str, str], tail: Tails, tmp_path: Path
) -> None:
    interactions, letters = tail("support.interactions"), tail("support.dead-letters")
    key = f"interactions/{uuid.uuid4()}.jsonl"
    boto3.client("s3").put_object(Bucket=drops["bucket"], Key=key, Body=b"{broken\n")
    letter = letters.first(lambda d: d.origin_topic == f"s3://{drops['bucket']}/{key}")
    line = interaction_line()
    corrected = tmp_path / "line.json"
    corrected.write_text(json.dumps(line, indent=2), encoding="utf-8")
    redriven = CliRunner().invoke(dead_letters, ["redrive", str(letter.event_id), "--value", str(corrected)])
    assert (redriven.exit_code, redriven.exception) == (0, None)
    found = interactions.first(lambda i: str(i.interaction_id) == line["interaction_id"])
    assert found.origin == f"s3://{drops['bucket']}/{key}:1"
    assert found.source == "s3"


def test_a_webhook_that_could_not_be_read_is_corrected_and_redriven(
    edge: httpx.Client, tail: Tails, tmp_path: Path, stack_env: dict[str, str]
) -> None:
    messages, letters = tail("support.messages"), tail("support.dead-letters")
    own_id = str(uuid.uuid4().int % 10**12)
    body = b"{broken %s" % own_id.encode()
    signature = sign(stack_env["FLOODGATE_INTERCOM_CLIENT_SECRET"].encode(), body)
    assert edge.post("/webhooks/intercom", content=body, headers={"X-Hub-Signature": signature}).status_code == 202
    letter = letters.first(lambda d: d.value == body)
    corrected = tmp_path / "envelope.json"
    corrected.write_text(json.dumps(new_conversation(own_id)), encoding="utf-8")
    redriven = CliRunner().invoke(dead_letters, ["redrive", str(letter.event_id), "--value", str(corrected)])
    assert (redriven.exit_code, redriven.exception) == (0, None)
    assert messages.first(lambda m: m.conversation_id == f"intercom:{own_id}").text == "Hola"


def test_direct_test_and_unknown_notices_are_each_taken_as_what_they_are(
    edge: httpx.Client, drops: dict[str, str], tail: Tails
) -> None:
    interactions, letters = tail("support.interactions"), tail("support.dead-letters")
    line = interaction_line()
    key = f"interactions/direct {uuid.uuid4()}+é.jsonl"
    boto3.client("s3").put_object(Bucket=drops["bucket"], Key=key, Body=json.dumps(line).encode())
    interactions.first(lambda i: str(i.interaction_id) == line["interaction_id"])
    s3_part = {"bucket": {"name": drops["bucket"]}, "object": {"key": quote_plus(key, safe="/")}}
    direct = {"Records": [{"eventName": "ObjectCreated:Put", "s3": s3_part}]}
    missing = {"bucket": {"name": drops["bucket"]}, "object": {"key": f"interactions/gone-{uuid.uuid4()}.jsonl"}}
    unknown = f"unknown {uuid.uuid4()}"
    sqs = boto3.client("sqs")
    for body in (
        json.dumps({"Event": "s3:TestEvent"}),
        json.dumps(direct),
        json.dumps({"Records": [{"eventName": "ObjectCreated:Put", "s3": missing}]}),
        unknown,
    ):
        sqs.send_message(QueueUrl=drops["queue_url"], MessageBody=body)

    def twice() -> list[Any] | None:
        interactions.poll()
        found = [i for i in interactions.seen if str(i.interaction_id) == line["interaction_id"]]
        return found if len(found) == 2 else None

    first, second = eventually(twice, "the object read a second time")
    assert first.event_id == second.event_id
    gone = letters.first(lambda d: d.origin_topic == f"s3://{drops['bucket']}/{missing['object']['key']}")
    assert "NoSuchKey" in gone.reason
    letters.first(lambda d: d.value == unknown.encode())

    def empty() -> bool | None:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        counts = sqs.get_queue_attributes(QueueUrl=drops["queue_url"], AttributeNames=names)["Attributes"]  # type: ignore[arg-type]  # a list of its literals
        return True if set(counts.values()) == {"0"} else None

    assert eventually(empty, "every notice is deleted")


def test_a_forged_webhook_is_refused_and_a_signed_broken_one_is_kept(
    edge: httpx.Client, tail: Tails, stack_env: dict[str, str]
) -> None:
    letters = tail("support.dead-letters")
    body = b"{broken %s" % uuid.uuid4().hex.encode()
    forged = edge.post("/webhooks/intercom", content=body, headers={"X-Hub-Signature": "sha1=" + "0" * 40})
    assert forged.status_code == 401
    signature = sign(stack_env["FLOODGATE_INTERCOM_CLIENT_SECRET"].encode(), body)
    signed = edge.post("/webhooks/intercom", content=body, headers={"X-Hub-Signature": signature})
    assert signed.status_code == 202
    assert letters.first(lambda d: d.value == body).origin_topic == "webhooks/intercom"


def test_a_chunked_body_over_the_bound_is_refused_over_a_real_connection(edge: httpx.Client) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(400):
            yield b"x" * 65_536

    try:
        answer = edge.post("/webhooks/intercom", content=chunks(), headers={"X-Hub-Signature": "sha1=0"})
    except httpx.TransportError:
        # The service answered and hung up while we were still sending: that is the point.
        return
    assert answer.status_code == 413
