"""Takes back what was done when a later action of the same workflow was not. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from agent.domain.calls import CallOutcome
from agent.domain.exchange import CallReturned
from agent.domain.state import ActionRecord, Run

ACTION_STATUS: Final[Mapping[CallOutcome, str]] = {
    CallOutcome.DONE: "done",
    CallOutcome.NOT_FOUND: "refused",
    CallOutcome.REFUSED: "refused",
    CallOutcome.FAILED: "failed",
    CallOutcome.UNKNOWN: "unknown",
}
_NOT_DONE: Final = frozenset({"refused", "failed"})


def owed(run: Run) -> ActionRecord | None:
    """The latest action to take back: the last one of the workflow was surely not done, and this one was.

    Nothing is taken back while it is not known whether the last one was done: a human looks first. Each is tried
    once, and only where the backend takes it back.
    """
    forward = [action for action in run.actions if not action.takes_back]
    if not forward or forward[-1].status not in _NOT_DONE:
        return None
    tried = {action.takes_back for action in run.actions}
    left = [
        action
        for action in forward
        if action.status == "done" and action.undo_call and action.idempotency_key not in tried
    ]
    return left[-1] if left else None


def taken_back(run: Run, action: ActionRecord, returned: CallReturned) -> Run:
    """The run with what became of taking an action back."""
    record = ActionRecord(
        action=action.undo_call,
        step=action.step,
        idempotency_key=returned.idempotency_key,
        status=ACTION_STATUS[returned.result.outcome],
        detail=returned.result.code,
        takes_back=action.idempotency_key,
    )
    line = f"{action.step}: taken back by {action.undo_call}: {record.status}"
    return run.model_copy(update={"actions": (*run.actions, record), "trace": (*run.trace, line)})
