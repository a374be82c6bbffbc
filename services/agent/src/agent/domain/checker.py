"""Proves of a workflow, before it runs, what a support lead wants to be sure of. Every finding names file and step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Final

from floodgate.catalogue.models import Catalogue

from agent.domain.calls import CallSpec
from agent.domain.check_values import check_expressions, check_types, check_values
from agent.domain.expressions import Expressions
from agent.domain.flow import Flow
from agent.domain.interpreter import BUILT_IN_TEMPLATES
from agent.domain.model import (
    CONFIRMATION_SLOT,
    REASON_CODES,
    ActStep,
    AskStep,
    BranchStep,
    ConfirmStep,
    HandOverStep,
    LookUpStep,
    ResolveStep,
    Say,
    SlotType,
    Undo,
    Workflow,
    edges,
    says_of,
    template_id,
)
from agent.domain.subject import Faults as _Faults
from agent.domain.subject import Subject as _Subject

Lines = Callable[[str, tuple[str | int, ...]], int | None]
"""The line of a place in a file of the catalogue."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong, and where."""

    file: str
    step: str
    message: str
    line: int | None = None

    def __str__(self) -> str:
        """One line for an author."""
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: step {self.step}: {self.message}" if self.step else f"{place}: {self.message}"


def check_workflow(
    workflow: Workflow,
    catalogue: Catalogue,
    expressions: Expressions,
    calls: Mapping[str, CallSpec],
    *,
    lines: Lines | None = None,
) -> Iterator[Finding]:
    """Yields every fault; none means that the workflow may run.

    Where the structure itself is broken (a step that does not exist), the rules that follow paths are left out.
    """
    file = f"workflows/{workflow.id}.yaml"
    templates = {template.id: template for template in catalogue.templates}
    subject = _Subject(workflow, catalogue, expressions, templates, Flow(workflow, calls), calls)
    broken = False
    for rule in _STRUCTURE:
        for fault in rule(subject):
            broken = True
            yield _finding(subject, file, lines, *fault)
    for rule in () if broken else _RULES:
        for fault in rule(subject):
            yield _finding(subject, file, lines, *fault)


def _finding(subject: _Subject, file: str, lines: Lines | None, step: str, message: str, *place: str | int) -> Finding:
    """Where a step of a part stands, its part's file is named."""
    use, _, inner = step.partition(".")
    if inner:
        file = f"{file.rpartition('/')[0]}/{subject.workflow.parts[use]}.yaml"
    location = ("steps", inner or step, *place) if step else place
    return Finding(file, step, message, lines(file, location) if lines is not None else None)


def _check_references(subject: _Subject) -> _Faults:
    steps = subject.workflow.steps
    if subject.workflow.start not in steps:
        yield "", f"start is {subject.workflow.start!r}, which is no step"
    for name, step in steps.items():
        for label, target in edges(step):
            if target not in steps:
                yield name, f"{label} leads to {target!r}, which is no step", *_label_place(label)


def _label_place(label: str) -> tuple[str | int, ...]:
    return ("cases", int(label.removeprefix("case ")) - 1, "next") if label.startswith("case ") else (label,)


def _check_calls(subject: _Subject) -> _Faults:
    for name, step in subject.workflow.steps.items():
        if isinstance(step, LookUpStep | ActStep):
            spec = subject.calls.get(step.call)
            if spec is None:
                yield name, f"there is no call {step.call!r}; declared are {', '.join(sorted(subject.calls))}", "call"
                continue
            yield from ((name, message, "with") for message in _argument_faults(step, spec))
        if isinstance(step, ActStep) and step.undo is not None:
            yield from ((name, message, "undo") for message in _undo_faults(subject, step, step.undo))


def _argument_faults(step: LookUpStep | ActStep, spec: CallSpec) -> Iterator[str]:
    for missing in sorted(spec.arguments.keys() - step.with_.keys()):
        yield f"{spec.name} needs {missing!r} under `with`"
    for unknown in sorted(step.with_.keys() - spec.arguments.keys()):
        yield f"{spec.name} takes no {unknown!r}"
    if isinstance(step, LookUpStep) and spec.changes:
        yield f"{spec.name} changes something, so it has to be an act"
    if isinstance(step, ActStep) and not spec.changes:
        yield f"{spec.name} changes nothing, so it has to be a look_up"


