"""Takes steps until something is needed from outside: branches, values, questions, the last gate before an action."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from agent.domain.exchange import (
    AwaitUser,
    Button,
    HandedOver,
    Need,
    NeedAct,
    NeedAnswer,
    NeedLookUp,
    Resolved,
    Transition,
    Utterance,
)
from agent.domain.expressions import ExpressionError
from agent.domain.model import (
    CONFIRMATION_SLOT,
    ActStep,
    AnswerStep,
    AskStep,
    BranchStep,
    ConfirmStep,
    HandOverStep,
    LookUpStep,
    ResolveStep,
    SayStep,
    SetStep,
    Step,
)
from agent.domain.scope import Context, arguments, buttons, evaluate, inputs_of, plain, scope, typed, utterance
from agent.domain.state import PATH_LENGTH, TRACE_LENGTH, Awaited, Run, Taken

MAX_STEPS_PER_EVENT: Final = 100
"""The checker refuses workflows that go round without asking; this is the second lock on that door."""

NOT_CLEAR: Final = "wf_common_not_clear"
NOT_UNDERSTOOD: Final = "wf_common_not_understood"
TROUBLE: Final = "wf_common_trouble"
OVER_LIMIT: Final = "wf_common_over_limit"
YES_BUTTON: Final = "wf_common_yes"
NO_BUTTON: Final = "wf_common_no"

Says = tuple[Utterance, ...]
_Next = Transition | tuple[Run, Says]
"""Either something is needed, or the next step can be taken."""


def go(context: Context, run: Run, says: Says) -> Transition:
    """Takes steps until something is needed from outside."""
    try:
        for _ in range(MAX_STEPS_PER_EVENT):
            taken = _take(context, run, says)
            if isinstance(taken, Transition):
                return taken
            run, says = taken
    except ExpressionError as error:
        # The catalogue's data did not have what the workflow expects; the error names no values.
        return trouble(run, f"{run.step}: {error}")
    return trouble(run, f"{run.step}: went round {MAX_STEPS_PER_EVENT} times")


def _take(context: Context, run: Run, says: Says) -> _Next:
    step = context.workflow.steps[run.step]
    match step:
        case BranchStep() | SetStep():
            return _work_out(context, run, step), says
        case SayStep():
            return at(run, step.next, "next"), (*says, utterance(context, run, step.say))
        case AskStep():
            return _ask(context, run, step, says)
        case ConfirmStep():
            return _confirm(context, run, step, says)
        case HandOverStep() | ResolveStep():
            return _finish(context, run, step, says)
        case _:
            return _call(context, run, step, says)


def _call(context: Context, run: Run, step: Step, says: Says) -> _Next:
    match step:
        case LookUpStep():
            return Transition(
                run, says, NeedLookUp(run.step, step.call, arguments(context, run, step.call, step.with_))
            )
        case ActStep():
            return _act(context, run, step, says)
        case AnswerStep():
            return _look_for_answer(context, run, step, says)
        case _:
            raise ExpressionError("a part that was not put in")


def _work_out(context: Context, run: Run, step: BranchStep | SetStep) -> Run:
    return _branch(context, run, step) if isinstance(step, BranchStep) else _set(context, run, step)


def _branch(context: Context, run: Run, step: BranchStep) -> Run:
    members = scope(context, run)
    asked: list[str] = []
    for number, case in enumerate(step.cases, start=1):
        asked.append(case.if_)
        if context.expressions.holds(case.if_, members):
            return at(run, case.next, f"case {number}", inputs_of(context, run, asked))
    return at(run, step.else_, "else", inputs_of(context, run, asked))


def _set(context: Context, run: Run, step: SetStep) -> Run:
    values = {name: evaluate(context, run, source) for name, source in step.values.items()}
    shown = {f"data.{name}": plain(value) for name, value in values.items() if plain(value) is not None}
    changed = run.model_copy(update={"data": {**run.data, **values}, "confirmed": None})
    return at(changed, step.next, "next", shown)


def _ask(context: Context, run: Run, step: AskStep, says: Says) -> _Next:
    if step.slot in run.slots and not step.again and holds_of(context, run, step, run.slots[step.slot]):
        return at(run, step.next, "answered", {"known": True}), says
    asked = run.attempts.get(run.step, 0)
    if asked >= step.max_attempts:
        return at(trace(run, f"{run.step}: gave up"), step.give_up, "give_up"), without_not_clear(says)
    slots = {name: value for name, value in run.slots.items() if name != step.slot}
    run = _counted(run.model_copy(update={"slots": slots, "confirmed": None}))
    offered = buttons(context, run, step)
    said = (*says, utterance(context, run, step.say))
    return _await(context, trace(run, f"{run.step}: asked"), said, step.slot, offered)


def holds_of(context: Context, run: Run, step: AskStep, value: str) -> bool:
    """Whether an answer is one that the question takes: one of what it offers, where it offers something."""
    if (step.choices or step.options) and value not in {button.value for button in buttons(context, run, step)}:
        return False
    if step.valid is None:
        return True
    members = scope(context, run) | {"value": typed(context.workflow.slots[step.slot], value)}
    return context.expressions.holds(step.valid, members)


def without_not_clear(says: Says) -> Says:
    """What is said when we stop asking: no "sorry, I did not get that" before the goodbye."""
    return tuple(said for said in says if said.template != NOT_CLEAR)


def _confirm(context: Context, run: Run, step: ConfirmStep, says: Says) -> _Next:
    if run.attempts.get(run.step, 0) >= step.max_attempts:
        return at(trace(run, f"{run.step}: gave up"), step.give_up, "give_up"), without_not_clear(says)
    run = trace(_counted(run.model_copy(update={"confirmed": None})), f"{run.step}: asked to confirm")
    offered = (Button("yes", Utterance(YES_BUTTON)), Button("no", Utterance(NO_BUTTON)))
    said = (*says, utterance(context, run, step.say))
    return _await(context, run, said, CONFIRMATION_SLOT, offered)


def _await(context: Context, run: Run, says: Says, slot: str, offered: tuple[Button, ...]) -> Transition:
    awaited = Awaited(
        slot=slot,
        asked_by=context.asked_by,
        values=tuple(button.value for button in offered),
        labels=tuple(context.label(button.label) for button in offered),
    )
    run = run.model_copy(update={"awaited": awaited})
    return Transition(run, says, AwaitUser(slot, run.step, offered))


def _act(context: Context, run: Run, step: ActStep, says: Says) -> Transition:
    """The last gate before anything changes; what the checker proved is looked at once more."""
    spec = context.calls[step.call]
    if not spec.changes or not _confirmed(step, run):
        return trouble(run, f"{run.step}: not confirmed")
    called_with = arguments(context, run, step.call, step.with_)
    amount_cents: Any = 0
    if spec.moves is not None:
        source = step.with_[spec.amount_argument] if spec.amount_argument else step.amount or "0"
        amount_cents = evaluate(context, run, source)
        if type(amount_cents) is not int or not 0 < amount_cents <= (step.max_amount_cents or 0):
            need = HandedOver("over_limit", "Decide on the amount; it is beyond what automation may do.")
            return end(trace(run, f"{run.step}: over the limit"), (Utterance(OVER_LIMIT),), need)
    shown = inputs_of(context, run, step.with_.values())
    run = noted(trace(run, f"{run.step}: {step.call}"), f"calls {step.call}", shown)
    return Transition(run, says, NeedAct(run.step, step.call, called_with, amount_cents, step.limits))


def _confirmed(step: ActStep, run: Run) -> bool:
    return step.harmless is not None or run.confirmed in step.confirmed_by


def _look_for_answer(context: Context, run: Run, step: AnswerStep, says: Says) -> _Next:
    question = context.said if step.question is None else context.label(utterance(context, run, step.question))
    if not question.strip():
        return at(run, step.unsupported, "unsupported"), says
    return Transition(run, says, NeedAnswer(question))


def _finish(context: Context, run: Run, step: HandOverStep | ResolveStep, says: Says) -> Transition:
    said = (*says, utterance(context, run, step.say))
    if isinstance(step, ResolveStep):
        return end(noted(trace(run, f"{run.step}: resolved"), "resolved"), said, Resolved())
    need = HandedOver(step.reason, step.suggested_next_step, step.team, step.priority)
    return end(noted(trace(run, f"{run.step}: handed over"), f"handed over: {step.reason}"), said, need)


def at(run: Run, step: str, way: str, inputs: Mapping[str, Any] | None = None) -> Run:
    """The run at the next step; the way there is noted."""
    return noted(run, way, inputs).model_copy(update={"step": step})


def noted(run: Run, way: str, inputs: Mapping[str, Any] | None = None) -> Run:
    """The run with what happened at its step on its path."""
    taken = Taken(step=run.step, way=way, inputs=dict(inputs or {}))
    return run.model_copy(update={"path": (*run.path, taken)[-PATH_LENGTH:]})


def trace(run: Run, line: str) -> Run:
    """The run with a line more for the human who may take over."""
    return run.model_copy(update={"trace": (*run.trace, line)[-TRACE_LENGTH:]})


def end(run: Run, says: Says, need: Need) -> Transition:
    """The end of a run."""
    return Transition(run.model_copy(update={"awaited": None}), says, need)


def give_up(run: Run) -> Transition:
    """Ends where nothing that was said could be used."""
    need = HandedOver("not_understood", "Read the conversation; the answers could not be understood.")
    return end(trace(run, f"{run.step}: not understood"), (Utterance(NOT_UNDERSTOOD),), need)


def trouble(run: Run, line: str) -> Transition:
    """Ends where the workflow cannot go on."""
    need = HandedOver("backend_failed", "Do what the user asks by hand; the workflow could not go on.")
    return end(trace(run, line), (Utterance(TROUBLE),), need)


def _counted(run: Run) -> Run:
    attempts = {**run.attempts, run.step: run.attempts.get(run.step, 0) + 1}
    return run.model_copy(update={"attempts": attempts})
