"""Propose: an action waits until a colleague approves it, rejects it, or nobody did in time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from floodgate.events import Approval, ApprovalDecision, ProposalMode, ProposalStatus, derive_event_id
from floodgate.telemetry import counter, get_logger
from keyflow import Effect, Emit, Outcome

from agent.domain.exchange import HandedOver, NeedAct, Utterance
from agent.domain.proposals import APPROVAL_SLOT, approval_note, described
from agent.domain.slots import Command, read_command
from agent.domain.state import AgentState, Case, Held, Run
from agent.writing import Ending, Turn, Writer

log = get_logger(__name__)

SHOP: Final = "shop"
HELD: Final = "wf_common_held"
STILL_HELD: Final = "wf_common_still_held"
NOT_APPROVED: Final = "wf_common_not_approved"
_ENDS: Final[Mapping[ApprovalDecision, tuple[ProposalStatus, str]]] = {
    ApprovalDecision.REJECT: (ProposalStatus.REJECTED, "approval_rejected"),
    ApprovalDecision.EXPIRE: (ProposalStatus.EXPIRED, "approval_expired"),
    # Of a newer version: what it allows is not known, so nothing is done.
    ApprovalDecision.UNKNOWN: (ProposalStatus.REJECTED, "approval_rejected"),
}
_decided = counter("floodgate_agent_approvals_total", "Proposals by what became of them", ("status",))


class Approvals:
    """Holds actions back and lets them go.

    Args:
        writer: Makes the records.
        ttl_seconds: How long a proposal waits for a person.
    """

    def __init__(self, writer: Writer, *, ttl_seconds: float) -> None:
        self._writer = writer
        self._ttl_seconds = ttl_seconds

    def hold(self, turn: Turn, state: AgentState, run: Run, need: NeedAct) -> Outcome[AgentState]:
        """The user is told that a colleague looks at it; the colleague gets a note and the proposal."""
        held = held_of(turn, need, self._ttl_seconds)
        turn.says.append(Utterance(HELD))
        note = approval_note(turn.case, turn.workflow, run, need, held)
        reply = self._writer.reply(turn, run, awaits=APPROVAL_SLOT, note=note)
        proposal = self._writer.proposal(
            turn,
            run,
            need,
            proposal_id=UUID(held.proposal_id),
            mode=ProposalMode.PROPOSE,
            status=ProposalStatus.PENDING,
            held=held,
        )
        return Outcome((reply, proposal), state.model_copy(update={"run": run, "held": held}))

    def told(
        self, key: str, approval: Approval, case: Case, run: Run, *, held: Held, status: ProposalStatus, now_ms: int
    ) -> Emit:
        """The record of what became of a proposal."""
        _decided.labels(status=status.value).inc()
        return self._writer.decided(
            key, case, run, held, status=status, actor=approval.actor, reason=approval.reason, now_ms=now_ms
        )

    def ending(self, approval: Approval, held: Held, now_ms: int) -> tuple[ProposalStatus, Ending] | None:
        """How it ends without the action; None when it is approved in time."""
        decision = approval.decision
        if decision is ApprovalDecision.APPROVE and now_ms >= held.expires_at_ms:
            decision = ApprovalDecision.EXPIRE
        if decision is ApprovalDecision.APPROVE:
            return None
        status, reason = _ENDS[decision]
        why = f" Reason: {approval.reason}" if approval.reason and status is ProposalStatus.REJECTED else ""
        need = HandedOver(reason, f"Not done: {described(held.call, held.arguments)}. Decide with the user.{why}")
        return status, Ending(need, NOT_APPROVED)

    def withdrawn(
        self, key: str, state: AgentState, *, cause_event_id: str, now_ms: int, reason: str
    ) -> tuple[Emit, ...]:
        """The record of a proposal that nobody has to decide any more."""
        if state.held is None or state.case is None or state.run is None:
            return ()
        _decided.labels(status=ProposalStatus.WITHDRAWN.value).inc()
        case = state.case.model_copy(update={"cause_event_id": cause_event_id})
        status = ProposalStatus.WITHDRAWN
        told = self._writer.decided(
            key, case, state.run, state.held, status=status, actor="agent", reason=reason, now_ms=now_ms
        )
        return (told,)

    def command(self, turn: Turn, text: str) -> Command | None:
        """What the user may still say while it is looked at: stop it, or ask for the person."""
        return read_command(text, turn.case.language, cancel_words_stop=turn.workflow.cancel_words_stop)

    def still_waits(self, turn: Turn, run: Run) -> Emit:
        """Anything else: it is still being looked at."""
        turn.says.append(Utterance(STILL_HELD))
        return self._writer.reply(turn, run, awaits=APPROVAL_SLOT)


def held_of(turn: Turn, need: NeedAct, ttl_seconds: float = 0.0) -> Held:
    """An action as it is kept until it is done."""
    return Held(
        proposal_id=str(derive_event_id(UUID(turn.case.cause_event_id), f"proposal:{need.step}")),
        step=need.step,
        call=need.call,
        arguments=dict(need.arguments),
        amount_cents=need.amount_cents,
        limits=None if need.limits is None else need.limits.model_dump(exclude_none=True),
        idempotency_key=f"{turn.case.cause_event_id}:{need.step}",
        expires_at_ms=turn.now_ms + int(ttl_seconds * 1000),
    )


def shop_effect(turn: Turn, action: Held, ttl_seconds: float) -> Effect:
    """The action as the engine does it, once."""
    payload: dict[str, Any] = {
        "call": action.call,
        "arguments": dict(action.arguments),
        "contact_id": turn.case.contact_id,
        "workflow": turn.workflow.id,
    }
    if action.limits is not None:
        payload |= {"limits": action.limits, "amount_cents": action.amount_cents, "decided_at_ms": turn.now_ms}
    return Effect(
        kind=SHOP,
        idempotency_key=action.idempotency_key,
        payload=payload,
        expires_at_ms=turn.now_ms + int(ttl_seconds * 1000),
    )
