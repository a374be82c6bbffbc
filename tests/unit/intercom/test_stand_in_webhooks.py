"""The stand-in's notifications: signed, as Intercom shapes them, and sent again until they are taken."""

import asyncio
import time

import pytest
from floodgate.intercom import WebhookEnvelope, verify_signature


async def until(condition, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        await asyncio.sleep(0.005)


@pytest.fixture
async def listening(local):
    body = {"url": "http://ingest.test/webhooks/intercom", "first_retry_seconds": 0.01, "max_attempts": 3}
    assert (await local.put("/_local/webhook", json=body)).status_code == 200


def envelopes(receiver) -> list[WebhookEnvelope]:
    return [WebhookEnvelope.model_validate_json(request.content) for request in receiver.received]


async def test_each_act_is_notified_in_order_with_a_valid_signature(
    listening, client, local, receiver, conversation_id
):
    await local.post(f"/_local/conversations/{conversation_id}/user-reply", json={"text": "Hello?"})
    await client.reply(conversation_id, "Hi")
    await client.add_note(conversation_id, "a note")
    await client.assign(conversation_id, "1002")
    await client.attach_tag(conversation_id, "9003")
    await client.close(conversation_id)
    await client.open(conversation_id)
    await until(lambda: len(receiver.received) == 8)
    assert [e.topic for e in envelopes(receiver)] == [
        "conversation.user.created",
        "conversation.user.replied",
        "conversation.admin.replied",
        "conversation.admin.noted",
        "conversation.admin.assigned",
        "conversation_part.tag.created",
        "conversation.admin.closed",
        "conversation.admin.opened",
    ]
    for request in receiver.received:
        assert verify_signature(b"client-secret", request.content, request.headers["X-Hub-Signature"])


async def test_a_notification_carries_the_new_part_alone_as_plain_text(listening, client, receiver, conversation_id):
    await client.reply(conversation_id, "First & best")
    await client.reply(conversation_id, "Second")
    await until(lambda: len(receiver.received) == 3)
    created, first, second = (envelope.conversation() for envelope in envelopes(receiver))
    assert created.parts == []
    assert created.source.body == "Waar zijn mijn kaartjes?"
    assert [part.body for part in first.parts] == ["First & best"]
    assert [part.body for part in second.parts] == ["Second"]
    assert (second.parts[0].author.type, second.parts[0].author.id) == ("admin", "5001")


async def test_a_tag_is_notified_with_the_tag_that_was_added(listening, client, receiver, conversation_id):
    await client.attach_tag(conversation_id, "9003")
    await until(lambda: len(receiver.received) == 2)
    added = envelopes(receiver)[1].conversation().tags_added.tags
    assert [(tag.id, tag.name) for tag in added] == [("9003", "floodgate:ok")]


async def test_a_notification_that_is_not_taken_comes_again_under_the_same_id(
    listening, receiver, local, conversation_id
):
    await until(lambda: len(receiver.received) == 1)
    receiver.answers = [500, 503]
    await local.post(f"/_local/conversations/{conversation_id}/user-reply", json={"text": "Hello?"})
    await until(lambda: len(receiver.received) == 4)
    attempts = envelopes(receiver)[1:]
    assert len({envelope.id for envelope in attempts}) == 1
    assert [envelope.delivery_attempts for envelope in attempts] == [1, 2, 3]
    assert (await local.get("/_local/webhook")).json()["delivered"] == 2


async def test_a_notification_is_given_up_after_its_attempts(listening, receiver, local, conversation_id):
    await until(lambda: len(receiver.received) == 1)
    receiver.answers = [500, 500, 500]
    await local.post(f"/_local/conversations/{conversation_id}/user-reply", json={"text": "Hello?"})
    await until(lambda: len(receiver.received) == 4)
    failed = (await local.get("/_local/notifications", params={"state": "failed"})).json()["notifications"]
    assert [n["topic"] for n in failed] == ["conversation.user.replied"]


async def test_lost_notifications_are_never_sent_and_can_be_redelivered(listening, receiver, local, conversation_id):
    await until(lambda: len(receiver.received) == 1)
    await local.put("/_local/webhook", json={"url": "http://ingest.test/", "lose_next": 1})
    for text in ("lost", "sent"):
        await local.post(f"/_local/conversations/{conversation_id}/user-reply", json={"text": text})
    await until(lambda: len(receiver.received) == 2)
    assert envelopes(receiver)[1].conversation().parts[0].body == "sent"
    (lost,) = (await local.get("/_local/notifications", params={"state": "lost"})).json()["notifications"]
    assert (await local.post(f"/_local/notifications/{lost['id']}/redeliver")).status_code == 200
    await until(lambda: len(receiver.received) == 3)
    assert envelopes(receiver)[2].conversation().parts[0].body == "lost"


async def test_without_a_target_nothing_is_kept_or_sent(local, receiver, conversation_id):
    assert (await local.get("/_local/notifications")).json() == {"notifications": []}
    assert receiver.received == []


async def test_a_ping_tries_the_endpoint(listening, receiver, local):
    await local.post("/_local/webhook/ping")
    await until(lambda: len(receiver.received) == 1)
    assert envelopes(receiver)[0].topic == "ping"
