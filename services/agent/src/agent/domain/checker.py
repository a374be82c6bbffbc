"""Proves of a workflow, before it runs, what a support lead wants to be sure of. Every finding names file and step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Final

from floodgate.catalogue.models import Catalogue, Template

from agent.domain.calls import CALLS, CallSpec
from agent.domain.expressions import VARIABLES, ExpressionError, Expressions
from agent.domain.flow import OUTCOME, Flow
from agent.domain.interpreter import BUILT_IN_TEMPLATES
from agent.domain.model import (
    CONFIRMATION_SLOT,
    REASON_CODES,
    ActStep,
    AskStep,
    ConfirmStep,
    HandOverStep,
    LookUpStep,
    ResolveStep,
    Say,
    SlotType,
    Workflow,
    edges,
    says_of,
    template_id,
)
from agent.domain.sources import sources_of


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong, and where."""

    file: str
    step: str
    message: str

    def __str__(self) -> str:
        """One line for an author."""
        return f"{self.file}: step {self.step}: {self.message}" if self.step else f"{self.file}: {self.message}"


@dataclass(frozen=True, slots=True)
class _Subject:
    """What the rules look at."""

    workflow: Workflow
    catalogue: Catalogue
    expressions: Expressions
    templates: Mapping[str, Template]
    flow: Flow


_Faults = Iterator[tuple[str, str]]
"""(step or "", message)."""


def check_workflow(workflow: Workflow, catalogue: Catalogue, expressions: Expressions, file: str) -> Iterator[Finding]:
    """Yields every fault; none means that the workflow may run.

    Where the structure itself is broken (a step that does not exist), the rules that follow paths are left out.
    """
    templates = {template.id: template for template in catalogue.templates}
    subject = _Subject(workflow, catalogue, expressions, templates, Flow(workflow))
    broken = False
    for rule in _STRUCTURE:
        for step, message in rule(subject):
            broken = True
            yield Finding(file, step, message)
    for rule in () if broken else _RULES:
        for step, message in rule(subject):
            yield Finding(file, step, message)


def _check_references(subject: _Subject) -> _Faults:
    steps = subject.workflow.steps
    if subject.workflow.start not in steps:
        yield "", f"start is {subject.workflow.start!r}, which is no step"
    for name, step in steps.items():
        for label, target in edges(step):
            if target not in steps:
                yield name, f"{label} leads to {target!r}, which is no step"


def _check_calls(subject: _Subject) -> _Faults:
    for name, step in subject.workflow.steps.items():
        if isinstance(step, LookUpStep | ActStep):
            spec = CALLS.get(step.call)
            if spec is None:
                yield name, f"there is no call {step.call!r}; declared are {', '.join(sorted(CALLS))}"
                continue
            yield from ((name, message) for message in _argument_faults(step, spec))


def _argument_faults(step: LookUpStep | ActStep, spec: CallSpec) -> Iterator[str]:
    for missing in sorted(spec.arguments.keys() - step.with_.keys()):
        yield f"{spec.name} needs {missing!r} under `with`"
    for unknown in sorted(step.with_.keys() - spec.arguments.keys()):
        yield f"{spec.name} takes no {unknown!r}"
    if isinstance(step, LookUpStep) and spec.changes:
        yield f"{spec.name} changes something, so it has to be an act"
    if isinstance(step, ActStep) and not spec.changes:
        yield f"{spec.name} changes nothing, so it has to be a look_up"


def _check_slots(subject: _Subject) -> _Faults:
    for name, step in subject.workflow.steps.items():
        if isinstance(step, AskStep) and step.slot not in subject.workflow.slots:
            yield name, f"asks for {step.slot!r}, which is not among the slots"
        elif isinstance(step, AskStep):
            slot = subject.workflow.slots[step.slot]
            if slot.type is SlotType.CHOICE and step.choices is None:
                yield name, f"asks for the choice {step.slot!r} without choices"
    if CONFIRMATION_SLOT in subject.workflow.slots:
        yield "", f"{CONFIRMATION_SLOT!r} is what confirm steps wait for; give the slot another name"


def _check_expressions(subject: _Subject) -> _Faults:
    for name, step in subject.workflow.steps.items():
        for source in sources_of(step):
            try:
                references = subject.expressions.references(source.text)
            except ExpressionError as error:
                yield name, f"{source.place}: {error}"
                continue
            allowed = VARIABLES if source.has_item else VARIABLES - {"item"}
            for reference in references:
                if reference.path[0] not in allowed:
                    yield name, f"{source.place}: {reference.path[0]!r} is not known here: {source.text}"


def _check_paths(subject: _Subject) -> _Faults:
    flow = subject.flow
    for name in sorted(subject.workflow.steps.keys() - flow.reachable):
        yield name, "is never reached"
    for name in sorted(flow.reachable - flow.ending):
        yield name, "cannot end: no way leads from here to a resolve or a hand_over"
    for name in flow.in_silent_cycle():
        yield name, "is in a circle without a question, which would never end"


def _check_values(subject: _Subject) -> _Faults:
    """Slots and data are set on every way that leads to where they are used."""
    set_before = subject.flow.set_before()
    for name in sorted(subject.flow.reachable):
        step = subject.workflow.steps[name]
        for source in sources_of(step):
            for reference in subject.expressions.references(source.text):
                path = reference.path
                if reference.guarded or path[0] not in {"slots", "data"} or len(path) < 2:
                    continue
                if _needed(path) not in set_before[name]:
                    yield name, f"{source.place}: {'.'.join(path[:2])} may not be set yet: {source.text}"
                yield from ((name, message) for message in _field_faults(subject, path, source.text))


def _needed(path: tuple[str, ...]) -> tuple[str, ...]:
    """A call's outcome and code are there whatever came back; its answer only when it succeeded."""
    only_outcome = path[0] == "data" and len(path) > 2 and path[2] in {OUTCOME, "code"}
    return (*path[:2], OUTCOME) if only_outcome else path[:2]


def _field_faults(subject: _Subject, path: tuple[str, ...], text: str) -> Iterator[str]:
    """A misspelt field of a call's answer; `outcome` and `code` are always there."""
    if path[0] != "data" or len(path) < 3:
        return
    known = subject.flow.fields_of(path[1])
    if known and path[2] not in known:
        yield f"{'.'.join(path[:3])} is not what the call answers ({', '.join(sorted(known))}): {text}"


def _check_acts(subject: _Subject) -> _Faults:
    confirmed_at = subject.flow.confirmed_at()
    for name in sorted(subject.flow.reachable):
        step = subject.workflow.steps[name]
        if isinstance(step, ActStep):
            yield from ((name, message) for message in _act_faults(subject, step, confirmed_at[name]))


def _act_faults(subject: _Subject, step: ActStep, confirmed: frozenset[str]) -> Iterator[str]:
    amount = CALLS[step.call].amount_argument
    if amount is not None and step.max_amount_cents is None:
        yield f"{step.call} moves money, so it needs max_amount_cents"
    if amount is not None and step.harmless is not None:
        yield f"{step.call} moves money, so it cannot be harmless"
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
    elif amount is not None:
        yield from _unseen_amount(subject, step, step.with_[amount])


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
        yield "", f"category {category.id!r} does not name this workflow"


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
        yield f"there is no template {wanted!r}"
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
    _check_expressions,
)
_RULES: Final[tuple[Callable[[_Subject], _Faults], ...]] = (
    _check_paths,
    _check_values,
    _check_acts,
    _check_ends,
    _check_category,
    _check_templates,
)
