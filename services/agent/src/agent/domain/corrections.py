"""Corrections and digressions: a closed set of ways in which a user leaves the open question and comes back to it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from agent.domain import words
from agent.domain.model import AskStep, SlotSpec
from agent.domain.scope import Context, buttons
from agent.domain.slots import Choice, read_slot
from agent.domain.state import HISTORY_LENGTH, Run, Snapshot
from agent.domain.words import fold


def wants_repeat(text: str, language: str) -> bool:
    """Whether the user asks for the open question again."""
    return _matches(words.REPEAT, text, language)


def takes_back(text: str, language: str) -> bool:
    """Whether the user takes an earlier answer back, in words that name no new one."""
    return _matches(words.CORRECT, text, language)


def _matches(patterns: Mapping[str, re.Pattern[str]], text: str, language: str) -> bool:
    folded = fold(text)
    return any(code in patterns and patterns[code].search(folded) for code in {language, "en"})


def remember(run: Run, step: AskStep) -> Run:
    """The run with the question that is being answered among those that can be gone back to."""
    slots = {name: value for name, value in run.slots.items() if name != step.slot}
    snapshot = Snapshot(step=run.step, slot=step.slot, slots=slots, data=run.data)
    return run.model_copy(update={"history": (*run.history, snapshot)[-HISTORY_LENGTH:]})


def began(run: Run) -> Run:
    """The run with its beginning as a place to go back to."""
    return run.model_copy(update={"history": (Snapshot(step=run.step),)})


def corrected(context: Context, run: Run, text: str) -> tuple[Run, str | None] | None:
    """Where the run stood when it asked for what the text names anew, and the new value; None: it names nothing else.

    What was proven of the way to that question holds again, because everything is as it was then.
    """
    for snapshot in reversed(run.history):
        then = restored(run, snapshot)
        for slot, spec in _asked(context, snapshot):
            offered = _offered(context, then, snapshot)
            value = _other(offered, run.slots.get(slot), text, context.language)
            if value is None and not spec.type.reads_anything:
                value = read_slot(spec, text, context.language, offered, context.today)
            if value is not None and value != run.slots.get(slot):
                if snapshot.slot:
                    return then, value
                return then.model_copy(update={"slots": {slot: value}}), None
    return None


def taken_back(run: Run) -> Run | None:
    """The run as it stood at its latest question; None when there is none to go back to."""
    if not run.history:
        return None
    return restored(run, run.history[-1])


def restored(run: Run, snapshot: Snapshot) -> Run:
    """The run as it stood when a question was put. What was said and done since stays on record."""
    kept = run.history[: run.history.index(snapshot)]
    attempts = {step: count for step, count in run.attempts.items() if step != snapshot.step}
    return run.model_copy(
        update={
            "step": snapshot.step,
            "slots": dict(snapshot.slots),
            "data": dict(snapshot.data),
            "history": kept if snapshot.slot else (*kept, snapshot),
            "attempts": attempts,
            "awaited": None,
            "confirmed": None,
        }
    )


def _asked(context: Context, snapshot: Snapshot) -> list[tuple[str, SlotSpec]]:
    specs = context.workflow.slots
    if snapshot.slot:
        return [(snapshot.slot, specs[snapshot.slot])]
    return [(name, spec) for name, spec in specs.items() if spec.from_first_message]


def _offered(context: Context, then: Run, snapshot: Snapshot) -> list[Choice]:
    step = context.workflow.steps[snapshot.step]
    if not snapshot.slot or not isinstance(step, AskStep):
        return []
    return [Choice(button.value, context.label(button.label)) for button in buttons(context, then, step)]


def _other(offered: list[Choice], before: str | None, text: str, language: str) -> str | None:
    """Of two that were offered, the one that was not chosen, when that is what is asked for."""
    if len(offered) != 2 or before is None or not _matches(words.OTHER, text, language):
        return None
    return next((choice.value for choice in offered if choice.value != before), None)
