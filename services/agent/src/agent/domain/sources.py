"""Where expressions stand in a step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from agent.domain.model import ActStep, AskStep, BranchStep, LookUpStep, Say, SetStep, Step, says_of
from agent.domain.types import ANY, BOOL, INT, STRING, Kind, list_of

Location = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """An expression, where it stands, and what it may read beside slots and data.

    Attributes:
        location: Below the step, as the file has it.
        extra: "item" inside choices, "value" where an answer is judged.
        wanted: What it has to be.
    """

    place: str
    text: str
    location: Location
    extra: str = ""
    wanted: Kind = ANY


def sources_of(step: Step) -> Iterator[Source]:
    """Every expression of a step."""
    match step:
        case BranchStep():
            for number, case in enumerate(step.cases, start=1):
                yield Source(f"case {number}", case.if_, ("cases", number - 1, "if"), wanted=BOOL)
        case SetStep():
            for name, text in step.values.items():
                yield Source(f"values.{name}", text, ("values", name))
        case LookUpStep() | ActStep():
            for name, text in step.with_.items():
                yield Source(f"with.{name}", text, ("with", name))
        case AskStep() if step.choices is not None:
            yield Source("choices.each", step.choices.each, ("choices", "each"), wanted=list_of(ANY))
            yield Source("choices.value", step.choices.value, ("choices", "value"), "item")
        case _:
            pass
    if isinstance(step, AskStep) and step.valid is not None:
        yield Source("valid", step.valid, ("valid",), "value", BOOL)
    if isinstance(step, ActStep) and step.amount is not None:
        yield Source("amount", step.amount, ("amount",), wanted=INT)
    for say in says_of(step):
        labels_button = isinstance(step, AskStep) and step.choices is not None and say is step.choices.label
        yield from _places(say, "item" if labels_button else "")


def undo_sources(step: ActStep) -> Iterator[Source]:
    """The expressions of what takes an action back; they may read what the action left."""
    for name, text in (step.undo.with_ if step.undo is not None else {}).items():
        yield Source(f"undo.with.{name}", text, ("undo", "with", name))


def _places(say: Say, extra: str) -> Iterator[Source]:
    wanted = {"money": INT, "date": STRING, "text": ANY}
    for name in say.places:
        place = say.place(name)
        location = ("say", "places", name)
        yield Source(f"{say.template}.{name}", place.value, location, extra, wanted[place.form])
        if place.currency is not None:
            yield Source(f"{say.template}.{name}.currency", place.currency, location, extra, STRING)