def _undo_faults(subject: _Subject, step: ActStep, undo: Undo) -> Iterator[str]:
    wanted = subject.calls[step.call].undone_by if step.call in subject.calls else None
    if undo.call != wanted:
        yield f"{step.call} is taken back by {wanted or 'nothing'}, not by {undo.call}"
    elif subject.calls[undo.call].arguments.keys() != undo.with_.keys():
        yield f"{undo.call} takes {', '.join(subject.calls[undo.call].arguments)} under `with`"
    elif subject.calls[undo.call].moves is not None:
        yield f"{undo.call} moves money, so a human takes it back: leave out undo"


def _check_slots(subject: _Subject) -> _Faults:
    for name, step in subject.workflow.steps.items():
        if isinstance(step, AskStep) and step.slot not in subject.workflow.slots:
            yield name, f"asks for {step.slot!r}, which is not among the slots"
        elif isinstance(step, AskStep):
            slot = subject.workflow.slots[step.slot]
            if slot.type is SlotType.CHOICE and step.choices is None and not step.options:
                yield name, f"asks for the choice {step.slot!r} without choices"
            if step.choices is not None and step.options:
                yield name, "has choices and options; choose one", "options"
            offers_days = slot.type is SlotType.DATE and step.choices is not None  # another day can be written
            if step.invalid is not None and step.valid is None and not offers_days:
                yield name, "has words for an invalid answer and no `valid`", "invalid"
    if CONFIRMATION_SLOT in subject.workflow.slots:
        yield "", f"{CONFIRMATION_SLOT!r} is what confirm steps wait for; give the slot another name"


def _check_paths(subject: _Subject) -> _Faults:
    flow = subject.flow
    for name in sorted(subject.workflow.steps.keys() - flow.reachable):
        yield name, "is never reached"
    for name in sorted(flow.reachable - flow.ending):
        yield name, "cannot end: no way leads from here to a resolve or a hand_over"
    for name in flow.in_silent_cycle():
        yield name, "is in a circle without a question, which would never end"


def _check_acts(subject: _Subject) -> _Faults:
    confirmed_at = subject.flow.confirmed_at()
    for name in sorted(subject.flow.reachable):
        step = subject.workflow.steps[name]
        if isinstance(step, ActStep):
            yield from ((name, message) for message in _act_faults(subject, step, confirmed_at[name]))
            yield from ((name, message) for message in _passed_faults(subject, name, step))
            yield from ((name, message, "with") for message in _identity_faults(subject, step))


def _act_faults(subject: _Subject, step: ActStep, confirmed: frozenset[str]) -> Iterator[str]:
    spec = subject.calls[step.call]
    if spec.moves is not None:
        yield from _money_faults(step, spec)
    if step.harmless is not None:
        if step.confirmed_by:
            yield "is declared harmless and confirmed_by; choose one"
        return
    if not step.confirmed_by:
        yield "changes something without confirmed_by (or a reason why it is harmless)"
        return
    for by in step.confirmed_by:
        if not isinstance(subject.workflow.steps.get(by), ConfirmStep):
            yield f"confirmed_by names {by!r}, which is no confirm step"
    if not confirmed or not confirmed <= set(step.confirmed_by):
        yield f"can be reached without a yes to {' or '.join(step.confirmed_by)} just before it"
    elif spec.moves is not None:
        source = step.with_.get(spec.amount_argument or "", step.amount or "")
        yield from _unseen_amount(subject, step, source)


def _money_faults(step: ActStep, spec: CallSpec) -> Iterator[str]:
    if step.max_amount_cents is None:
        yield f"{step.call} moves money, so it needs max_amount_cents"
    if step.limits is None or None in (step.limits.per_user_per_day.amount_cents, step.limits.per_day.amount_cents):
        yield f"{step.call} moves money, so it needs limits with an amount_cents per user and day, and per day"
    if step.harmless is not None:
        yield f"{step.call} moves money, so it cannot be harmless"
    if not step.after:
        yield f"{step.call} moves money, so it needs `after`: the branches that check it"
    if spec.amount_argument is None and step.amount is None:
        yield f"{step.call} takes no amount, so the act needs `amount`: what it moves"


def _passed_faults(subject: _Subject, name: str, step: ActStep) -> Iterator[str]:
    """Every way to an action passes its checks."""
    for check in step.after:
        if not isinstance(subject.workflow.steps.get(check), BranchStep):
            yield f"after names {check!r}, which is no branch"
        elif subject.flow.reached_without(name, check):
            yield f"can be reached without passing {check}"


