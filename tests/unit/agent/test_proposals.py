"""Propose: an action waits for a colleague. Shadow: a workflow is computed, and nobody hears of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from agent.acting import Actions
from agent.expiring import Pending, expiry_of
from floodgate.catalogue.models import Automation
from floodgate.events import (
    Approval,
    ApprovalDecision,
    Decision,
    Escalation,
    MessageKind,
    ProposalOutcome,
    ProposalStatus,
    Reply,
)
from keyflow import Effect, PendingEffect

from tests.unit.agent.conftest import NOW, Conversation, order

PROPOSE = lambda _: Automation.PROPOSE  # noqa: E731 (a level for the fixture, in one word)


def decision(talk: Conversation, decided: ApprovalDecision, reason: str = "", proposal: str = "") -> Approval:
    assert proposal or (talk.state is not None and talk.state.held is not None)
    identity = proposal or talk.state.held.proposal_id  # type: ignore[union-attr]
    return Approval(
        event_id=uuid4(), occurred_at=NOW, conversation_id="intercom:1", proposal_id=UUID(identity),
        decision=decided, actor="Ada", reason=reason,
    )  # fmt: skip


@pytest.fixture
async def held(chat: Any) -> Conversation:
    """A refund that the user has said yes to and that waits for a colleague."""
    talk: Conversation = chat("refund_order", level=PROPOSE)
    await talk.say("I want my money back for TK-40001", mode="propose")
    await talk.click("yes")
    return talk


async def test_an_action_waits_for_a_colleague_who_gets_a_note(held):
    assert held.actions == []
    assert isinstance(held.last, Reply)
    assert "A colleague checks this" in held.text
    assert (held.last.awaits, held.last.team) == ("approval", "tickets")
    note = held.last.note
    assert note.startswith("Please decide: refund order (order number TK-40001, amount 89.50)")
    assert "The user agreed: yes" in note
    assert f"\napprove {held.state.held.proposal_id}\n" in note
    (proposal,) = held.proposals
    assert (proposal.status, proposal.action, proposal.amount_cents) == (ProposalStatus.PENDING, "refund_order", 8950)


async def test_an_approved_action_is_done_once_with_the_key_that_it_was_proposed_with(held):
    key = held.state.held.idempotency_key
    approval = decision(held, ApprovalDecision.APPROVE)
    await held.receive(approval)
    await held.receive(approval)
    assert [(call, used) for call, _, used in held.shop.done] == [("refund_order", key)]
    assert held.last.resolved
    assert held.last.actions[0].idempotency_key == key
    assert [proposal.status.value for proposal in held.proposals] == ["pending", "approved"]
    assert held.proposals[-1].actor == "Ada"


@pytest.mark.parametrize(
    ("decided", "reason_code", "status"),
    [
        (ApprovalDecision.REJECT, "approval_rejected", "rejected"),
        (ApprovalDecision.EXPIRE, "approval_expired", "expired"),
        (ApprovalDecision.UNKNOWN, "approval_rejected", "rejected"),
    ],
)
async def test_what_is_not_approved_goes_to_a_human_and_nothing_is_done(held, decided, reason_code, status):
    escalation = await held.receive(decision(held, decided, "the show was moved"))
    assert isinstance(escalation, Escalation)
    assert escalation.reason_code == reason_code
    assert "nothing has been changed" in held.text
    assert "Not done: refund order (order number TK-40001, amount 89.50)" in escalation.suggested_next_step
    assert held.proposals[-1].status.value == status
    assert held.actions == []
    assert held.state.handed_over


async def test_an_approval_that_comes_too_late_does_nothing(held):
    held.state = held.state.model_copy(
        update={"held": held.state.held.model_copy(update={"expires_at_ms": int(NOW.timestamp() * 1000)})}
    )
    escalation = await held.receive(decision(held, ApprovalDecision.APPROVE))
    assert escalation.reason_code == "approval_expired"
    assert held.actions == []


async def test_an_approval_of_another_proposal_does_nothing(held):
    assert await held.receive(decision(held, ApprovalDecision.APPROVE, proposal=str(uuid4()))) is None
    assert held.actions == []
    assert held.state.held is not None


async def test_what_was_switched_off_meanwhile_is_not_done_although_it_is_approved(held):
    held.handler._level = lambda _: Automation.OFF
    escalation = await held.receive(decision(held, ApprovalDecision.APPROVE))
    assert escalation.reason_code == "never_automate"
    assert held.proposals[-1].status is ProposalStatus.WITHDRAWN
    assert held.actions == []


async def test_who_writes_meanwhile_hears_that_it_is_looked_at(held):
    reply = await held.say("and?")
    assert "still looking" in reply.reply.text
    assert reply.awaits == "approval"
    await held.receive(decision(held, ApprovalDecision.APPROVE))
    assert held.actions == ["refund_order"]


async def test_who_stops_meanwhile_withdraws_it(held):
    approval = decision(held, ApprovalDecision.APPROVE)
    reply = await held.say("stop")
    assert "stop" in reply.reply.text
    assert held.proposals[-1].status is ProposalStatus.WITHDRAWN
    assert await held.receive(approval) is None
    assert held.actions == []


@pytest.mark.parametrize("kind", [MessageKind.HUMAN_JOINED, MessageKind.CLOSED])
async def test_a_human_who_takes_over_withdraws_it(held, kind):
    approval = decision(held, ApprovalDecision.APPROVE)
    await held.receive(held.message(kind))
    assert held.proposals[-1].status is ProposalStatus.WITHDRAWN
    assert await held.receive(approval) is None
    assert held.actions == []


async def test_an_urgent_message_withdraws_it(held):
    await held.receive(held.verdict("someone hacked me", decision=Decision.ESCALATE))
    assert held.proposals[-1].status is ProposalStatus.WITHDRAWN
    assert held.state.held is None


async def test_a_workflow_that_changes_nothing_needs_no_approval(chat):
    talk = chat("order_status", level=PROPOSE)
    talk.shop.orders = [order(tickets_issued=True)]
    await talk.say("Where is my order TK-40001?", mode="propose")
    assert talk.last.resolved
    assert talk.proposals == []


def test_what_nobody_decided_in_time_expires_with_one_word_whoever_says_it(held_proposal):
    pending = Pending()
    pending.take([held_proposal])
    at = held_proposal.expires_at
    assert pending.expired(at - timedelta(seconds=1)) == []
    (expired,) = pending.expired(at)
    assert expiry_of(expired, at).event_id == expiry_of(expired, at + timedelta(seconds=9)).event_id
    assert expiry_of(expired, at).conversation_id == "intercom:1"
    pending.take([held_proposal.model_copy(update={"status": ProposalStatus.APPROVED})])
    assert pending.expired(at) == []


@pytest.fixture
async def held_proposal(held):
    return held.proposals[0]


async def test_in_shadow_nobody_hears_of_it_and_nothing_is_done(chat):
    talk = chat("refund_order", level=lambda _: Automation.SHADOW)
    said = await talk.say("I want my money back for TK-40001", decision=Decision.PASS, mode="shadow")
    assert said is None
    (proposal,) = talk.proposals
    assert (proposal.status, proposal.outcome) == (ProposalStatus.OBSERVED, ProposalOutcome.ACTS)
    assert (proposal.action, proposal.arguments["order_number"]) == ("refund_order", "TK-40001")
    assert "89" in proposal.text
    assert talk.actions == []
    assert talk.state.run is None


async def test_the_shadow_goes_on_when_the_user_answers_its_question_to_a_colleague(chat):
    talk = chat("refund_order", level=lambda _: Automation.SHADOW)
    talk.shop.orders = [order(), order("TK-40002")]
    await talk.say("I want my money back", decision=Decision.PASS, mode="shadow")
    assert talk.proposals[-1].outcome is ProposalOutcome.ASKS
    await talk.receive(talk.message(MessageKind.HUMAN_JOINED))
    await talk.say("Thank you for looking into it so soon", decision=Decision.PASS)
    assert len(talk.proposals) == 1
    await talk.say("It is TK-40002", decision=Decision.PASS)
    first, second = talk.proposals
    assert (second.outcome, second.arguments["order_number"]) == (ProposalOutcome.ACTS, "TK-40002")
    assert second.proposal_id == first.proposal_id
    assert talk.reader.asked == []


@pytest.mark.parametrize(
    ("changes", "outcome", "reason"),
    [({"refunded_cents": 8950, "status": "refunded"}, "hands_over", None), ({}, "acts", "")],
)
async def test_the_shadow_follows_the_same_policy(chat, changes, outcome, reason):
    talk = chat("refund_order", level=lambda _: Automation.SHADOW)
    talk.shop.orders = [order(**changes)]
    await talk.say("I want my money back for TK-40001", decision=Decision.PASS, mode="shadow")
    assert talk.proposals[-1].outcome.value in {outcome, "resolves"}
    assert (talk.proposals[-1].action == "refund_order") == (outcome == "acts")


async def test_who_is_not_verified_would_be_handed_over(chat):
    talk = chat("refund_order", level=lambda _: Automation.SHADOW)
    await talk.say("Refund TK-40001", decision=Decision.PASS, mode="shadow", contact_verified=False)
    assert talk.proposals[-1].reason_code == "not_verified"
    assert talk.shop.looked_up == []


@pytest.mark.parametrize(
    ("level", "repeated", "outcome"),
    [
        (Automation.OFF, False, "failed"), (Automation.SHADOW, False, "failed"), (Automation.PROPOSE, False, "done"),
        (Automation.ON, False, "done"),
        # It may have been done before the restart: only the backend, asked with the same key, can tell.
        (Automation.OFF, True, "done"),
    ],
)  # fmt: skip
async def test_what_was_decided_before_it_was_switched_off_is_not_begun(level, repeated, outcome):
    sent = []

    async def change(pending: PendingEffect) -> dict[str, Any]:
        sent.append(pending)
        return {"outcome": "done", "code": "", "value": {}}

    effect = Effect("shop", "key", {"call": "resend_tickets", "workflow": "resend_tickets", "contact_id": "c"}, 1)
    actions = Actions(change, None, lambda _: level)  # type: ignore[arg-type]  # it has no limits, so none are counted
    result = await actions.run(PendingEffect(effect, "intercom:1", maybe_repeated=repeated))
    assert result["outcome"] == outcome
    assert len(sent) == (1 if outcome == "done" else 0)
