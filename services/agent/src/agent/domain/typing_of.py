"""The types of everything that a workflow's expressions may read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from agent.domain.calls import CallSpec
from agent.domain.expressions import ExpressionError, Expressions
from agent.domain.model import ActStep, LookUpStep, SetStep, SlotType, Workflow
from agent.domain.typecheck import type_of
from agent.domain.types import ANY, BOOL, INT, STRING, TIMESTAMP, Kind, join, record

_SLOTS: Final[Mapping[SlotType, Kind]] = {SlotType.INTEGER: INT, SlotType.AMOUNT: INT, SlotType.YES_NO: BOOL}
_PASSES: Final = 5
"""A value may be worked out from another that is worked out further below."""


def slot_kind(kind: SlotType) -> Kind:
    """The type of a slot in expressions."""
    return _SLOTS.get(kind, STRING)


def scope_of(workflow: Workflow, calls: Mapping[str, CallSpec], expressions: Expressions) -> dict[str, Kind]:
    """The types of `slots`, `data` and `now`; a value that several steps set has what their types share."""
    slots = record({name: slot_kind(spec.type) for name, spec in workflow.slots.items()})
    data: dict[str, Kind] = {}
    for _ in range(_PASSES):
        found: dict[str, Kind] = {}
        scope = {"slots": slots, "data": record(data) if data else ANY, "now": TIMESTAMP}
        for name, kind in _set_by_steps(workflow, calls, expressions, scope):
            found[name] = join(found[name], kind) if name in found else kind
        if found == data:
            break
        data = found
    return {"slots": slots, "data": record(data) if data else ANY, "now": TIMESTAMP}


def _set_by_steps(
    workflow: Workflow, calls: Mapping[str, CallSpec], expressions: Expressions, scope: Mapping[str, Kind]
) -> list[tuple[str, Kind]]:
    found = []
    for step in workflow.steps.values():
        if isinstance(step, LookUpStep | ActStep) and step.call in calls:
            answer = calls[step.call].answer.fields
            found.append((step.save_as, record({**answer, "outcome": STRING, "code": STRING})))
        elif isinstance(step, SetStep):
            for name, source in step.values.items():
                try:
                    found.append((name, type_of(expressions.tree(source), scope)[0]))
                except ExpressionError:
                    found.append((name, ANY))
    return found
