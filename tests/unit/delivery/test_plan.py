"""From a record to ordered commands."""

from __future__ import annotations

import pytest
from delivery.domain.plan import Planner
from floodgate.events import Decision, OutboundReply, Priority


def kinds(plan):
    return [command.do for command in plan.commands]


def test_a_message_that_passes_is_labelled_and_put_into_its_teams_queue(planner, verdict):
    plan = planner.plan(verdict(), notice_sent=False)
    assert kinds(plan) == ["attributes", "tag", "assign"]
    assert plan.commands[0].values == {
        "floodgate_decision": "pass",
        "floodgate_category": "order_status",
        "floodgate_urgency": "0.25",
        "floodgate_language": "nl",
    }
    assert plan.commands[1].tags == ("floodgate",)
    assert plan.commands[2].channel_team_id == "1001"


def test_an_unscreened_message_says_so(planner, verdict):
    plan = planner.plan(verdict(screened=False), notice_sent=False)
    assert plan.commands[1].tags == ("floodgate", "floodgate:unscreened")


def test_automation_is_silent_where_a_human_has_joined(planner, verdict):
    assert planner.plan(verdict(team=None), notice_sent=False).commands == ()


@pytest.mark.parametrize("decision", [Decision.AUTOMATE, Decision.ESCALATE, Decision.QUARANTINE])
def test_decisions_that_other_records_carry_send_nothing(planner, verdict, decision):
    assert planner.plan(verdict(decision=decision), notice_sent=False).commands == ()


def test_a_redirect_says_its_reply_with_the_notice_first(planner, verdict):
    said = OutboundReply(text="It seems to be about tickets.", language="nl")
    plan = planner.plan(verdict(decision=Decision.REDIRECT, reply=said, team=None), notice_sent=False)
    assert kinds(plan) == ["reply", "attributes"]
    assert plan.commands[0].text == "Dit is een automatisch antwoord.\n\nIt seems to be about tickets."
    assert plan.rescue_team == "tickets"


def test_the_notice_is_said_once(planner, reply):
    assert planner.plan(reply(), notice_sent=True).commands[0].text == "Which order is it about?"


def test_a_question_carries_its_buttons(planner, reply):
    plan = planner.plan(reply(options=2), notice_sent=True)
    assert [option.label for option in plan.commands[0].options] == ["Order 0", "Order 1"]
    assert kinds(plan) == ["reply", "attributes"]


def test_a_resolved_case_is_tagged_and_closed(planner, reply):
    plan = planner.plan(reply(resolved=True, tags=("floodgate:resolved",)), notice_sent=True)
    assert kinds(plan) == ["reply", "attributes", "tag", "close"]
    assert plan.commands[1].values["floodgate_decision"] == "resolved"


def test_a_site_may_keep_resolved_cases_open(catalogue, reply):
    plan = Planner(catalogue, close_resolved=False).plan(reply(resolved=True), notice_sent=True)
    assert "close" not in kinds(plan)


def test_a_hand_over_comes_complete_and_in_order(planner, escalation):
    plan = planner.plan(escalation(), notice_sent=True)
    assert kinds(plan) == ["reply", "note", "attributes", "tag", "assign"]
    assert plan.commands[1].title == "Floodgate hands over (over limit)"
    assert plan.commands[2].values["floodgate_reason"] == "over_limit"
    assert plan.commands[3].tags == ("floodgate", "floodgate:handed-over")
    assert plan.rescue_team is None


def test_an_urgent_hand_over_is_marked(planner, escalation):
    plan = planner.plan(escalation(urgent=True, reason_code="urgent", reply=None), notice_sent=True)
    assert kinds(plan) == ["note", "attributes", "tag", "assign"]
    assert plan.commands[0].title.startswith("Urgent: ")
    assert "floodgate:urgent" in plan.commands[2].tags


def test_quarantine_is_marked(planner, escalation):
    plan = planner.plan(escalation(reason_code="spam", priority=Priority.LOW, note=""), notice_sent=True)
    assert plan.commands[1].values["floodgate_decision"] == "quarantine"
    assert "floodgate:quarantine" in plan.commands[2].tags


@pytest.mark.parametrize("team", [None, "unheard_of"])
def test_what_belongs_to_no_team_goes_to_the_general_one(planner, escalation, team):
    assert planner.plan(escalation(team=team), notice_sent=True).commands[-1].channel_team_id == "1006"


def test_the_same_event_always_gives_the_same_commands(planner, escalation):
    assert planner.plan(escalation(), notice_sent=False) == planner.plan(escalation(), notice_sent=False)


def test_a_reply_that_needs_a_decision_brings_its_note_to_the_team(planner, reply):
    asks = reply(note="Please decide: refund order", team="tickets", tags=("floodgate:approval-needed",))
    plan = planner.plan(asks, notice_sent=True)
    assert kinds(plan) == ["reply", "attributes", "note", "tag", "assign"]
    assert plan.commands[2].text == "Please decide: refund order"
    assert plan.commands[4].channel_team_id == "1001"
