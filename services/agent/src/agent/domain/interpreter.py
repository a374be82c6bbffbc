"""Runs a workflow: (workflow, run, event) to (new run, what to say, what is needed next). Pure and total.

The model appears only as `ModelReading`: values for the slot that is being asked for, read again by the
validators. It cannot confirm: a yes comes from a button or from the deterministic parser, nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from agent.domain.calls import CALLS, CallOutcome
from agent.domain.exchange import (
    AwaitUser,
    Button,
    CallReturned,
    Event,
    HandedOver,
    KnowledgeReturned,
    ModelReading,
    Need,
    NeedAct,
    NeedAnswer,
    NeedLookUp,
    NeedReading,
    Resolved,
    Stopped,
    Transition,
    UserTurn,
    Utterance,
)
from agent.domain.expressions import ExpressionError
from agent.domain.model import (
    CONFIRMATION_SLOT,
    ActStep,
    AskStep,
    BranchStep,
    ConfirmStep,
    HandOverStep,
    LookUpStep,
    ResolveStep,
    SayStep,
    SetStep,
    SlotSpec,
    SlotType,
)
from agent.domain.scope import Context, arguments, buttons, evaluate, open_choices, scope, utterance
from agent.domain.slots import Command, is_question, read_command, read_slot, read_yes_no, validate
from agent.domain.state import TRACE_LENGTH, ActionRecord, Awaited, Run

MAX_STEPS_PER_EVENT: Final = 100
"""The checker refuses workflows that go round without asking; this is the second lock on that door."""

PERSON: Final = "wf_common_person"
STOPPED: Final = "wf_common_stopped"
NOT_CLEAR: Final = "wf_common_not_clear"
NOT_UNDERSTOOD: Final = "wf_common_not_understood"
TROUBLE: Final = "wf_common_trouble"
OVER_LIMIT: Final = "wf_common_over_limit"
ANSWER: Final = "wf_common_answer"
YES_BUTTON: Final = "wf_common_yes"
NO_BUTTON: Final = "wf_common_no"
BUILT_IN_TEMPLATES: Final[Mapping[str, frozenset[str]]] = {
    name: frozenset()
    for name in (PERSON, STOPPED, NOT_CLEAR, NOT_UNDERSTOOD, TROUBLE, OVER_LIMIT, YES_BUTTON, NO_BUTTON)
} | {ANSWER: frozenset({"answer"})}
"""What the interpreter itself says, in every workflow."""

CONFIRMATION: Final = SlotSpec(type=SlotType.YES_NO, description="whether to go ahead: yes or no")


def begin(context: Context, text: str) -> Transition:
    """Starts a workflow with the message that asked for it."""
    workflow = context.workflow
    if read_command(text, context.language, cancel_words_stop=False) is Command.HUMAN:
        return _hand_over_to_person(Run(workflow=workflow.reference, step=workflow.start))
    slots = {
        name: value
        for name, spec in workflow.slots.items()
        if spec.from_first_message and (value := read_slot(spec, text, context.language)) is not None
    }
    return _go(context, Run(workflow=workflow.reference, step=workflow.start, slots=slots), ())


def advance(context: Context, run: Run, event: Event) -> Transition:
    """Goes on with a workflow.

    The event has to fit what the last transition needed; one that does not is answered by asking again
    (a turn) or is a programming error (a call).

    Raises:
        ValueError: A call came back at a step that made none.
    """
    match event:
        case UserTurn():
            return _on_turn(context, run, event)
        case ModelReading():
            return _on_reading(context, run, event)
        case KnowledgeReturned():
            return _on_knowledge(context, run, event)
        case CallReturned():
            return _on_call(context, run, event)


def _on_turn(context: Context, run: Run, turn: UserTurn) -> Transition:
    run = run.model_copy(update={"turns": run.turns + 1})
    if run.turns > context.workflow.max_turns:
        return _give_up(run)
    if turn.stale_option:
        return _ask_again(context, run)
    if turn.option_value is not None:
        return _answered(context, run, turn.option_value)
    command = read_command(turn.text, context.language, cancel_words_stop=context.workflow.cancel_words_stop)
    if command is not None:
        return _on_command(run, command)
    return _on_text(context, run, turn.text)


def _on_text(context: Context, run: Run, text: str) -> Transition:
    step = context.workflow.steps[run.step]
    if isinstance(step, ConfirmStep):
        answer = read_yes_no(text, context.language)
        if answer is not None:
            return _answered(context, run, "yes" if answer else "no")
        return Transition(run, (), NeedReading(CONFIRMATION_SLOT, CONFIRMATION, text))
    if isinstance(step, AskStep):
        spec, choices = context.workflow.slots[step.slot], open_choices(run)
        value = read_slot(spec, text, context.language, choices)
        if value is not None:
            return _answered(context, run, value)
        return Transition(run, (), NeedReading(step.slot, spec, text, choices))
    return _give_up(run)


def _on_reading(context: Context, run: Run, reading: ModelReading) -> Transition:
    """Takes from the model only what leads away from an action, or a value that stands validation."""
    if reading.command == "human":
        return _on_command(run, Command.HUMAN)
    if reading.command == "cancel":
        return _on_command(run, Command.CANCEL)
    step = context.workflow.steps[run.step]
    if isinstance(step, ConfirmStep) and reading.values.get(CONFIRMATION_SLOT) == "no":
        return _answered(context, run, "no")
    if isinstance(step, AskStep):
        proposed = reading.values.get(step.slot)
        choices = open_choices(run)
        value = None if proposed is None else validate(context.workflow.slots[step.slot], proposed, choices)
        if value is not None:
            return _answered(context, run, value)
    if reading.text and (reading.command == "question" or is_question(reading.text, context.language)):
        return Transition(run, (), NeedAnswer(reading.text))
    return _ask_again(context, run)


def _on_knowledge(context: Context, run: Run, found: KnowledgeReturned) -> Transition:
    """Says what the knowledge says and puts the open question again; neither is an attempt gone."""
    if found.answer is None:
        return _ask_again(context, run)
    attempts = {**run.attempts, run.step: max(run.attempts.get(run.step, 0) - 1, 0)}
    run = _trace(run.model_copy(update={"attempts": attempts}), f"{run.step}: a question was answered")
    return _go(context, run, (Utterance(ANSWER, {"answer": found.answer}),))


def _on_command(run: Run, command: Command) -> Transition:
    if command is Command.HUMAN:
        return _hand_over_to_person(run)
    ended = _trace(run, "stopped by the user").model_copy(update={"awaited": None})
    return Transition(ended, (Utterance(STOPPED),), Stopped())


def _hand_over_to_person(run: Run) -> Transition:
    need = HandedOver("asked_for_person", "Read what was said so far and go on with the case.")
    return _end(_trace(run, "asked for a person"), (Utterance(PERSON),), need)


def _answered(context: Context, run: Run, value: str) -> Transition:
    step = context.workflow.steps[run.step]
    run = run.model_copy(update={"awaited": None})
    if isinstance(step, ConfirmStep):
        agreed = value == "yes"
        run = _trace(run, f"{run.step}: {'agreed' if agreed else 'declined'}")
        run = run.model_copy(update={"confirmed": run.step if agreed else None})
        return _go(context, _at(run, step.agreed if agreed else step.declined), ())
    if isinstance(step, AskStep):
        slots = {**run.slots, step.slot: value}
        run = _trace(run.model_copy(update={"slots": slots, "confirmed": None}), f"{run.step}: answered")
        return _go(context, _at(run, step.next), ())
    return _give_up(run)


def _ask_again(context: Context, run: Run) -> Transition:
    return _go(context, run, (Utterance(NOT_CLEAR),))


def _on_call(context: Context, run: Run, event: CallReturned) -> Transition:
    step = context.workflow.steps[run.step]
    result = event.result
    if not isinstance(step, LookUpStep | ActStep):
        raise ValueError(f"no call is pending at step {run.step}")
    saved = {**result.value, "outcome": str(result.outcome), "code": result.code}
    run = run.model_copy(update={"data": {**run.data, step.save_as: saved}, "confirmed": None})
    run = _trace(run, f"{run.step}: {result.outcome}{f' ({result.code})' if result.code else ''}")
    if isinstance(step, LookUpStep):
        return _go(context, _at(run, _after_look_up(step, result.outcome)), ())
    run = with_action(run, step.call, event)
    if result.outcome is CallOutcome.FAILED:
        return _trouble(run, f"{run.step}: was not done")
    return _go(context, _at(run, _after_act(step, result.outcome)), ())


def with_action(run: Run, action: str, event: CallReturned) -> Run:
    """The run with an action's result among its actions."""
    record = ActionRecord(
        action=action,
        step=run.step,
        idempotency_key=event.idempotency_key,
        status=_ACTION_STATUS[event.result.outcome],
        detail=event.result.code,
    )
    return run.model_copy(update={"actions": (*run.actions, record)})


