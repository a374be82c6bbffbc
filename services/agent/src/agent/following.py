"""What verdicts, messages and results mean for the state of a conversation. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from floodgate.events import Decision, Message, MessageKind, Verdict
from keyflow import EffectResult, Emit, Outcome

from agent.domain.calls import CallOutcome, CallResult
from agent.domain.exchange import UserTurn
from agent.domain.records import option_id
from agent.domain.state import AgentState, Run


def on_message(message: Message, state: AgentState) -> Outcome[AgentState]:
    """What happens to the conversation, followed in the state alone."""
    match message.kind:
        case MessageKind.HUMAN_JOINED:
            changes: dict[str, Any] = {"human_joined": True, "run": None, "case": None, "held": None}
        case MessageKind.CLOSED | MessageKind.REOPENED:
            nothing = {"run": None, "case": None, "held": None, "shadow": None}
            changes = {"human_joined": False, "handed_over": False, **nothing}
        case _:
            return Outcome()
    return Outcome(state=state.noted(str(message.event_id)).model_copy(update=changes))


def handed_over(state: AgentState) -> AgentState:
    """The state once a human has the case."""
    return state.model_copy(update={"run": None, "case": None, "held": None, "handed_over": True})


def after_other_decision(verdict: Verdict, state: AgentState) -> AgentState:
    """A human has it now, so the workflow ends; a redirect or a quarantine leaves it waiting for its answer."""
    if verdict.decision in {Decision.ESCALATE, Decision.PASS}:
        return state.model_copy(update={"run": None, "case": None, "held": None})
    return state


def name_of(run: Run | None) -> str:
    """The workflow that runs; empty when none does."""
    return run.workflow.partition("@")[0] if run is not None else ""


def continues(verdict: Verdict, run: Run | None) -> bool:
    """Whether a verdict is an answer to the open question."""
    if run is None or run.awaited is None:
        return False
    return verdict.workflow is None or verdict.workflow == run.workflow.partition("@")[0]


def user_turn(message: Message, run: Run) -> UserTurn:
    """What the user did, as the interpreter takes it."""
    if message.clicked_option is None or run.awaited is None:
        return UserTurn(message.text)
    asked_by = UUID(run.awaited.asked_by)
    for value in run.awaited.values:
        if str(option_id(asked_by, value)) == message.clicked_option:
            return UserTurn(message.text, option_value=value)
    # A button of an earlier question: its label may read like an answer to this one.
    return UserTurn(message.text, stale_option=True)


def call_result(result: EffectResult) -> CallResult:
    """What became of an action. Without an answer it may have been done, and nobody may say otherwise."""
    match result.status:
        case "done":
            return CallResult(
                CallOutcome(result.value["outcome"]),
                dict(result.value.get("value", {})),
                str(result.value.get("code", "")),
            )
        case "refused":
            return CallResult(CallOutcome.REFUSED, code="not_allowed")
        case "expired" if not result.maybe_repeated:
            return CallResult(CallOutcome.FAILED, code="expired")  # it was never tried
        case _:
            return CallResult(CallOutcome.UNKNOWN, code=result.status)


def told_first(events: Sequence[Emit], outcome: Outcome[AgentState]) -> Outcome[AgentState]:
    """The outcome with something to tell before everything else."""
    return Outcome((*events, *outcome.events), outcome.state, outcome.effect) if events else outcome