def _identity_faults(subject: _Subject, step: ActStep) -> Iterator[str]:
    """What identifies something of the user comes from the backend, never from what somebody wrote."""
    for name, kind in subject.calls[step.call].arguments.items():
        if kind == "theirs" and name in step.with_ and not _is_theirs(subject, step.with_[name]):
            yield f"{name} has to come from a look-up, not from what was written: {step.with_[name]}"


def _is_theirs(subject: _Subject, source: str) -> bool:
    paths = [reference.path for reference in subject.expressions.references(source)]
    slots = [path[1] for path in paths if path[0] == "slots" and len(path) > 1]
    data = [path[1] for path in paths if path[0] == "data" and len(path) > 1]
    chosen = all(_is_chosen(subject, slot) for slot in slots)
    return bool(slots or data) and chosen and all(subject.flow.looked_up(name) for name in data)


def _is_chosen(subject: _Subject, slot: str) -> bool:
    """Whether a slot can only be one of what a look-up offered."""
    asked = [step for step in subject.workflow.steps.values() if isinstance(step, AskStep) and step.slot == slot]
    spec = subject.workflow.slots.get(slot)
    return (
        spec is not None
        and spec.type is SlotType.CHOICE
        and bool(asked)
        and all(step.choices is not None for step in asked)
    )


def _unseen_amount(subject: _Subject, step: ActStep, source: str) -> Iterator[str]:
    """The user has to have seen the very amount that is moved."""
    for by in step.confirmed_by:
        confirm = subject.workflow.steps[by]
        if isinstance(confirm, ConfirmStep):
            shown = {confirm.say.place(name).value for name in confirm.say.places}
            if source not in shown:
                yield f"moves {source}, which {by} does not show"


def _check_ends(subject: _Subject) -> _Faults:
    teams = {team.id for team in subject.catalogue.teams}
    steps = subject.workflow.steps
    if not any(isinstance(step, ResolveStep) for step in steps.values()):
        yield "", "resolves nothing: no step is a resolve"
    for name, step in steps.items():
        if isinstance(step, HandOverStep):
            if step.reason not in REASON_CODES:
                yield name, f"reason {step.reason!r} is not one of {', '.join(sorted(REASON_CODES))}"
            if step.team is not None and step.team not in teams:
                yield name, f"team {step.team!r} is not in teams.yaml"


def _check_category(subject: _Subject) -> _Faults:
    category = {found.id: found for found in subject.catalogue.categories}.get(subject.workflow.category)
    if category is None:
        yield "", f"category {subject.workflow.category!r} does not exist"
    elif category.workflow != subject.workflow.id:
        remedy = f"write `workflow: {subject.workflow.id}` and `automation: shadow` into categories/{category.id}.yaml"
        yield "", f"category {category.id!r} does not name this workflow: {remedy}"


def _check_templates(subject: _Subject) -> _Faults:
    for name, step in subject.workflow.steps.items():
        for say in says_of(step):
            yield from ((name, message) for message in _say_faults(subject, say))
    for built_in, places in BUILT_IN_TEMPLATES.items():
        yield from (("", message) for message in _template_faults(subject, built_in, places))


def _say_faults(subject: _Subject, say: Say) -> Iterator[str]:
    wanted = template_id(subject.workflow.id, say.template)
    yield from _template_faults(subject, wanted, frozenset(say.places))
    for name in say.places:
        if say.place(name).form == "money" and say.place(name).currency is None:
            yield f"place {name!r} is money without a currency"


def _template_faults(subject: _Subject, wanted: str, places: frozenset[str]) -> Iterator[str]:
    template = subject.templates.get(wanted)
    if template is None:
        yield f"there is no template {wanted!r}: add it to templates/, with a text in every language"
        return
    for language in subject.catalogue.languages:
        text = template.texts.get(language)
        if text is None:
            yield f"template {wanted!r} has no text in {language}"
            continue
        used = {name for _, name, _, _ in Formatter().parse(text) if name is not None}
        for unknown in sorted(used - places):
            yield f"template {wanted!r} in {language} uses {{{unknown}}}, which is not given"
        for unused in sorted(places - used):
            yield f"template {wanted!r} in {language} leaves out {{{unused}}}"


_STRUCTURE: Final[tuple[Callable[[_Subject], _Faults], ...]] = (
    _check_references,
    _check_calls,
    _check_slots,
    check_expressions,
)
_RULES: Final[tuple[Callable[[_Subject], _Faults], ...]] = (
    _check_paths,
    check_values,
    check_types,
    _check_acts,
    _check_ends,
    _check_category,
    _check_templates,
)