_ACTION_STATUS: Final[Mapping[CallOutcome, str]] = {
    CallOutcome.DONE: "done",
    CallOutcome.NOT_FOUND: "refused",
    CallOutcome.REFUSED: "refused",
    CallOutcome.FAILED: "failed",
    CallOutcome.UNKNOWN: "unknown",
}


def _after_look_up(step: LookUpStep, outcome: CallOutcome) -> str:
    match outcome:
        case CallOutcome.DONE:
            return step.found
        case CallOutcome.NOT_FOUND:
            return step.not_found
        case _:
            return step.failed


def _after_act(step: ActStep, outcome: CallOutcome) -> str:
    match outcome:
        case CallOutcome.DONE:
            return step.done
        case CallOutcome.NOT_FOUND:
            return step.not_found
        case CallOutcome.REFUSED:
            return step.refused
        case _:
            return step.unknown


def _go(context: Context, run: Run, says: tuple[Utterance, ...]) -> Transition:
    """Takes steps until something is needed from outside."""
    try:
        for _ in range(MAX_STEPS_PER_EVENT):
            taken = _take(context, run, says)
            if isinstance(taken, Transition):
                return taken
            run, says = taken
    except ExpressionError as error:
        # The catalogue's data did not have what the workflow expects; the error names no values.
        return _trouble(run, f"{run.step}: {error}")
    return _trouble(run, f"{run.step}: went round {MAX_STEPS_PER_EVENT} times")


