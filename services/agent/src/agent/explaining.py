"""Why a conversation went as it did: every step with what decided it, from the state that the agent keeps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from agent.domain.state import AgentState, Run


def explain(state: AgentState) -> Iterator[str]:
    """Lines for a person. The running workflow, or else the last one that ended."""
    run = state.run or state.ended
    if run is None:
        yield "no workflow has run in it, or it was longer ago than the state is kept"
        return
    yield f"workflow {run.workflow}, {'waiting at ' + run.step if state.run else 'ended at ' + run.step}"
    if state.case is not None:
        yield f"category {state.case.category}, language {state.case.language}, catalogue {state.case.catalogue}"
    yield from _steps(run)
    for action in run.actions:
        told = f" ({action.detail})" if action.detail else ""
        undo = f", taken back by {action.undo}" if action.undo else ""
        yield f"action {action.action} at {action.step}: {action.status}{told}{undo}, key {action.idempotency_key}"
    if state.handed_over or state.human_joined:
        yield "a human has the conversation: automation is silent"


def _steps(run: Run) -> Iterator[str]:
    for number, taken in enumerate(run.path, start=1):
        because = ", ".join(f"{name} = {_told(value)}" for name, value in taken.inputs.items())
        yield f"{number:3}. {taken.step}: {taken.way}{f'  because {because}' if because else ''}"
    if run.awaited is not None:
        yield f"     waits for {run.awaited.slot} ({len(run.awaited.values)} buttons), turn {run.turns}"


def _told(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
