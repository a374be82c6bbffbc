"""When a later action of a workflow is not done, what was done before is taken back; then a human has it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from agent.domain.calls import CallOutcome, CallResult
from agent.domain.library import Library
from agent.domain.model import WorkflowError
from floodgate.events import Escalation

from tests.unit.agent.conftest import CATALOGUE, Conversation

KEY_OF_UNDO = ":cancel:undo"


def two_actions() -> dict[str, Any]:
    """Cancels, then sends a new sign-in link: invented, so that a second action can be refused."""
    path = Path(CATALOGUE / "workflows" / "cancel_subscription.yaml")
    raw: dict[str, Any] = copy.deepcopy(yaml.safe_load(path.read_text(encoding="utf-8")))
    raw["steps"]["cancel"]["done"] = "link"
    raw["steps"]["link"] = {
        "do": "act", "call": "reset_sign_in", "save_as": "link", "harmless": "only sends a link to their own address",
        "done": "until_when", "refused": "refused", "not_found": "refused", "unknown": "result_unknown",
    }  # fmt: skip
    return raw


@pytest.fixture
def talk(chat, real_catalogue) -> Conversation:
    found: Conversation = chat("cancel_subscription")
    found.handler._library = Library(real_catalogue(cancel_subscription=two_actions()))
    return found


async def test_what_was_done_before_is_taken_back_with_a_key_of_its_own(talk):
    talk.shop.outcomes["reset_sign_in"] = CallResult(CallOutcome.REFUSED, code="account_frozen")
    await talk.say("Cancel my subscription please")
    ended = await talk.click("yes")
    assert talk.actions == ["cancel_subscription", "reset_sign_in", "resume_subscription"]
    keys = [key for _, _, key in talk.shop.done]
    assert keys[2] == f"{keys[0]}:undo"
    assert isinstance(ended, Escalation)
    assert [(a.action, a.status.value) for a in ended.actions] == [
        ("cancel_subscription", "done"), ("reset_sign_in", "refused"), ("resume_subscription", "done"),
    ]  # fmt: skip
    assert "Action: resume subscription: done (takes back what was done before)" in ended.note
    assert ended.reply is not None
    assert ended.reply.text
    assert talk.state is not None
    assert talk.state.handed_over
    assert talk.state.unwinding is None


async def test_what_could_not_be_taken_back_is_named_to_the_human(talk):
    talk.shop.outcomes["reset_sign_in"] = CallResult(CallOutcome.FAILED)
    talk.shop.outcomes["resume_subscription"] = CallResult(CallOutcome.UNKNOWN)
    await talk.say("Cancel my subscription please")
    ended = await talk.click("yes")
    assert ended.actions[-1].status.value == "unknown"
    assert "NOT KNOWN whether it was done" in ended.note
    assert talk.actions.count("resume_subscription") == 1


async def test_nothing_is_taken_back_while_nobody_knows_whether_the_last_one_was_done(talk):
    talk.shop.outcomes["reset_sign_in"] = CallResult(CallOutcome.UNKNOWN)
    await talk.say("Cancel my subscription please")
    ended = await talk.click("yes")
    assert talk.actions == ["cancel_subscription", "reset_sign_in"]
    assert "taken back by: resume_subscription" in ended.note


async def test_what_went_well_stays(talk):
    await talk.say("Cancel my subscription please")
    ended = await talk.click("yes")
    assert ended.resolved
    assert talk.actions == ["cancel_subscription", "reset_sign_in"]


async def test_a_first_action_that_is_refused_leaves_nothing_to_take_back(talk):
    talk.shop.outcomes["cancel_subscription"] = CallResult(CallOutcome.REFUSED, code="frozen")
    await talk.say("Cancel my subscription please")
    await talk.click("yes")
    assert talk.actions == ["cancel_subscription"]


def test_an_undo_that_the_backend_does_not_have_is_found(real_catalogue):
    raw = two_actions()
    raw["steps"]["cancel"]["undo"] = {"call": "reset_sign_in", "with": {}}
    with pytest.raises(WorkflowError, match="cancel_subscription is taken back by resume_subscription"):
        Library(real_catalogue(cancel_subscription=raw))
