"""The agent on Kafka and the shop: conversations end to end, and every action once whatever dies."""

from __future__ import annotations

import time

import pytest
from floodgate.events import ActionStatus, Escalation, Reply

pytestmark = pytest.mark.integration


def test_tickets_are_resent_and_the_case_is_resolved(agent, open_desk):
    desk = open_desk(customer=97, language="sv")
    verdict = desk.verdict("Skicka biljetterna för TK-40097 igen, tack")
    desk.send(verdict)
    [reply] = desk.await_records(1)
    assert isinstance(reply, Reply)
    assert reply.resolved
    assert reply.reply.text.startswith("Klart!")
    [action] = desk.actions(verdict)
    assert (action["action"], action["times_done"], action["outcome"]) == ("resend_tickets", 1, "done")


def test_a_refund_is_confirmed_by_button_and_paid_once(agent, open_desk):
    desk = open_desk(customer=61, workflow="refund_order", language="de")
    asked = desk.say("Ich möchte mein Geld zurück")
    assert asked.awaits == "confirmation"
    done = desk.click("yes")
    assert done.resolved
    assert [action.status for action in done.actions] == [ActionStatus.DONE]
    assert [entry["times_done"] for entry in desk.actions()] == [1]


def test_a_free_answer_is_read_by_the_model_and_validated(agent, open_desk):
    desk = open_desk(customer=97, workflow="resend_tickets", language="en")
    desk.say("tickets please")
    asked = desk.say("no")
    assert asked.awaits == "order_number"
    again = desk.say("I am not sure which one it was to be honest")
    assert again.awaits == "order_number"
    assert again.usage.calls >= 1
    assert "local model" in again.usage.model_label.lower()


def test_a_verdict_that_comes_twice_is_answered_once(agent, open_desk):
    desk = open_desk(customer=97)
    verdict = desk.verdict("resend TK-40097")
    desk.send(verdict)
    desk.send(verdict)
    marker = desk.verdict("a human please")
    desk.send(marker)
    records = desk.await_records(2)
    assert [type(record) for record in records] == [Reply, Escalation]
    assert len(desk.actions(verdict)) == 1


@pytest.mark.parametrize("kind", ["error", "drop", "lost", "error_after"])
def test_a_shop_that_fails_once_has_done_the_action_once(agent, open_desk, kind):
    desk = open_desk(customer=97)
    desk.fault(kind=kind, method="POST", path="TK-40097/resend", times=1)
    verdict = desk.verdict("resend TK-40097")
    desk.send(verdict)
    [reply] = desk.await_records(1)
    assert reply.resolved
    assert [entry["times_done"] for entry in desk.actions(verdict)] == [1]


def test_an_agent_that_is_killed_during_an_action_does_it_once_and_says_it_once(agent, open_desk):
    desk = open_desk(customer=109, language="cs")
    desk.fault(kind="stall_after", method="POST", path="TK-40109/resend", times=1, seconds=2.5)
    verdict = desk.verdict("pošlete znovu TK-40109")
    desk.send(verdict)
    deadline = time.monotonic() + 60
    while not desk.actions(verdict):
        assert time.monotonic() < deadline, "the action never reached the shop"
        time.sleep(0.05)
    agent.kill()
    agent.start()
    marker = desk.verdict("člověka prosím, chci mluvit s člověkem")
    desk.send(marker)
    records = desk.await_records(2)
    assert [type(record) for record in records] == [Reply, Escalation]
    [action] = desk.actions(verdict)
    assert action["times_done"] == 1
    assert action["times_requested"] >= 2


def test_a_side_question_is_answered_with_its_source_and_the_hand_over_cites_the_article(agent, open_desk):
    desk = open_desk(customer=73, workflow="refund_order", language="it")
    asked = desk.say("Vorrei il rimborso")
    answered = desk.say("Quanto tempo ci vuole per il rimborso?")
    assert answered.reply.text.endswith(asked.reply.text)
    assert "cinque giorni lavorativi" in answered.reply.text
    assert [cited.article_id for cited in answered.citations] == ["ticket_refunds"]
    ended = desk.say("Vorrei parlare con un operatore")
    assert ended.reason_code == "asked_for_person"
    assert "ticket_refunds" in [cited.article_id for cited in ended.citations]
    assert "Knowledge: " in ended.note
