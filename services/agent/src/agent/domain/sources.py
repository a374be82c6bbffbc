"""Where expressions stand in a step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from agent.domain.model import ActStep, AskStep, BranchStep, LookUpStep, Say, SetStep, Step, says_of


@dataclass(frozen=True, slots=True)
class Source:
    """An expression, where it stands, and whether `item` may be used in it."""

    place: str
    text: str
    has_item: bool = False


def sources_of(step: Step) -> Iterator[Source]:
    """Every expression of a step."""
    match step:
        case BranchStep():
            for number, case in enumerate(step.cases, start=1):
                yield Source(f"case {number}", case.if_)
        case SetStep():
            yield from (Source(f"values.{name}", text) for name, text in step.values.items())
        case LookUpStep() | ActStep():
            yield from (Source(f"with.{name}", text) for name, text in step.with_.items())
        case AskStep() if step.choices is not None:
            yield Source("choices.each", step.choices.each)
            yield Source("choices.value", step.choices.value, has_item=True)
        case _:
            pass
    for say in says_of(step):
        labels_button = isinstance(step, AskStep) and step.choices is not None and say is step.choices.label
        yield from _places(say, has_item=labels_button)


def _places(say: Say, *, has_item: bool) -> Iterator[Source]:
    for name in say.places:
        place = say.place(name)
        yield Source(f"{say.template}.{name}", place.value, has_item)
        if place.currency is not None:
            yield Source(f"{say.template}.{name}.currency", place.currency, has_item)
