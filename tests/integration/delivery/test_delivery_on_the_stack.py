"""Delivery on Kafka and the Intercom stand-in: complete, in order, never twice, silent beside humans."""

from __future__ import annotations

import hashlib
import hmac
import json
import time

import pytest
from floodgate.events import Decision, OutboundReply
from floodgate.events.times import from_ms, now_ms

pytestmark = pytest.mark.integration
SAID = ("comment", "quick_reply")


def texts(parts):
    return [part["body"] for part in parts]


def test_a_question_with_buttons_and_then_a_plain_reply(delivery, inbox):
    inbox.send(inbox.reply("Which order is it about?", options=2), inbox.reply("Thank you."))
    inbox.eventually(lambda: len(inbox.parts(*SAID)) >= 2, "two replies")
    first, second = inbox.parts(*SAID)
    assert first["part_type"] == "quick_reply"
    assert first["body"].startswith("This is an automated reply")
    assert first["body"].endswith("Which order is it about?")
    assert second["body"] == "Thank you."


def test_a_hand_over_is_complete(delivery, inbox):
    escalation = inbox.escalation(urgent=True)
    inbox.send(escalation)
    inbox.eventually(lambda: inbox.parts("assignment"), "the assignment")
    shown = inbox.shown()
    assert "A colleague takes over." in texts(inbox.parts(*SAID))[0]
    [note] = inbox.parts("note")
    assert "The user wants: a refund" in note["body"]
    assert f"ref {str(escalation.event_id)[:8]}-1" in note["body"]
    assert str(shown["team_assignee_id"]) == "1001"
    assert shown["custom_attributes"]["floodgate_reason"] == "over_limit"
    assert {"floodgate", "floodgate:urgent"} <= {tag["name"] for tag in shown["tags"]["tags"]}


def test_a_message_that_passes_is_labelled_and_assigned(delivery, inbox):
    inbox.send(inbox.verdict())
    inbox.eventually(lambda: inbox.parts("assignment"), "the assignment")
    assert inbox.shown()["custom_attributes"]["floodgate_decision"] == "pass"
    assert inbox.parts(*SAID) == []


def test_a_redirect_is_said(delivery, inbox):
    said = OutboundReply(text="Gaat het over tickets?", language="nl")
    inbox.send(inbox.verdict(decision=Decision.REDIRECT, reply=said, team=None, language="nl"))
    inbox.eventually(lambda: inbox.parts(*SAID), "the redirect")
    assert texts(inbox.parts(*SAID))[0].startswith("Dit is een automatisch antwoord")


def test_a_resolved_case_is_closed(delivery, inbox):
    inbox.send(inbox.reply("Done!", resolved=True, tags=("floodgate:resolved",)))
    inbox.eventually(lambda: inbox.shown()["state"] == "closed", "the closing")
    assert "floodgate:resolved" in {tag["name"] for tag in inbox.shown()["tags"]["tags"]}


def test_beside_a_human_nothing_is_said_and_the_hand_over_goes_on(delivery, inbox):
    inbox.intercom.post(f"/_local/conversations/{inbox.number}/human-reply", json={"text": "Hi, this is Maren"})
    inbox.send(inbox.escalation())
    inbox.eventually(lambda: len(inbox.parts("note")) == 2, "both notes")
    assert texts(inbox.parts(*SAID)) == ["Hi, this is Maren"]
    assert "because a colleague had joined" in texts(inbox.parts("note"))[1]


def test_a_reply_that_is_too_old_is_not_sent_and_a_team_gets_the_conversation(delivery, inbox):
    inbox.send(inbox.reply("Which order?", expires_at=from_ms(now_ms() - 1_000)))
    inbox.eventually(lambda: inbox.parts("assignment"), "the assignment")
    assert inbox.parts(*SAID) == []
    assert "it would have come too late" in texts(inbox.parts("note"))[0]


@pytest.mark.parametrize("kind", ["error", "drop", "lost", "error_after"])
def test_a_call_that_fails_once_leaves_one_reply(delivery, inbox, kind):
    inbox.fault(kind=kind, method="POST", path=f"/conversations/{inbox.number}/reply", times=1, status=502)
    inbox.send(inbox.reply("One and only"), inbox.reply("After it"))
    inbox.eventually(lambda: "After it" in texts(inbox.parts(*SAID)), "the second reply")
    assert len(inbox.parts(*SAID)) == 2


def test_being_throttled_only_delays(delivery, inbox):
    inbox.fault(
        kind="error",
        method="POST",
        path=f"/conversations/{inbox.number}/reply",
        times=2,
        status=429,
        retry_after_seconds=0.2,
    )
    inbox.send(inbox.reply("Slowly"))
    inbox.eventually(lambda: inbox.parts(*SAID), "the reply")
    assert len(inbox.parts(*SAID)) == 1


@pytest.mark.parametrize("what", ["reply", "note"])
def test_a_delivery_that_is_killed_while_sending_sends_once(delivery, inbox, what):
    kinds = SAID if what == "reply" else ("note",)
    event = inbox.reply("Never twice") if what == "reply" else inbox.escalation(reply=None)
    inbox.fault(kind="stall_after", method="POST", path=f"/conversations/{inbox.number}/reply", times=1, seconds=1.5)
    inbox.send(event)
    deadline = time.monotonic() + 60
    while not inbox.parts(*kinds):
        assert time.monotonic() < deadline, f"the {what} never arrived"
        time.sleep(0.02)
    delivery.kill()
    delivery.start()
    inbox.send(inbox.reply("After the restart"))
    inbox.eventually(lambda: any("After the restart" in text for text in texts(inbox.parts(*SAID))), "the next reply")
    marks = [part for part in inbox.parts(*kinds) if "After the restart" not in part["body"]]
    assert len(marks) == 1


def test_a_conversation_that_is_gone_stops_nothing_else(delivery, inbox):
    gone = inbox.reply("Nobody there", conversation_id="intercom:999999999")
    inbox.send(gone, inbox.reply("Still here"))
    inbox.eventually(lambda: inbox.parts(*SAID), "the reply")
    [said] = texts(inbox.parts(*SAID))
    assert said.endswith("Still here")


def test_another_channel_gets_signed_webhooks_with_keys(delivery, inbox, receiver):
    receiver.statuses.append(503)
    event = inbox.reply("Bonjour", conversation_id=f"rest:{inbox.number}", channel="rest")
    inbox.send(event)

    def mine():
        return [(h, json.loads(b), b) for h, b in receiver.requests if json.loads(b)["event_id"] == str(event.event_id)]

    inbox.eventually(lambda: len(mine()) >= 3, "the webhooks")
    found = mine()
    assert [content["command"]["do"] for _, content, _ in found] == ["reply", "reply", "attributes"]
    assert [headers["Idempotency-Key"].rpartition(":")[2] for headers, _, _ in found] == ["0", "0", "1"]
    headers, content, body = found[0]
    assert content["conversation_id"] == inbox.number
    at, _, signed = headers["X-Floodgate-Signature"].partition(",v1=")
    expected = hmac.new(b"a signing secret of tests", f"{at.removeprefix('t=')}.".encode() + body, hashlib.sha256)
    assert hmac.compare_digest(signed, expected.hexdigest())
