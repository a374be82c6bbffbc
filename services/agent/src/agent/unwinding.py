"""Takes back what a workflow has done before it hands over, one action after the other; then it hands over."""

from __future__ import annotations

from keyflow import Effect, EffectResult, Outcome

from agent.approving import SHOP
from agent.domain.exchange import CallReturned, HandedOver
from agent.domain.state import ActionRecord, AgentState, Run, Unwinding
from agent.domain.undoing import owed, taken_back
from agent.following import call_result, handed_over
from agent.writing import Turn, Writer


def take_back(
    turn: Turn, state: AgentState, run: Run, unwinding: Unwinding, action: ActionRecord, *, ttl_seconds: float
) -> Outcome[AgentState]:
    """Sends what takes an action back, with a key of its own.

    It names no workflow: an operator who switches the category off does not want half of it left behind.
    """
    payload = {"call": action.undo_call, "arguments": dict(action.undo_with), "contact_id": turn.case.contact_id}
    effect = Effect(
        kind=SHOP,
        idempotency_key=f"{action.idempotency_key}:undo",
        payload=payload,
        expires_at_ms=turn.now_ms + int(ttl_seconds * 1000),
    )
    return Outcome((), state.model_copy(update={"run": run, "case": turn.case, "unwinding": unwinding}), effect)


def begin(
    turn: Turn, state: AgentState, run: Run, need: HandedOver, *, text: str, ttl_seconds: float
) -> Outcome[AgentState] | None:
    """Before a hand-over: takes back the latest action that has to be; None when there is none."""
    action = owed(run)
    if action is None:
        return None
    unwinding = Unwinding(
        reason=need.reason,
        suggested_next_step=need.suggested_next_step,
        team=need.team,
        priority=need.priority,
        text=text,
    )
    return take_back(turn, state, run, unwinding, action, ttl_seconds=ttl_seconds)


def go_on(
    turn: Turn, state: AgentState, run: Run, result: EffectResult, *, writer: Writer, ttl_seconds: float
) -> Outcome[AgentState]:
    """After one was taken back, or was not: the next one, or the hand-over."""
    unwinding, action = state.unwinding, owed(run)
    if unwinding is None or action is None:
        raise AssertionError("nothing is being taken back")
    run = taken_back(run, action, CallReturned(call_result(result), result.effect.idempotency_key))
    following = owed(run)
    if following is not None:
        return take_back(turn, state, run, unwinding, following, ttl_seconds=ttl_seconds)
    need = HandedOver(unwinding.reason, unwinding.suggested_next_step, unwinding.team, unwinding.priority)
    event = writer.escalation(turn, need, run, (), said=unwinding.text)
    ended = handed_over(state).model_copy(update={"unwinding": None, "ended": run.closed()})
    return Outcome((event,), ended)
