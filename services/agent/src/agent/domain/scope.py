"""What surrounds a run, and everything that is worked out from it: arguments, buttons, filled templates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from agent.domain import localise
from agent.domain.calls import CallSpec
from agent.domain.exchange import Button, Utterance
from agent.domain.expressions import ExpressionError, Expressions
from agent.domain.model import AskStep, Place, Say, SlotSpec, SlotType, Workflow, template_id
from agent.domain.slots import Choice
from agent.domain.state import Run

_MAX_CHOICES: Final = 10
"""Buttons that a channel shows at once."""


@dataclass(frozen=True, slots=True)
class Context:
    """What surrounds a run: its workflow, the compiled expressions, the time and the language.

    Attributes:
        asked_by: Event id of the verdict being handled.
        label: Renders a button's label, so that a typed label is recognised as the button.
        calls: The declared calls of the backend.
        said: What the user just wrote; never kept.
        said_at: When they wrote it; None: now.
    """

    workflow: Workflow
    expressions: Expressions
    now: datetime
    language: str
    asked_by: str
    label: Callable[[Utterance], str]
    calls: Mapping[str, CallSpec]
    said: str = ""
    said_at: datetime | None = None

    @property
    def today(self) -> date:
        """The day (UTC) on which the user wrote."""
        return (self.said_at or self.now).date()


def arguments(context: Context, run: Run, call: str, sources: Mapping[str, str]) -> dict[str, str | int]:
    """The arguments of a call, each of the declared kind.

    Raises:
        ExpressionError: One is of another kind.
    """
    read: dict[str, str | int] = {}
    for name, kind in context.calls[call].arguments.items():
        value = evaluate(context, run, sources[name])
        expected = int if kind == "cents" else str
        if not isinstance(value, expected) or isinstance(value, bool) or value == "":
            raise ExpressionError(f"{name} of {call} is not {'an amount' if kind == 'cents' else 'a text'}")
        read[name] = value
    return read


def buttons(context: Context, run: Run, step: AskStep) -> tuple[Button, ...]:
    """The choices of a question, at most ten."""
    if step.options:
        return tuple(Button(option.value, utterance(context, run, option.say)) for option in step.options)
    if step.choices is None:
        return ()
    items = evaluate(context, run, step.choices.each)
    if not isinstance(items, list):
        raise ExpressionError(f"must be a list: {step.choices.each}")
    made = []
    for item in items[:_MAX_CHOICES]:
        members = {**scope(context, run), "item": item}
        value = str(context.expressions.evaluate(step.choices.value, members))
        made.append(Button(value, utterance(context, run, step.choices.label, item)))
    return tuple(made)


def open_choices(run: Run) -> tuple[Choice, ...]:
    """What the open question offers."""
    if run.awaited is None:
        return ()
    return tuple(Choice(*pair) for pair in zip(run.awaited.values, run.awaited.labels, strict=True))


def utterance(context: Context, run: Run, say: Say, item: Any = None) -> Utterance:
    """A template with its places filled."""
    members = scope(context, run) | ({} if item is None else {"item": item})
    places = {name: _fill(context, members, say.place(name)) for name in say.places}
    return Utterance(template_id(context.workflow.id, say.template), places)


def _fill(context: Context, members: Mapping[str, Any], place: Place) -> str:
    value = context.expressions.evaluate(place.value, members)
    match place.form:
        case "money":
            currency = context.expressions.evaluate(place.currency or "''", members)
            return localise.money(value, str(currency), context.language)
        case "date":
            return localise.day(value, context.language)
        case "text":
            return str(value)


def evaluate(context: Context, run: Run, source: str) -> Any:
    """The value of an expression."""
    return context.expressions.evaluate(source, scope(context, run))


def scope(context: Context, run: Run) -> dict[str, Any]:
    """What an expression may read."""
    specs = context.workflow.slots
    slots = {name: typed(specs[name], text) for name, text in run.slots.items() if name in specs}
    return {"slots": slots, "data": run.data, "now": context.now}


def typed(spec: SlotSpec, text: str) -> Any:
    """A slot's value as expressions see it; kept as text, it has been validated."""
    match spec.type:
        case SlotType.INTEGER | SlotType.AMOUNT:
            return int(text)
        case SlotType.YES_NO:
            return text == "yes"
        case SlotType.DATE:
            return f"{text}T00:00:00+00:00"
        case _:
            return text


PRIVATE: Final = frozenset({SlotType.TEXT, SlotType.EMAIL, SlotType.NAME})
"""What people wrote themselves; no trace shows it."""


def inputs_of(context: Context, run: Run, sources: Iterable[str]) -> dict[str, Any]:
    """What expressions read, for the trace: plain values only, and nothing that a person wrote in their own words."""
    members = scope(context, run)
    found: dict[str, Any] = {}
    for source in sources:
        for reference in context.expressions.references(source):
            shown = _shown(context, members, reference.path)
            if shown is not None and len(reference.path) > 1:
                found[".".join(reference.path)] = shown
    return found


def _shown(context: Context, members: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    spec = context.workflow.slots.get(path[1]) if path[0] == "slots" and len(path) > 1 else None
    if spec is not None and spec.type in PRIVATE:
        return "(written by the user)" if path[1] in members["slots"] else "(not set)"
    value: Any = members
    for name in path:
        if not isinstance(value, Mapping) or name not in value:
            return "(not set)"
        value = value[name]
    return plain(value)


def plain(value: Any) -> Any:
    """A value short enough for a trace; None for what has no short form."""
    if isinstance(value, list):
        return f"{len(value)} items"
    if isinstance(value, str):
        return value[:64]
    return value if isinstance(value, bool | int | float) else None
