"""Taking back in the fuzz: workflows that go on after what can be undone, and a referee of what is taken back.

The catalogue's workflows act once and end, so that nothing of theirs is ever taken back; here more follows.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from agent.domain.calls import CallOutcome, CallSpec
from agent.domain.model import ActStep, HandOverStep, Step, Workflow
from agent.scripts import Player

_NOT_DONE: Final = frozenset({CallOutcome.REFUSED, CallOutcome.NOT_FOUND, CallOutcome.FAILED})
_HARMLESS: Final = "put in by the fuzz, behind a yes to what came before"


@dataclass(frozen=True, slots=True)
class Sent:
    """What the backend was asked to change, and what became of it."""

    step: str
    call: str
    arguments: Mapping[str, str | int]
    outcome: CallOutcome


def lengthened(player: Player) -> Player | None:
    """The player with every action that can be undone done twice, and one behind that cannot; None without any."""
    bare = next((spec for spec in player.library.calls.values() if spec.changes and not spec.arguments), None)
    steps = player.workflow.steps
    undoable = {name: step for name, step in steps.items() if isinstance(step, ActStep) and step.undo is not None}
    a_human = next((name for name, step in steps.items() if isinstance(step, HandOverStep)), None)
    if bare is None or a_human is None or not undoable:
        return None
    longer = copy.copy(player)
    longer.workflow = _with_more(player.workflow, undoable, bare, a_human)
    return longer


def _with_more(workflow: Workflow, undoable: Mapping[str, ActStep], bare: CallSpec, a_human: str) -> Workflow:
    steps: dict[str, Step] = dict(workflow.steps)
    for name, step in undoable.items():
        again, last = f"{name}_again", f"{name}_last"
        steps[name] = step.model_copy(update={"done": again})
        steps[again] = step.model_copy(update={"done": last, "confirmed_by": (), "harmless": _HARMLESS})
        steps[last] = ActStep(
            do="act", call=bare.name, save_as=last, harmless=_HARMLESS,
            done=step.done, refused=a_human, not_found=a_human, unknown=a_human,
        )  # fmt: skip
    return workflow.model_copy(update={"steps": steps})


def faults_of(
    player: Player, sent: Sequence[Sent], back: Sequence[Sent], known: set[Any], *, handed_over: bool
) -> Iterator[str]:
    """What is wrong with what was taken back.

    Args:
        player: The workflow and the declared calls.
        sent: The workflow's own actions, in order.
        back: What was sent to take them back, in order; `step` names the action.
        known: What the backend told of the user.
        handed_over: Whether a human has it at the end.
    """
    due = _due(player.workflow, sent) if handed_over else []
    if [action.step for action in back] != [action.step for action in due]:
        yield f"takes back {[action.step for action in back]}, where {[action.step for action in due]} was due"
        return
    for action, undo in zip(due, back, strict=True):
        spec = player.library.calls[undo.call]
        if undo.call != player.library.calls[action.call].undone_by or set(undo.arguments) != set(spec.arguments):
            yield f"{action.call} is taken back by {undo.call} with {sorted(undo.arguments)}"
        if undo.call == action.call and undo.arguments == action.arguments:
            yield f"{action.call} is done again, not taken back"
        if any(value not in known | set(action.arguments.values()) for value in undo.arguments.values()):
            yield f"{undo.call} of something that neither the action nor a look-up gave"


def _due(workflow: Workflow, sent: Sequence[Sent]) -> list[Sent]:
    """Everything that was done and can be undone, the latest first, when the last action surely was not done."""
    if not sent or sent[-1].outcome not in _NOT_DONE:
        return []
    return [
        action for action in reversed(sent) if action.outcome is CallOutcome.DONE and _can_be_undone(workflow, action)
    ]


def _can_be_undone(workflow: Workflow, action: Sent) -> bool:
    step = workflow.steps[action.step]
    return isinstance(step, ActStep) and step.undo is not None
