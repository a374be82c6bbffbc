"""What a workflow would do, or wants to do, as a record and as a note that a colleague can decide on. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from floodgate.events import Proposal, ProposalMode, ProposalOutcome, ProposalStatus, derive_event_id
from floodgate.events.times import from_ms

from agent.domain.exchange import AwaitUser, HandedOver, Need, NeedAct
from agent.domain.model import Workflow
from agent.domain.records import Moment
from agent.domain.state import Case, Held, Run

APPROVAL_SLOT: Final = "approval"
"""What a conversation waits for while a colleague decides."""
APPROVAL_TAG: Final = "floodgate:approval-needed"


def proposal_of(
    key: str,
    case: Case,
    workflow: Workflow,
    moment: Moment,
    run: Run,
    *,
    need: Need,
    proposal_id: UUID,
    mode: ProposalMode,
    status: ProposalStatus,
    text: str = "",
    team: str | None = None,
    held: Held | None = None,
) -> Proposal:
    """How far a workflow came."""
    act = need if isinstance(need, NeedAct) else None
    over = need if isinstance(need, HandedOver) else None
    return Proposal(
        event_id=derive_event_id(moment.cause, f"agent:proposal:{status.value}:{run.step}"),
        occurred_at=moment.now,
        causation_id=moment.cause,
        proposal_id=proposal_id,
        conversation_id=key,
        channel=case.channel,
        contact_id=case.contact_id,
        mode=mode,
        status=status,
        outcome=_outcome(need),
        workflow=workflow.id,
        step=run.step,
        category=case.category or workflow.category,
        action=act.call if act else "",
        arguments={name: str(value) for name, value in act.arguments.items()} if act else {},
        amount_cents=act.amount_cents if act else 0,
        idempotency_key=held.idempotency_key if held else "",
        summary=_summary(workflow, run, need),
        text=text,
        wants=case.wants,
        slots=dict(run.slots),
        steps=run.trace,
        reason_code=over.reason if over else "",
        language=case.language,
        team=team,
        usage=moment.usage,
        versions=moment.versions,
        expires_at=from_ms(held.expires_at_ms) if held else None,
    )


def decided(
    proposal: Held,
    key: str,
    case: Case,
    run: Run,
    *,
    status: ProposalStatus,
    moment: Moment,
    actor: str,
    reason: str,
) -> Proposal:
    """What became of a proposal that waited."""
    return Proposal(
        event_id=derive_event_id(moment.cause, f"agent:proposal:{status.value}:{proposal.proposal_id}"),
        occurred_at=moment.now,
        causation_id=moment.cause,
        proposal_id=UUID(proposal.proposal_id),
        conversation_id=key,
        channel=case.channel,
        contact_id=case.contact_id,
        mode=ProposalMode.PROPOSE,
        status=status,
        outcome=ProposalOutcome.ACTS,
        workflow=run.workflow.partition("@")[0],
        step=proposal.step,
        category=case.category,
        action=proposal.call,
        arguments={name: str(value) for name, value in proposal.arguments.items()},
        amount_cents=proposal.amount_cents,
        idempotency_key=proposal.idempotency_key,
        wants=case.wants,
        language=case.language,
        actor=actor,
        reason=reason,
        versions=moment.versions,
    )


def approval_note(case: Case, workflow: Workflow, run: Run, act: NeedAct, held: Held) -> str:
    """What a colleague has to know to decide, and how they do."""
    until = from_ms(held.expires_at_ms)
    known = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in sorted(run.slots.items()))
    agreed = "yes, to exactly this" if run.confirmed else "not asked: nothing is changed that needs a yes"
    lines = [
        f"Please decide: {described(act.call, act.arguments)}",
        f"The user wants: {case.wants or 'see the conversation'}",
        f"The user agreed: {agreed}",
        *([f"What we know: {known}"] if known else []),
        f"Workflow: {workflow.title}. Nothing has been done yet.",
        "To decide, add a note that says only one of these (or decide in the console):",
        f"approve {held.proposal_id}",
        f"reject {held.proposal_id} and why",
        _until(until),
    ]
    return "\n".join(lines)


def described(call: str, arguments: Mapping[str, str | int]) -> str:
    """A call as people say it: refund order (order number TK-40033, amount 89.50)."""
    told = ", ".join(_told(name, value) for name, value in arguments.items())
    name = call.replace("_", " ")
    return f"{name} ({told})" if told else name


def _told(name: str, value: str | int) -> str:
    if name.endswith("_cents") and isinstance(value, int):
        return f"{name.removesuffix('_cents').replace('_', ' ')} {value / 100:.2f}"
    return f"{name.replace('_', ' ')} {value}"


def _until(at: datetime) -> str:
    return f"If nobody decides by {at:%Y-%m-%d %H:%M} UTC, it is handed over to you as it stands."


def _outcome(need: Need) -> ProposalOutcome:
    match need:
        case NeedAct():
            return ProposalOutcome.ACTS
        case HandedOver():
            return ProposalOutcome.HANDS_OVER
        case AwaitUser():
            return ProposalOutcome.ASKS
        case _:
            return ProposalOutcome.RESOLVES


def _summary(workflow: Workflow, run: Run, need: Need) -> str:
    match need:
        case NeedAct():
            return f"{workflow.title}: {described(need.call, need.arguments)}."
        case HandedOver():
            return f"{workflow.title}: would hand over ({need.reason})."
        case AwaitUser():
            return f"{workflow.title}: would ask for {need.slot.replace('_', ' ')}."
        case _:
            return f"{workflow.title}: would answer and be done."
