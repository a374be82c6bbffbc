"""What holds on every way through a workflow: reachability, circles, values set, confirmations in force."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Final

from agent.domain.calls import CallSpec
from agent.domain.model import (
    ActStep,
    AskStep,
    BranchStep,
    ConfirmStep,
    HandOverStep,
    LookUpStep,
    ResolveStep,
    SetStep,
    Step,
    Workflow,
    edges,
)

Value = tuple[str, ...]
"""("slots", name), ("data", name), or ("data", name, OUTCOME) when only a call's outcome and code are there."""

OUTCOME: Final = "outcome"
_DATA: Final = re.compile(r"\bdata\.(\w+)")
_GUARD: Final = re.compile(r"^has\(slots\.(?P<slot>\w+)\)(?: && [^|]*)?$")
"""A condition that holds only where the slot is set."""


class Flow:
    """The graph of one workflow. Steps that do not exist are ignored; the checker reports them first."""

    def __init__(self, workflow: Workflow, calls: Mapping[str, CallSpec]) -> None:
        self._steps = workflow.steps
        self._calls = calls
        self._start = workflow.start

    @cached_property
    def _ways(self) -> Mapping[str, tuple[tuple[str, str], ...]]:
        """(label, target) per step."""
        return {
            name: tuple((label, target) for label, target in edges(step) if target in self._steps)
            for name, step in self._steps.items()
        }

    @cached_property
    def reachable(self) -> frozenset[str]:
        """Steps that some way leads to."""
        found: set[str] = set()
        waiting = [self._start]
        while waiting:
            name = waiting.pop()
            if name in found or name not in self._steps:
                continue
            found.add(name)
            waiting.extend(target for _, target in self._ways[name])
        return frozenset(found)

    @cached_property
    def ending(self) -> frozenset[str]:
        """Steps from which some way leads to an end."""
        found = {name for name, step in self._steps.items() if isinstance(step, HandOverStep | ResolveStep)}
        grew = True
        while grew:
            more = {
                name
                for name, ways in self._ways.items()
                if name not in found and any(target in found for _, target in ways)
            }
            found |= more
            grew = bool(more)
        return frozenset(found)

    def in_silent_cycle(self) -> list[str]:
        """Steps that can come round to themselves without the user being asked anything."""
        return sorted(name for name in self.reachable if name in self._silently_after(name))

    def _silently_after(self, start: str) -> set[str]:
        found: set[str] = set()
        waiting = list(self._silent_ways(start))
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting.extend(self._silent_ways(name))
        return found

    def _silent_ways(self, name: str) -> list[str]:
        step = self._steps[name]
        if isinstance(step, ConfirmStep):
            return [step.give_up]
        if isinstance(step, AskStep):
            # A question that may be skipped asks nothing; giving up is bounded but asks nothing either.
            return [step.give_up] if step.again else [step.next, step.give_up]
        return [target for _, target in self._ways[name]]

    def set_before(self) -> Mapping[str, frozenset[Value]]:
        """Per reachable step, what is set on every way that leads to it."""
        before: dict[str, frozenset[Value]] = {self._start: frozenset()}
        waiting = [self._start]
        while waiting:
            name = waiting.pop()
            step = self._steps[name]
            for label, target in self._ways[name]:
                arriving = (before[name] - _takes(step)) | _gives(step, label)
                narrowed = before[target] & arriving if target in before else arriving
                if before.get(target) != narrowed:
                    before[target] = narrowed
                    waiting.append(target)
        return before

    def confirmed_at(self) -> Mapping[str, frozenset[str]]:
        """Per reachable step, the confirmations of which one is in force on every way there; empty when on some
        way there is none. Whatever is read, looked up, worked out or done forgets a confirmation.
        """
        nothing = ""
        arriving: dict[str, set[str]] = {name: set() for name in self.reachable}
        arriving[self._start].add(nothing)
        waiting = [self._start]
        while waiting:
            name = waiting.pop()
            for label, target in self._ways[name]:
                carried = _confirmation_after(name, self._steps[name], label, arriving[name])
                if not carried <= arriving[target]:
                    arriving[target] |= carried
                    waiting.append(target)
        return {name: frozenset() if nothing in found else frozenset(found) for name, found in arriving.items()}

    def reached_without(self, step: str, passing: str) -> bool:
        """Whether some way leads to a step that does not pass another."""
        found: set[str] = set()
        waiting = [self._start]
        while waiting:
            name = waiting.pop()
            if name == step:
                return True
            if name not in found and name != passing:
                found.add(name)
                waiting.extend(target for _, target in self._ways[name])
        return False

    def looked_up(self, name: str) -> bool:
        """Whether `data.<name>` comes from look-ups, or is worked out from what does."""
        return self._from_look_ups(name, frozenset())

    def _from_look_ups(self, name: str, seen: frozenset[str]) -> bool:
        if name in seen:
            return True
        origins = [
            step
            for step in self._steps.values()
            if (isinstance(step, SetStep) and name in step.values)
            or (isinstance(step, LookUpStep | ActStep) and step.save_as == name)
        ]
        return bool(origins) and all(
            not isinstance(step, SetStep)
            or any(self._from_look_ups(read, seen | {name}) for read in _DATA.findall(step.values[name]))
            for step in origins
        )

    def fields_of(self, name: str) -> frozenset[str]:
        """The fields of `data.<name>` when calls alone set it; empty when it is anything else."""
        fields: set[str] = set()
        for step in self._steps.values():
            if isinstance(step, SetStep) and name in step.values:
                return frozenset()
            if isinstance(step, LookUpStep | ActStep) and step.save_as == name and step.call in self._calls:
                fields |= {*self._calls[step.call].fields, "outcome", "code"}
        return frozenset(fields)


def _gives(step: Step, label: str) -> frozenset[Value]:
    match step:
        case AskStep() if label == "answered":
            return frozenset({("slots", step.slot)})
        case LookUpStep() | ActStep():
            outcome = ("data", step.save_as, OUTCOME)
            return frozenset({outcome, ("data", step.save_as)} if label in {"found", "done"} else {outcome})
        case SetStep():
            return frozenset(("data", name) for name in step.values)
        case BranchStep() if label.startswith("case "):
            guard = _GUARD.match(step.cases[int(label.removeprefix("case ")) - 1].if_)
            return frozenset({("slots", guard["slot"])}) if guard else frozenset()
        case _:
            return frozenset()


def _takes(step: Step) -> frozenset[Value]:
    """A question that is asked anew forgets the old answer, a call the old answer of the backend."""
    match step:
        case AskStep():
            return frozenset({("slots", step.slot)})
        case LookUpStep() | ActStep():
            return frozenset({("data", step.save_as)})
        case _:
            return frozenset()


def _confirmation_after(name: str, step: Step, label: str, before: set[str]) -> set[str]:
    if isinstance(step, ConfirmStep):
        return {name} if label == "agreed" else {""}
    if isinstance(step, AskStep | LookUpStep | ActStep | SetStep):
        return {""}
    return set(before)