_Taken = Transition | tuple[Run, tuple[Utterance, ...]]
"""Either something is needed, or the next step can be taken."""


def _take(context: Context, run: Run, says: tuple[Utterance, ...]) -> _Taken:
    step = context.workflow.steps[run.step]
    match step:
        case BranchStep() | SetStep():
            return _work_out(context, run, step), says
        case SayStep():
            return _at(run, step.next), (*says, utterance(context, run, step.say))
        case AskStep() | ConfirmStep():
            return _put(context, run, step, says)
        case LookUpStep() | ActStep():
            return _call(context, run, step, says)
        case HandOverStep() | ResolveStep():
            return _finish(context, run, step, says)


def _put(context: Context, run: Run, step: AskStep | ConfirmStep, says: tuple[Utterance, ...]) -> _Taken:
    if isinstance(step, AskStep):
        return _ask(context, run, step, says)
    return _confirm(context, run, step, says)


def _call(context: Context, run: Run, step: LookUpStep | ActStep, says: tuple[Utterance, ...]) -> Transition:
    if isinstance(step, ActStep):
        return _act(context, run, step, says)
    called_with = arguments(context, run, step.call, step.with_)
    return Transition(run, says, NeedLookUp(run.step, step.call, called_with))


def _finish(context: Context, run: Run, step: HandOverStep | ResolveStep, says: tuple[Utterance, ...]) -> Transition:
    said = (*says, utterance(context, run, step.say))
    if isinstance(step, ResolveStep):
        return _end(_trace(run, f"{run.step}: resolved"), said, Resolved())
    need = HandedOver(step.reason, step.suggested_next_step, step.team, step.priority)
    return _end(_trace(run, f"{run.step}: handed over"), said, need)


def _work_out(context: Context, run: Run, step: BranchStep | SetStep) -> Run:
    if isinstance(step, BranchStep):
        return _branch(context, run, step)
    values = {name: evaluate(context, run, source) for name, source in step.values.items()}
    return _at(run.model_copy(update={"data": {**run.data, **values}, "confirmed": None}), step.next)


def _branch(context: Context, run: Run, step: BranchStep) -> Run:
    members = scope(context, run)
    for case in step.cases:
        if context.expressions.holds(case.if_, members):
            return _at(run, case.next)
    return _at(run, step.else_)


