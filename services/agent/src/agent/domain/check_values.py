"""What the checker asks of expressions: known names, values that are set, types that fit."""

from __future__ import annotations

from collections.abc import Iterator

from agent.domain.expressions import VARIABLES, ExpressionError
from agent.domain.flow import OUTCOME
from agent.domain.model import ActStep, AskStep, LookUpStep, Step
from agent.domain.sources import Source, sources_of, undo_sources
from agent.domain.subject import Faults, Subject
from agent.domain.typecheck import type_of
from agent.domain.types import ANY, INT, STRING, Kind, fits
from agent.domain.typing_of import scope_of, slot_kind


def _sources(step: Step) -> list[Source]:
    return [*sources_of(step), *(undo_sources(step) if isinstance(step, ActStep) else ())]


def check_expressions(subject: Subject) -> Faults:
    """Everything that is written as an expression is one, and reads what is known there."""
    for name, step in subject.workflow.steps.items():
        for source in _sources(step):
            try:
                references = subject.expressions.references(source.text)
            except ExpressionError as error:
                yield name, f"{source.place}: {error}", *source.location
                continue
            for reference in references:
                if reference.path[0] not in VARIABLES | {source.extra}:
                    message = f"{source.place}: {reference.path[0]!r} is not known here: {source.text}"
                    yield name, message, *source.location


def check_values(subject: Subject) -> Faults:
    """Slots and data are set on every way that leads to where they are used."""
    set_before = subject.flow.set_before()
    for name in sorted(subject.flow.reachable):
        step = subject.workflow.steps[name]
        # What takes an action back may read what the action left.
        left = {("data", step.save_as)} if isinstance(step, ActStep) else set()
        for source in _sources(step):
            known = set_before[name] | (left if source.location[0] == "undo" else frozenset())
            for reference in subject.expressions.references(source.text):
                path = reference.path
                if reference.guarded or path[0] not in {"slots", "data"} or len(path) < 2:
                    continue
                if _needed(path) not in known:
                    message = f"{source.place}: {'.'.join(path[:2])} may not be set yet: {source.text}"
                    yield name, message, *source.location
                for message in _field_faults(subject, path, source.text):
                    yield name, message, *source.location


def _needed(path: tuple[str, ...]) -> tuple[str, ...]:
    """A call's outcome and code are there whatever came back; its answer only when it succeeded."""
    only_outcome = path[0] == "data" and len(path) > 2 and path[2] in {OUTCOME, "code"}
    return (*path[:2], OUTCOME) if only_outcome else path[:2]


def _field_faults(subject: Subject, path: tuple[str, ...], text: str) -> Iterator[str]:
    """A misspelt field of a call's answer; `outcome` and `code` are always there."""
    if path[0] != "data" or len(path) < 3:
        return
    known = subject.flow.fields_of(path[1])
    if known and path[2] not in known:
        yield f"{'.'.join(path[:3])} is not what the call answers ({', '.join(sorted(known))}): {text}"


def check_types(subject: Subject) -> Faults:
    """Expressions compare and add what can be compared and added, and give what their place needs."""
    scope = scope_of(subject.workflow, subject.calls, subject.expressions)
    for name, step in subject.workflow.steps.items():
        for source in _sources(step):
            found, faults = type_of(subject.expressions.tree(source.text), scope | _extra(subject, step, source, scope))
            for fault in faults:
                yield name, f"{source.place}: {fault}: {source.text}", *source.location
            wanted = _wanted(subject, step, source)
            if not faults and not fits(found, wanted):
                yield name, f"{source.place}: has to be {wanted}, not {found}: {source.text}", *source.location


def _extra(subject: Subject, step: object, source: Source, scope: dict[str, Kind]) -> dict[str, Kind]:
    if not isinstance(step, AskStep) or not source.extra:
        return {}
    if source.extra == "value":
        return {"value": slot_kind(subject.workflow.slots[step.slot].type)}
    assert step.choices is not None
    offered, _ = type_of(subject.expressions.tree(step.choices.each), scope)
    return {"item": offered.item or ANY}


def _wanted(subject: Subject, step: object, source: Source) -> Kind:
    """What an argument of a call has to be; elsewhere what the place says."""
    if isinstance(step, ActStep | LookUpStep) and "with" in source.location:
        undo = step.undo if isinstance(step, ActStep) and source.location[0] == "undo" else None
        call = step.call if undo is None else undo.call
        kind = subject.calls[call].arguments.get(str(source.location[-1]))
        return {"cents": INT, "integer": INT, None: ANY}.get(kind, STRING)
    return source.wanted
