"""Runs a workflow: (workflow, run, event) to (new run, what to say, what is needed next). Pure and total.

The model appears only as `ModelReading`: values for the slot that is being asked for, read again by the
validators. It cannot confirm: a yes comes from a button or from the deterministic parser, nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from agent.domain.calls import CallOutcome
from agent.domain.corrections import began, corrected, remember, taken_back, takes_back, wants_repeat
from agent.domain.exchange import (
    CallReturned,
    Event,
    HandedOver,
    KnowledgeReturned,
    ModelReading,
    NeedAnswer,
    NeedReading,
    Stopped,
    Transition,
    UserTurn,
    Utterance,
)
from agent.domain.expressions import ExpressionError
from agent.domain.model import (
    CONFIRMATION_SLOT,
    ActStep,
    AnswerStep,
    AskStep,
    ConfirmStep,
    LookUpStep,
    SlotSpec,
    SlotType,
)
from agent.domain.scope import Context, evaluate, open_choices, utterance
from agent.domain.slots import Command, is_question, read_command, read_slot, read_yes_no, validate
from agent.domain.state import ActionRecord, Run
from agent.domain.undoing import ACTION_STATUS
from agent.domain.walking import (
    NO_BUTTON,
    NOT_CLEAR,
    NOT_UNDERSTOOD,
    OVER_LIMIT,
    TROUBLE,
    YES_BUTTON,
    at,
    end,
    give_up,
    go,
    holds_of,
    trace,
    trouble,
)

PERSON: Final = "wf_common_person"
STOPPED: Final = "wf_common_stopped"
ANSWER: Final = "wf_common_answer"
BUILT_IN_TEMPLATES: Final[Mapping[str, frozenset[str]]] = {
    name: frozenset()
    for name in (PERSON, STOPPED, NOT_CLEAR, NOT_UNDERSTOOD, TROUBLE, OVER_LIMIT, YES_BUTTON, NO_BUTTON)
} | {ANSWER: frozenset({"answer"})}
"""What the interpreter itself says, in every workflow."""

CONFIRMATION: Final = SlotSpec(type=SlotType.YES_NO, description="whether to go ahead: yes or no")


def begin(context: Context, text: str) -> Transition:
    """Starts a workflow with the message that asked for it."""
    workflow = context.workflow
    run = began(Run(workflow=workflow.reference, step=workflow.start))
    if read_command(text, context.language, cancel_words_stop=False) is Command.HUMAN:
        return _hand_over_to_person(run)
    slots = {
        name: value
        for name, spec in workflow.slots.items()
        if spec.from_first_message
        and (value := read_slot(spec, text, context.language, today=context.today)) is not None
    }
    return go(context, run.model_copy(update={"slots": slots}), ())


def advance(context: Context, run: Run, event: Event) -> Transition:
    """Goes on with a workflow.

    The event has to fit what the last transition needed; one that does not is answered by asking again
    (a turn) or is a programming error (a call).

    Raises:
        ValueError: A call came back at a step that made none.
    """
    try:
        match event:
            case UserTurn():
                return _on_turn(context, run, event)
            case ModelReading():
                return _on_reading(context, run, event)
            case KnowledgeReturned():
                return _on_knowledge(context, run, event)
            case CallReturned():
                return _on_call(context, run, event)
    except ExpressionError as error:
        return trouble(run, f"{run.step}: {error}")


def _on_turn(context: Context, run: Run, turn: UserTurn) -> Transition:
    run = run.model_copy(update={"turns": run.turns + 1})
    if run.turns > context.workflow.max_turns:
        return give_up(run)
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
        return _left_question(context, run, text) or Transition(
            run, (), NeedReading(CONFIRMATION_SLOT, CONFIRMATION, text)
        )
    if isinstance(step, AskStep):
        spec, choices = context.workflow.slots[step.slot], open_choices(run)
        value = read_slot(spec, text, context.language, choices, context.today)
        if value is not None:
            return _answered(context, run, value)
        return _left_question(context, run, text) or Transition(run, (), NeedReading(step.slot, spec, text, choices))
    return give_up(run)


def _left_question(context: Context, run: Run, text: str) -> Transition | None:
    """A correction of an earlier answer, or the wish to hear the question again."""
    found = corrected(context, run, text)
    if found is not None:
        then, value = found
        then = trace(then, f"{run.step}: corrected, back to {then.step}")
        return go(context, then, ()) if value is None else _answered(context, then, value)
    if takes_back(text, context.language):
        return _back(context, run)
    if wants_repeat(text, context.language):
        return go(context, _uncounted(trace(run, f"{run.step}: asked to repeat")), ())
    return None


def _back(context: Context, run: Run) -> Transition | None:
    then = taken_back(run)
    return None if then is None else go(context, trace(then, f"{run.step}: taken back, to {then.step}"), ())


def _on_reading(context: Context, run: Run, reading: ModelReading) -> Transition:
    """Takes from the model only what leads away from an action, or a value that stands validation."""
    if reading.command in {"human", "cancel"}:
        return _on_command(run, Command(reading.command))
    if reading.command == "correct" and (back := _back(context, run)) is not None:
        return back
    step = context.workflow.steps[run.step]
    if isinstance(step, ConfirmStep) and reading.values.get(CONFIRMATION_SLOT) == "no":
        return _answered(context, run, "no")
    if isinstance(step, AskStep):
        proposed = reading.values.get(step.slot)
        choices = open_choices(run)
        value = None if proposed is None else validate(context.workflow.slots[step.slot], proposed, choices)
        if value is not None:
            return _answered(context, run, value)
    return _not_answered(context, run, reading)


def _not_answered(context: Context, run: Run, reading: ModelReading) -> Transition:
    if reading.text and (reading.command == "question" or is_question(reading.text, context.language)):
        return Transition(run, (), NeedAnswer(reading.text))
    return _ask_again(context, run)


def _on_knowledge(context: Context, run: Run, found: KnowledgeReturned) -> Transition:
    """Says what the knowledge says. Beside an open question that costs no attempt, and the question is put again."""
    step = context.workflow.steps[run.step]
    said = () if found.answer is None else (Utterance(ANSWER, {"answer": found.answer}),)
    if isinstance(step, AnswerStep):
        way, target = ("answered", step.answered) if said else ("unsupported", step.unsupported)
        return go(context, at(trace(run, f"{run.step}: {way}"), target, way), said)
    if not said:
        return _ask_again(context, run)
    return go(context, _uncounted(trace(run, f"{run.step}: a question was answered")), said)


def _uncounted(run: Run) -> Run:
    attempts = {**run.attempts, run.step: max(run.attempts.get(run.step, 0) - 1, 0)}
    return run.model_copy(update={"attempts": attempts})


def _on_command(run: Run, command: Command) -> Transition:
    if command is Command.HUMAN:
        return _hand_over_to_person(run)
    return end(trace(run, "stopped by the user"), (Utterance(STOPPED),), Stopped())


def _hand_over_to_person(run: Run) -> Transition:
    need = HandedOver("asked_for_person", "Read what was said so far and go on with the case.")
    return end(trace(run, "asked for a person"), (Utterance(PERSON),), need)


def _answered(context: Context, run: Run, value: str) -> Transition:
    step = context.workflow.steps[run.step]
    run = run.model_copy(update={"awaited": None})
    if isinstance(step, ConfirmStep):
        agreed = value == "yes"
        way = "agreed" if agreed else "declined"
        run = trace(run, f"{run.step}: {way}")
        run = run.model_copy(update={"confirmed": run.step if agreed else None})
        return go(context, at(run, step.agreed if agreed else step.declined, way), ())
    if isinstance(step, AskStep):
        if not holds_of(context, run, step, value):
            said = Utterance(NOT_CLEAR) if step.invalid is None else utterance(context, run, step.invalid)
            return go(context, trace(run, f"{run.step}: not a valid answer"), (said,))
        run = remember(run, step)
        slots = {**run.slots, step.slot: value}
        run = trace(run.model_copy(update={"slots": slots, "confirmed": None}), f"{run.step}: answered")
        return go(context, at(run, step.next, "answered"), ())
    return give_up(run)


def _ask_again(context: Context, run: Run) -> Transition:
    return go(context, run, (Utterance(NOT_CLEAR),))


def _on_call(context: Context, run: Run, event: CallReturned) -> Transition:
    step = context.workflow.steps[run.step]
    result = event.result
    if not isinstance(step, LookUpStep | ActStep):
        raise ValueError(f"no call is pending at step {run.step}")
    # A field of the answer that is called `code` stays: the word of a refusal comes without an answer.
    saved = {"outcome": str(result.outcome), "code": result.code, **result.value}
    run = run.model_copy(update={"data": {**run.data, step.save_as: saved}, "confirmed": None})
    run = trace(run, f"{run.step}: {result.outcome}{f' ({result.code})' if result.code else ''}")
    told: dict[str, Any] = {"code": result.code} if result.code else {}
    if isinstance(step, LookUpStep):
        way, target = _after_look_up(step, result.outcome)
        return go(context, at(run, target, way, told), ())
    run = with_action(run, step.call, event, _undo(context, run, step, result.outcome))
    # What was decided before the action is done with: no correction goes back behind it.
    run = run.model_copy(update={"history": ()})
    if result.outcome is CallOutcome.FAILED:
        return trouble(run, f"{run.step}: was not done")
    way, target = _after_act(step, result.outcome)
    return go(context, at(run, target, way, told), ())


def _undo(context: Context, run: Run, step: ActStep, outcome: CallOutcome) -> ActionRecord | None:
    """How it is taken back: told to a human, and done where a later action is not."""
    if step.undo is None or outcome not in {CallOutcome.DONE, CallOutcome.UNKNOWN}:
        return None
    known = ActionRecord(action=step.call, step=run.step, idempotency_key="", status="", undo=step.undo.call)
    try:
        values = {name: evaluate(context, run, source) for name, source in step.undo.with_.items()}
    except ExpressionError:
        return known
    told = " ".join([step.undo.call, *(f"{name}={value}" for name, value in values.items())])
    return known.model_copy(update={"undo": told, "undo_call": step.undo.call, "undo_with": values})


def with_action(run: Run, action: str, event: CallReturned, undo: ActionRecord | None = None) -> Run:
    """The run with an action's result among its actions."""
    record = ActionRecord(
        action=action,
        step=run.step,
        idempotency_key=event.idempotency_key,
        status=ACTION_STATUS[event.result.outcome],
        detail=event.result.code,
        undo=undo.undo if undo else "",
        undo_call=undo.undo_call if undo else "",
        undo_with=undo.undo_with if undo else {},
    )
    return run.model_copy(update={"actions": (*run.actions, record)})


def _after_look_up(step: LookUpStep, outcome: CallOutcome) -> tuple[str, str]:
    match outcome:
        case CallOutcome.DONE:
            return "found", step.found
        case CallOutcome.NOT_FOUND:
            return "not_found", step.not_found
        case _:
            return "failed", step.failed


def _after_act(step: ActStep, outcome: CallOutcome) -> tuple[str, str]:
    match outcome:
        case CallOutcome.DONE:
            return "done", step.done
        case CallOutcome.NOT_FOUND:
            return "not_found", step.not_found
        case CallOutcome.REFUSED:
            return "refused", step.refused
        case _:
            return "unknown", step.unknown
