"""How far the agent may go, on Kafka and the shop: an operator's limit, proposals and a person's word on them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from agent.cli_approvals import app as approvals
from floodgate.catalogue.models import Automation
from floodgate.events import Decision, Escalation, Reply, SwitchMode
from support.processes import eventually
from typer.testing import CliRunner

pytestmark = pytest.mark.integration

CATEGORY = "sign_in"
WORKFLOW = "reset_sign_in"


def _run(*arguments: str) -> str:
    result = CliRunner().invoke(approvals, arguments)
    assert result.exit_code == 0, result.output
    return result.output


def _proposal(conversation: str, *options: str) -> dict[str, Any]:
    (found,) = [
        each for each in json.loads(_run("list", "--json", *options)) if each["conversation_id"] == conversation
    ]
    return found


def test_what_is_proposed_is_done_once_after_a_person_approved_it(agent, open_desk, limit):
    limit(SwitchMode.PROPOSE)
    desk = open_desk(customer=23, workflow=WORKFLOW)
    desk.say("I cannot sign in")
    held = _agree(desk)
    assert isinstance(held[0], Reply)
    assert not held[0].resolved
    assert desk.actions() == []
    proposal = _proposal(desk.conversation)
    assert (proposal["action"], proposal["category"]) == ("reset_sign_in", CATEGORY)
    _run("approve", proposal["proposal_id"])
    done = desk.await_records(len(held) + 2)[-1]
    assert done.resolved
    assert [entry["times_requested"] for entry in desk.actions()] == [1]


def test_what_is_rejected_is_not_done_and_a_human_goes_on(agent, open_desk, limit):
    limit(SwitchMode.PROPOSE)
    desk = open_desk(customer=24, workflow=WORKFLOW)
    desk.say("I cannot sign in")
    held = _agree(desk)
    _run("reject", _proposal(desk.conversation)["proposal_id"], "--reason", "the account is being looked at")
    after = desk.await_records(len(held) + 2)[len(held) + 1 :]
    assert [each.reason_code for each in after if isinstance(each, Escalation)] == ["approval_rejected"]
    assert desk.actions() == []


def test_in_shadow_nobody_hears_anything_and_the_proposal_says_what_would_have_been_done(agent, open_desk, limit):
    limit(SwitchMode.SHADOW)
    desk = open_desk(customer=25, workflow=WORKFLOW)
    verdict = desk.verdict("I cannot sign in")
    desk.send(verdict.model_copy(update={"decision": Decision.PASS, "mode": Automation.SHADOW}))
    eventually(lambda: desk.conversation in _run("list", "--json", "--shadow"), agent.tail)
    proposal = _proposal(desk.conversation, "--shadow")
    assert (proposal["outcome"], proposal["action"]) == ("acts", "reset_sign_in")
    assert desk.records() == []
    assert desk.actions() == []


def test_a_limit_that_comes_between_question_and_yes_holds(agent, open_desk, limit):
    desk = open_desk(customer=26, workflow=WORKFLOW)
    asked = desk.say("I cannot sign in")
    assert asked.awaits == "confirmation"
    limit(SwitchMode.OFF)
    ended = desk.click("yes")
    assert isinstance(ended, Escalation)
    assert desk.actions() == []


def _agree(desk: Any) -> list[Any]:
    """Presses yes; what came for it."""
    desk.click("yes")
    return desk.records()[1:]
