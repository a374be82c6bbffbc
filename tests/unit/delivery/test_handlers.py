"""The chain of effects with a fake channel: what is done, in which order, and what happens when something is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from delivery.domain.plan import Planner
from delivery.handlers import Deliver, DeliveryHandler
from delivery.ports import Fate
from floodgate.events import MessageKind
from keyflow import PendingEffect, PoisonMessageError, Record, Tools
from prometheus_client import REGISTRY

TOOLS = Tools(now_ms=lambda: 0, remaining_seconds=lambda: None)


async def test_a_hand_over_is_delivered_command_after_command(line, escalation):
    await line.receive(escalation())
    assert line.done == ["reply", "note", "attributes", "tag", "assign"]
    assert [order.key for order in line.channel.delivered] == [f"{escalation().event_id}:{n}" for n in range(5)]
    assert line.state.queue == ()


async def test_the_first_reply_alone_says_that_it_is_automated(line, reply):
    await line.receive(reply("r1", "One"))
    await line.receive(reply("r2", "Two"))
    texts = [order.command.text for order in line.channel.delivered if order.command.do == "reply"]
    assert texts == ["This is an automated reply.\n\nOne", "Two"]


async def test_a_notice_that_was_not_sent_is_said_the_next_time(line, reply):
    line.channel.fates["reply"] = PoisonMessageError("no")
    await line.receive(reply("r1", "One"))
    line.channel.fates.clear()
    await line.receive(reply("r2", "Two"))
    assert line.channel.delivered[-2].command.text.startswith("This is an automated reply.")


async def test_the_same_event_twice_is_delivered_once(line, reply):
    await line.receive(reply())
    before = len(line.channel.delivered)
    await line.receive(reply())
    assert len(line.channel.delivered) == before


async def test_each_command_knows_the_last_entry_that_was_ours(line, reply):
    await line.receive(reply("r1"))
    await line.receive(reply("r2"))
    replies = [order for order in line.channel.delivered if order.command.do == "reply"]
    assert replies[0].after_part_id is None
    assert replies[1].after_part_id is not None


async def test_where_a_human_is_known_to_have_joined_the_reply_is_withheld_without_a_call(line, message, escalation):
    await line.receive(message("h", kind=MessageKind.HUMAN_JOINED))
    await line.receive(escalation())
    assert line.done == ["note", "attributes", "tag", "assign", "note"]
    assert "A colleague takes over." in line.channel.delivered[-1].command.text
    assert "a colleague had joined" in line.channel.delivered[-1].command.text


async def test_after_closing_automation_may_speak_again(line, message, reply):
    await line.receive(message("h", kind=MessageKind.HUMAN_JOINED))
    await line.receive(message("c", kind=MessageKind.CLOSED))
    await line.receive(reply())
    assert line.done[0] == "reply"


async def test_a_human_seen_at_the_last_moment_withholds_the_reply_and_the_rest_goes_on(line, escalation):
    line.channel.fates["reply"] = Fate.WITHHELD
    await line.receive(escalation())
    assert line.done == ["note", "attributes", "tag", "assign", "note"]
    assert not line.state.notice_sent


async def test_a_reply_that_is_too_old_is_not_sent_and_a_team_takes_over(line, reply):
    line.now += timedelta(hours=2)
    await line.receive(reply(resolved=True))
    assert line.statuses[0] == "expired"
    assert "reply" not in line.done
    assert "close" not in line.done
    assert line.done[-2:] == ["note", "assign"]
    assert line.channel.delivered[-1].command.team == "tickets"


async def test_a_hand_over_goes_on_however_old_it_is(line, escalation):
    line.now += timedelta(days=3)
    await line.receive(escalation())
    assert line.done == ["note", "attributes", "tag", "assign", "note"]


@pytest.mark.parametrize("error", [PoisonMessageError("intercom: 404"), TimeoutError("no answer")])
async def test_a_reply_that_does_not_get_through_is_told_to_the_team(line, reply, error):
    line.channel.fates["reply"] = error
    await line.receive(reply())
    assert line.done == ["attributes", "note", "assign"]
    assert "Which order is it about?" in line.channel.delivered[1].command.text


async def test_a_refused_tag_stops_nothing_else(line, escalation):
    line.channel.fates["tag"] = PoisonMessageError("no such tag")
    await line.receive(escalation())
    assert line.done == ["reply", "note", "attributes", "assign"]


async def test_what_a_caller_polls_for_is_not_sent(line, reply):
    await line.receive(reply(channel="rest"), key="rest:1")
    assert line.done == []
    assert line.state.queue == ()


async def test_other_channels_go_to_the_webhook_when_there_is_one(planner: Planner, line, reply):
    handler = DeliveryHandler(planner, {"intercom"}, default_pushed=True)
    outcome = await handler.handle(Record("t", 0, 0, "rest:1", reply(channel="rest")), None, TOOLS)
    await Deliver({}, line.channel)(PendingEffect(outcome.effect, "rest:1"))
    assert line.channel.delivered[0].conversation_id == "1"


async def test_an_effect_for_a_channel_that_is_gone_is_refused(line, reply):
    outcome = await line.handler.handle(Record("t", 0, 0, "intercom:77", reply()), None, TOOLS)
    with pytest.raises(PoisonMessageError, match="nothing is sent to the channel 'intercom'"):
        await Deliver({}, None)(PendingEffect(outcome.effect, "intercom:77"))


def seconds_sent(channel: str) -> tuple[float, float]:
    """How often, and how many seconds in all."""
    values = [
        REGISTRY.get_sample_value(f"floodgate_delivery_sent_seconds_{part}", {"channel": channel})
        for part in ("count", "sum")
    ]
    return values[0] or 0.0, values[1] or 0.0


async def test_the_time_from_the_record_to_its_first_command_is_observed_once(planner: Planner, line, escalation):
    effect = Deliver({"intercom": line.channel}, None, now_ms=lambda: 5_250)
    timed = replace(line, effect=effect)
    before = seconds_sent("intercom")
    await timed.receive(escalation(), timestamp_ms=5_000)
    assert len(timed.done) == 5
    after = seconds_sent("intercom")
    assert (after[0] - before[0], after[1] - before[1]) == (1, pytest.approx(0.25))


async def test_a_channel_that_a_caller_named_is_observed_as_the_webhook(planner: Planner, line, reply):
    handler = DeliveryHandler(planner, {"intercom"}, default_pushed=True)
    timed = replace(line, handler=handler, effect=Deliver({}, line.channel, now_ms=lambda: 10))
    before = seconds_sent("webhook")
    # The clocks differ: Kafka's is ahead.
    await timed.receive(reply(channel="my-connector"), key="my-connector:1", timestamp_ms=50)
    after = seconds_sent("webhook")
    assert (after[0] - before[0], after[1] - before[1]) == (1, 0)


async def test_what_was_not_sent_now_tells_no_time(line, reply):
    line.channel.fates["reply"] = Fate.ALREADY_SENT
    before = seconds_sent("intercom")
    await line.receive(reply(), timestamp_ms=5_000)
    assert line.done[0] == "attributes"
    assert seconds_sent("intercom") == before


async def test_anything_else_on_a_topic_is_poison(line):
    with pytest.raises(PoisonMessageError):
        await line.handler.handle(Record("t", 0, 0, "k", "text"), None, TOOLS)
