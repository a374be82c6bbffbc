"""Every way through cancel_subscription, with every answer of the shop."""

from __future__ import annotations

import pytest
from agent.domain.calls import CallOutcome, CallResult
from floodgate.events import ActionStatus, Escalation, Reply


async def test_the_user_sees_what_happens_and_when_before_anything_is_cancelled(chat):
    talk = chat("cancel_subscription")
    asked = await talk.say("Please cancel my subscription")
    assert asked.awaits == "confirmation"
    assert "Stage Stream Monthly (€11.99)" in asked.reply.text
    assert "1 December 2026" in asked.reply.text
    assert talk.actions == []
    done = await talk.click("yes")
    assert talk.shop.done[0][:2] == ("cancel_subscription", {"subscription_id": "SUB-20001"})
    assert done.resolved
    assert "1 December 2026" in done.reply.text


async def test_a_no_keeps_the_subscription(chat):
    talk = chat("cancel_subscription")
    await talk.say("cancel it")
    kept = await talk.say("no, thanks")
    assert kept.resolved
    assert talk.actions == []
    assert "Nothing has been changed" in kept.reply.text


async def test_cancel_alone_is_no_answer_to_whether_to_cancel(chat):
    talk = chat("cancel_subscription")
    await talk.say("cancel it")
    again = await talk.say("cancel")
    assert again.awaits == "confirmation"
    assert talk.actions == []


async def test_never_mind_stops_without_cancelling(chat):
    talk = chat("cancel_subscription")
    await talk.say("cancel it")
    stopped = await talk.say("Never mind!")
    assert isinstance(stopped, Reply)
    assert not stopped.resolved
    assert stopped.awaits is None
    assert stopped.tags == ("floodgate:stopped-by-user",)
    assert talk.actions == []
    assert talk.state.run is None


async def test_a_paused_subscription_ends_at_once_and_that_is_said(chat, shop, make_subscription, days):
    shop.subscriptions[:] = [make_subscription(status="paused", renews_at=None)]
    shop.outcomes["cancel_subscription"] = CallResult(CallOutcome.DONE, {"ends_at": days(0)})
    talk = chat("cancel_subscription")
    asked = await talk.say("cancel my subscription")
    assert "right away" in asked.reply.text
    done = await talk.say("yes please")
    assert done.resolved
    assert "Nothing more will be charged" in done.reply.text


async def test_several_subscriptions_are_offered(chat, shop, make_subscription):
    shop.subscriptions.append(make_subscription("SUB-20002", plan="Stage Stream Yearly", price_cents=11_900))
    talk = chat("cancel_subscription")
    asked = await talk.say("cancel my subscription")
    assert [option.label for option in asked.reply.options] == [
        "Stage Stream Monthly (€11.99)",
        "Stage Stream Yearly (€119.00)",
    ]
    confirm = await talk.click("SUB-20002")
    assert "Stage Stream Yearly" in confirm.reply.text
    await talk.click("yes")
    assert talk.shop.done[0][1] == {"subscription_id": "SUB-20002"}


async def test_a_choice_of_subscription_that_is_never_made_ends_with_a_human(chat, shop, make_subscription):
    shop.subscriptions.append(make_subscription("SUB-20002", plan="Stage Stream Yearly"))
    talk = chat("cancel_subscription")
    for _ in range(4):
        last = await talk.say("dunno")
    assert last.reason_code == "not_understood"


@pytest.mark.parametrize("paused", [False, True])
async def test_a_confirmation_that_is_never_given_ends_with_a_human(chat, shop, make_subscription, paused):
    if paused:
        shop.subscriptions[:] = [make_subscription(status="paused", renews_at=None)]
    talk = chat("cancel_subscription")
    for _ in range(4):
        last = await talk.say("what will the weather be")
    assert last.reason_code == "not_understood"
    assert talk.actions == []


async def test_declining_to_end_a_paused_subscription_keeps_it(chat, shop, make_subscription):
    shop.subscriptions[:] = [make_subscription(status="paused", renews_at=None)]
    talk = chat("cancel_subscription")
    await talk.say("cancel my subscription")
    kept = await talk.click("no")
    assert kept.resolved
    assert talk.actions == []


async def test_a_subscription_that_is_cancelled_already_needs_nothing(chat, shop, make_subscription, days):
    shop.subscriptions[:] = [make_subscription(status="cancelled", renews_at=None, ends_at=days(8))]
    reply = await chat("cancel_subscription").say("cancel my subscription")
    assert reply.resolved
    assert "already cancelled" in reply.reply.text


@pytest.mark.parametrize("outcome", [CallOutcome.DONE, CallOutcome.NOT_FOUND])
async def test_no_subscription_is_handed_over(chat, shop, outcome):
    shop.outcomes["list_subscriptions"] = CallResult(outcome, {"subscriptions": []})
    ended = await chat("cancel_subscription").say("cancel my subscription")
    assert (ended.reason_code, ended.team) == ("not_verified", "billing")


async def test_a_silent_shop_is_handed_over(chat, shop):
    shop.outcomes["list_subscriptions"] = CallResult(CallOutcome.FAILED)
    ended = await chat("cancel_subscription").say("cancel my subscription")
    assert ended.reason_code == "backend_failed"


@pytest.mark.parametrize(
    ("result", "reason", "status"),
    [
        (CallResult(CallOutcome.REFUSED, code="subscription_frozen"), "backend_refused", ActionStatus.REFUSED),
        (CallResult(CallOutcome.NOT_FOUND), "backend_refused", ActionStatus.REFUSED),
        (CallResult(CallOutcome.UNKNOWN), "backend_failed", ActionStatus.UNKNOWN),
        (CallResult(CallOutcome.FAILED), "backend_failed", ActionStatus.FAILED),
    ],
)
async def test_every_other_answer_goes_to_a_human_with_the_action(chat, shop, result, reason, status):
    shop.outcomes["cancel_subscription"] = result
    talk = chat("cancel_subscription")
    await talk.say("cancel my subscription")
    ended = await talk.click("yes")
    assert isinstance(ended, Escalation)
    assert ended.reason_code == reason
    assert [action.status for action in ended.actions] == [status]


async def test_a_race_with_another_cancellation_is_no_failure(chat, shop):
    shop.outcomes["cancel_subscription"] = CallResult(CallOutcome.REFUSED, code="already_cancelled")
    talk = chat("cancel_subscription")
    await talk.say("cancel my subscription")
    done = await talk.click("yes")
    assert done.resolved
    assert "already cancelled" in done.reply.text
