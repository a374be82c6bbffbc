"""Every way through resend_tickets, with every answer of the shop."""

from __future__ import annotations

import pytest
from agent.domain.calls import CallOutcome, CallResult
from floodgate.events import ActionStatus, Escalation, Reply


async def test_an_order_number_in_the_first_message_is_resent_at_once(chat):
    talk = chat("resend_tickets")
    reply = await talk.say("Please send my tickets for tk 40001 again")
    assert isinstance(reply, Reply)
    assert reply.resolved
    assert reply.awaits is None
    assert "TK-40001" in reply.reply.text
    assert [(action.action, action.status) for action in reply.actions] == [("resend_tickets", ActionStatus.DONE)]
    assert talk.shop.done == [("resend_tickets", {"order_number": "TK-40001"}, reply.actions[0].idempotency_key)]
    assert talk.state.run is None


async def test_the_only_upcoming_order_is_confirmed_first(chat):
    talk = chat("resend_tickets")
    asked = await talk.say("I never got my tickets")
    assert isinstance(asked, Reply)
    assert asked.awaits == "confirmation"
    assert [option.value for option in asked.reply.options] == ["yes", "no"]
    assert "Nightingale Strings" in asked.reply.text
    assert "22 December 2026" in asked.reply.text
    assert talk.actions == []
    await talk.click("yes")
    assert talk.actions == ["resend_tickets"]
    assert talk.last.resolved


async def test_a_no_to_the_only_order_asks_for_its_number(chat, shop, make_order, days):
    shop.orders.append(make_order("TK-50001", event_starts_at=days(-3)))
    talk = chat("resend_tickets")
    await talk.say("tickets please")
    asked = await talk.say("No thanks")
    assert asked.awaits == "order_number"
    await talk.say("it is TK-50001")
    assert talk.shop.done[0][1] == {"order_number": "TK-50001"}


async def test_several_upcoming_orders_become_buttons(chat, shop, make_order, days):
    shop.orders.append(make_order("TK-50001", event="The Paper Lanterns", event_starts_at=days(60)))
    talk = chat("resend_tickets")
    asked = await talk.say("I lost my tickets")
    assert [option.value for option in asked.reply.options] == ["TK-40001", "TK-50001"]
    assert asked.reply.options[1].label.startswith("The Paper Lanterns")
    await talk.click("TK-50001")
    assert talk.shop.done[0][1] == {"order_number": "TK-50001"}


@pytest.mark.parametrize(
    "answer", ["the second one", "The Paper Lanterns, 21 January 2027", "TK-50001", "2", "the last"]
)
async def test_a_choice_may_be_typed(chat, shop, make_order, days, answer):
    shop.orders.append(make_order("TK-50001", event="The Paper Lanterns", event_starts_at=days(60)))
    talk = chat("resend_tickets")
    await talk.say("I lost my tickets")
    await talk.say(answer)
    assert talk.shop.done[0][1] == {"order_number": "TK-50001"}


async def test_an_order_of_someone_else_reveals_nothing_and_ends_with_a_human(chat):
    talk = chat("resend_tickets")
    first = await talk.say("resend TK-40099")
    assert first.awaits == "order_number"
    assert "TK-40099" not in first.reply.text
    await talk.say("TK-40098")
    await talk.say("TK-40097")
    ended = await talk.say("TK-40096")
    assert isinstance(ended, Escalation)
    assert ended.reason_code == "not_understood"
    assert talk.actions == []


async def test_past_orders_alone_lead_to_the_question_for_a_number(chat, shop, make_order, days):
    shop.orders[:] = [make_order(event_starts_at=days(-5))]
    talk = chat("resend_tickets")
    asked = await talk.say("tickets please")
    assert asked.awaits == "order_number"


async def test_no_order_at_all_is_handed_over(chat, shop):
    shop.orders.clear()
    ended = await chat("resend_tickets").say("tickets please")
    assert (ended.reason_code, ended.team) == ("not_verified", "tickets")


async def test_a_customer_who_is_not_known_is_handed_over(chat, shop):
    shop.outcomes["list_orders"] = CallResult(CallOutcome.NOT_FOUND)
    ended = await chat("resend_tickets").say("tickets please")
    assert ended.reason_code == "not_verified"


@pytest.mark.parametrize("call", ["list_orders", "get_order"])
@pytest.mark.parametrize("outcome", [CallOutcome.FAILED, CallOutcome.UNKNOWN, CallOutcome.REFUSED])
async def test_a_look_up_without_an_answer_is_handed_over(chat, shop, call, outcome):
    shop.outcomes[call] = CallResult(outcome)
    talk = chat("resend_tickets")
    ended = await talk.say("resend TK-40001 please")
    assert ended.reason_code == "backend_failed"
    assert ended.actions == ()
    assert "nothing was changed" in ended.note


@pytest.mark.parametrize(
    ("result", "reason", "status", "words"),
    [
        (CallResult(CallOutcome.REFUSED, code="tickets_not_issued"), "backend_refused", ActionStatus.REFUSED, "issued"),
        (CallResult(CallOutcome.REFUSED, code="event_over"), "backend_refused", ActionStatus.REFUSED, "over"),
        (CallResult(CallOutcome.REFUSED, code="account_frozen"), "backend_refused", ActionStatus.REFUSED, "myself"),
        (CallResult(CallOutcome.UNKNOWN), "backend_failed", ActionStatus.UNKNOWN, "don't know for certain"),
        (CallResult(CallOutcome.FAILED), "backend_failed", ActionStatus.FAILED, "couldn't finish"),
    ],
)
async def test_every_answer_to_the_resend_is_told_honestly(chat, shop, result, reason, status, words):
    shop.outcomes["resend_tickets"] = result
    ended = await chat("resend_tickets").say("resend TK-40001")
    assert isinstance(ended, Escalation)
    assert ended.reason_code == reason
    assert [action.status for action in ended.actions] == [status]
    assert words in ended.reply.text
    assert ended.slots == {"order_number": "TK-40001"}
    assert ended.suggested_next_step in ended.note


async def test_an_order_that_vanished_before_the_resend_is_asked_for_again(chat, shop):
    shop.outcomes["resend_tickets"] = CallResult(CallOutcome.NOT_FOUND, code="not_found")
    talk = chat("resend_tickets")
    asked = await talk.say("resend TK-40001")
    assert asked.awaits == "order_number"
    assert [action.status for action in asked.actions] == [ActionStatus.REFUSED]


async def test_answers_that_cannot_be_read_are_asked_again_and_then_handed_over(chat):
    talk = chat("resend_tickets")
    await talk.say("tickets please")
    for _ in range(2):
        again = await talk.say("hmm well the blue one")
        assert isinstance(again, Reply)
        assert again.reply.text.startswith("Sorry, I didn't quite get that.")
    ended = await talk.say("the blue one!")
    assert ended.reason_code == "not_understood"
    assert not ended.reply.text.startswith("Sorry, I didn't quite get that.")
    assert talk.actions == []


async def test_a_choice_that_cannot_be_read_ends_with_a_human(chat, shop, make_order):
    shop.orders.append(make_order("TK-50001"))
    talk = chat("resend_tickets")
    for _ in range(4):
        last = await talk.say("what a day")
    assert last.reason_code == "not_understood"
