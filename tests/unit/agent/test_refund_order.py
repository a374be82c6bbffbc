"""Every way through refund_order: the policy at its bounds, and every answer of the shop."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from agent.domain.calls import CallOutcome, CallResult
from floodgate.events import ActionStatus, Escalation

CATALOGUE = Path(__file__).resolve().parents[3] / "catalogue"
LANGUAGES = ("nl", "fr", "es", "pl", "en", "de", "it", "pt", "sv", "cs")


async def test_the_user_confirms_the_very_amount_that_is_refunded(chat):
    talk = chat("refund_order")
    asked = await talk.say("I'd like a refund for TK-40001")
    assert "€89.50" in asked.reply.text
    assert talk.actions == []
    done = await talk.click("yes")
    assert talk.shop.done[0][:2] == ("refund_order", {"order_number": "TK-40001", "amount_cents": 8_950})
    assert done.resolved
    assert "€89.50" in done.reply.text


async def test_what_was_paid_back_before_is_not_paid_back_again(chat, shop, make_order):
    shop.orders[:] = [make_order(amount_cents=9_000, refunded_cents=4_500)]
    talk = chat("refund_order")
    asked = await talk.say("refund please")
    assert "€45.00" in asked.reply.text
    await talk.say("Yes, please!")
    assert talk.shop.done[0][1]["amount_cents"] == 4_500


async def test_a_no_refunds_nothing(chat):
    talk = chat("refund_order")
    await talk.say("refund please")
    kept = await talk.say("nope")
    assert kept.resolved
    assert talk.actions == []


def in_the_shop(changes, days):
    """Days from now as the shop writes them; it takes refunds until 7 days before the event."""
    moments = {name: days(value) for name, value in changes.items() if name.endswith("_at")}
    if "event_starts_at" in changes:
        moments["refundable_until"] = days(changes["event_starts_at"] - 7)
    return changes | moments


@pytest.mark.parametrize(
    ("changes", "reason", "words"),
    [
        ({"status": "refunded", "refunded_cents": 8_950}, "backend_refused", "already been refunded"),
        ({"refunded_cents": 8_950}, "backend_refused", "already been refunded"),
        ({"status": "cancelled"}, "backend_refused", "organiser cancelled"),
        ({"purchased_at": -30.01}, "over_limit", "more than 30 days ago"),
        ({"event_starts_at": 6.99}, "over_limit", "until 7 days before the event"),
        ({"event_starts_at": -2}, "over_limit", "until 7 days before the event"),
        ({"event_starts_at": 6.99, "purchased_at": -40}, "over_limit", "until 7 days before the event"),
        ({"amount_cents": 15_001}, "over_limit", "not allowed to refund"),
        ({"amount_cents": 64_000}, "over_limit", "not allowed to refund"),
    ],
)
async def test_outside_the_policy_nothing_is_offered(chat, shop, make_order, days, changes, reason, words):
    shop.orders[:] = [make_order(**in_the_shop(changes, days))]
    talk = chat("refund_order")
    ended = await talk.say("refund please")
    assert isinstance(ended, Escalation)
    assert (ended.reason_code, ended.actions) == (reason, ())
    assert words in ended.reply.text
    assert talk.actions == []


@pytest.mark.parametrize("changes", [{"purchased_at": -29.99}, {"event_starts_at": 7}, {"amount_cents": 15_000}])
async def test_at_the_bounds_of_the_policy_the_refund_is_offered(chat, shop, make_order, days, changes):
    shop.orders[:] = [make_order(**in_the_shop(changes, days))]
    asked = await chat("refund_order").say("refund please")
    assert asked.awaits == "confirmation"


async def test_several_orders_are_offered_and_the_chosen_one_is_judged(chat, shop, make_order):
    shop.orders.append(make_order("TK-50001", amount_cents=20_000))
    talk = chat("refund_order")
    asked = await talk.say("refund please")
    assert [option.value for option in asked.reply.options] == ["TK-40001", "TK-50001"]
    ended = await talk.click("TK-50001")
    assert ended.reason_code == "over_limit"


async def test_a_number_that_is_not_theirs_is_asked_for_again(chat):
    talk = chat("refund_order")
    asked = await talk.say("refund TK-49999")
    assert asked.awaits == "order_number"
    assert "under your account" in asked.reply.text
    confirm = await talk.say("sorry, TK-40001")
    assert confirm.awaits == "confirmation"


async def test_numbers_that_are_never_theirs_end_with_a_human(chat):
    talk = chat("refund_order")
    for number in range(4):
        last = await talk.say(f"refund TK-4999{number}")
    assert last.reason_code == "not_understood"


async def test_a_choice_that_is_never_made_ends_with_a_human(chat, shop, make_order):
    shop.orders.append(make_order("TK-50001"))
    talk = chat("refund_order")
    for _ in range(4):
        last = await talk.say("dunno")
    assert last.reason_code == "not_understood"


async def test_a_confirmation_that_is_never_given_ends_with_a_human(chat):
    talk = chat("refund_order")
    for _ in range(4):
        last = await talk.say("perhaps")
    assert last.reason_code == "not_understood"
    assert talk.actions == []


async def test_no_orders_and_a_silent_shop_are_handed_over(chat, shop):
    shop.orders.clear()
    assert (await chat("refund_order").say("refund please")).reason_code == "not_verified"
    shop.outcomes["list_orders"] = CallResult(CallOutcome.NOT_FOUND)
    assert (await chat("refund_order").say("refund please")).reason_code == "not_verified"
    for call in ("list_orders", "get_order"):
        shop.outcomes = {call: CallResult(CallOutcome.FAILED)}
        shop.orders.append({})
        assert (await chat("refund_order").say("refund TK-40001")).reason_code == "backend_failed"


@pytest.mark.parametrize(
    ("result", "reason", "status", "words"),
    [
        (CallResult(CallOutcome.REFUSED, code="already_refunded"), "backend_refused", ActionStatus.REFUSED, "already"),
        (CallResult(CallOutcome.REFUSED, code="past_deadline"), "backend_refused", ActionStatus.REFUSED, "7 days"),
        (CallResult(CallOutcome.REFUSED, code="order_pending"), "backend_refused", ActionStatus.REFUSED, "myself"),
        (CallResult(CallOutcome.NOT_FOUND), "backend_refused", ActionStatus.REFUSED, "myself"),
        (CallResult(CallOutcome.UNKNOWN), "backend_failed", ActionStatus.UNKNOWN, "don't know for certain"),
        (CallResult(CallOutcome.FAILED), "backend_failed", ActionStatus.FAILED, "couldn't finish"),
    ],
)
async def test_every_answer_to_the_refund_is_told_honestly(chat, shop, result, reason, status, words):
    shop.outcomes["refund_order"] = result
    talk = chat("refund_order")
    await talk.say("refund please")
    ended = await talk.click("yes")
    assert ended.reason_code == reason
    assert [action.status for action in ended.actions] == [status]
    assert words in ended.reply.text
    assert len(talk.shop.done) == 1


async def test_an_unknown_result_tells_the_human_to_look_before_doing_it_again(chat, shop):
    shop.outcomes["refund_order"] = CallResult(CallOutcome.UNKNOWN)
    talk = chat("refund_order")
    await talk.say("refund please")
    ended = await talk.click("yes")
    assert ended.priority == "high"
    assert "NOT KNOWN" in ended.note
    assert ended.reply.text.partition("\n\n")[0].endswith("there's no need to ask again.")


async def test_the_deadline_is_the_shops_own_and_not_worked_out_from_the_event(chat, shop, make_order, days):
    shop.orders[:] = [make_order(event_starts_at=days(30), refundable_until=days(-0.01))]
    talk = chat("refund_order")
    ended = await talk.say("refund please")
    assert "until 7 days before the event" in ended.reply.text
    assert talk.state.run is None
    assert talk.actions == []


@pytest.mark.parametrize("name", ["past_deadline", "bought_too_long_ago"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_what_the_user_is_told_agrees_with_the_article(name, language):
    """The days of the reply stand in the article of every language that has one."""
    templates = yaml.safe_load((CATALOGUE / "templates" / "workflows.yaml").read_text(encoding="utf-8"))["templates"]
    [text] = [entry["texts"][language] for entry in templates if entry["id"] == f"wf_refund_order_{name}"]
    article = (CATALOGUE / "knowledge" / language / "ticket_refunds.md").read_text(encoding="utf-8")
    numbers = set(re.findall(r"\b\d+\b", text))
    assert numbers == {"7" if name == "past_deadline" else "30"}
    assert numbers <= set(re.findall(r"\b\d+\b", article))