def _ask(context: Context, run: Run, step: AskStep, says: tuple[Utterance, ...]) -> _Taken:
    if step.slot in run.slots and not step.again:
        return _at(run, step.next), says
    asked = run.attempts.get(run.step, 0)
    if asked >= step.max_attempts:
        return _at(_trace(run, f"{run.step}: gave up"), step.give_up), _without_not_clear(says)
    slots = {name: value for name, value in run.slots.items() if name != step.slot}
    run = _counted(run.model_copy(update={"slots": slots, "confirmed": None}))
    offered = buttons(context, run, step)
    said = (*says, utterance(context, run, step.say))
    return _await(context, _trace(run, f"{run.step}: asked"), said, step.slot, offered)


def _without_not_clear(says: tuple[Utterance, ...]) -> tuple[Utterance, ...]:
    """What is said when we stop asking: no "sorry, I did not get that" before the goodbye."""
    return tuple(said for said in says if said.template != NOT_CLEAR)


def _confirm(context: Context, run: Run, step: ConfirmStep, says: tuple[Utterance, ...]) -> _Taken:
    if run.attempts.get(run.step, 0) >= step.max_attempts:
        return _at(_trace(run, f"{run.step}: gave up"), step.give_up), _without_not_clear(says)
    run = _trace(_counted(run.model_copy(update={"confirmed": None})), f"{run.step}: asked to confirm")
    buttons = (Button("yes", Utterance(YES_BUTTON)), Button("no", Utterance(NO_BUTTON)))
    said = (*says, utterance(context, run, step.say))
    return _await(context, run, said, CONFIRMATION_SLOT, buttons)


def _await(
    context: Context, run: Run, says: tuple[Utterance, ...], slot: str, buttons: tuple[Button, ...]
) -> Transition:
    awaited = Awaited(
        slot=slot,
        asked_by=context.asked_by,
        values=tuple(button.value for button in buttons),
        labels=tuple(context.label(button.label) for button in buttons),
    )
    run = run.model_copy(update={"awaited": awaited})
    return Transition(run, says, AwaitUser(slot, run.step, buttons))


def _act(context: Context, run: Run, step: ActStep, says: tuple[Utterance, ...]) -> Transition:
    """The last gate before anything changes; what the checker proved is looked at once more."""
    spec = CALLS[step.call]
    if not spec.changes or (step.harmless is None and run.confirmed not in step.confirmed_by):
        return _trouble(run, f"{run.step}: not confirmed")
    called_with = arguments(context, run, step.call, step.with_)
    if spec.amount_argument is not None:
        amount_cents = called_with[spec.amount_argument]
        if not isinstance(amount_cents, int) or not 0 < amount_cents <= (step.max_amount_cents or 0):
            need = HandedOver("over_limit", "Decide on the amount; it is beyond what automation may do.")
            return _end(_trace(run, f"{run.step}: over the limit"), (Utterance(OVER_LIMIT),), need)
    return Transition(_trace(run, f"{run.step}: {step.call}"), says, NeedAct(run.step, step.call, called_with))


def _at(run: Run, step: str) -> Run:
    return run.model_copy(update={"step": step})


def _counted(run: Run) -> Run:
    attempts = {**run.attempts, run.step: run.attempts.get(run.step, 0) + 1}
    return run.model_copy(update={"attempts": attempts})


def _trace(run: Run, line: str) -> Run:
    return run.model_copy(update={"trace": (*run.trace, line)[-TRACE_LENGTH:]})


def _end(run: Run, says: tuple[Utterance, ...], need: Need) -> Transition:
    return Transition(run.model_copy(update={"awaited": None}), says, need)


def _give_up(run: Run) -> Transition:
    need = HandedOver("not_understood", "Read the conversation; the answers could not be understood.")
    return _end(_trace(run, f"{run.step}: not understood"), (Utterance(NOT_UNDERSTOOD),), need)


def _trouble(run: Run, line: str) -> Transition:
    need = HandedOver("backend_failed", "Do what the user asks by hand; the workflow could not go on.")
    return _end(_trace(run, line), (Utterance(TROUBLE),), need)
