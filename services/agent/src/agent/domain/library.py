"""The workflows and texts of one catalogue version, parsed, checked and compiled once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from string import Formatter
from typing import Final, TypeVar

from floodgate.catalogue.models import Automation, Catalogue
from floodgate.modes import LEVELS, Modes

from agent.backends.declared import CALLS
from agent.domain.calls import CallSpec
from agent.domain.checker import Finding, Lines, check_workflow
from agent.domain.exchange import Utterance
from agent.domain.expressions import Expressions
from agent.domain.model import Part, Workflow, WorkflowError
from agent.domain.parsing import is_part, parse_part, parse_workflow

FOLDER: Final = "workflows"
APPROVAL_TEMPLATES: Final = frozenset({"wf_common_held", "wf_common_still_held", "wf_common_not_approved"})
"""What is said around an action that waits for a colleague; a catalogue without them proposes nothing."""
T = TypeVar("T")


class Library:
    """What the agent may run and say.

    Args:
        catalogue: A checked catalogue.
        calls: What the backend offers.

    Raises:
        WorkflowError: A workflow cannot be read or breaks a rule; one line per fault, with file and step.
    """

    def __init__(self, catalogue: Catalogue, calls: Mapping[str, CallSpec] = CALLS) -> None:
        self.catalogue = catalogue
        self.calls = calls
        self.expressions = Expressions()
        self._templates = {template.id: template for template in catalogue.templates}
        self._can_propose = self._templates.keys() >= APPROVAL_TEMPLATES
        self._teams = {category.id: category.team for category in catalogue.categories}
        self.workflows: Mapping[str, Workflow] = parse_all(catalogue)
        faults = [finding for workflow in self.workflows.values() for finding in self.check(workflow)]
        if faults:
            raise WorkflowError("\n".join(str(finding) for finding in faults))

    def check(self, workflow: Workflow, lines: Lines | None = None) -> Iterator[Finding]:
        """Everything that is wrong with a workflow."""
        yield from check_workflow(workflow, self.catalogue, self.expressions, self.calls, lines=lines)

    def level(self, workflow_id: str, modes: Modes) -> Automation:
        """How far a workflow may go now: as far as the category that lets it go furthest."""
        levels = [modes.automation(c) for c in self.catalogue.categories if c.workflow == workflow_id]
        level = max(levels, key=LEVELS.index, default=Automation.OFF)
        # Without words for the user who waits, nothing is proposed: a human takes it.
        return Automation.SHADOW if level is Automation.PROPOSE and not self._can_propose else level

    def by_reference(self, reference: str) -> Workflow | None:
        """The workflow that a running conversation started with; None when it has changed since."""
        workflow = self.workflows.get(reference.partition("@")[0])
        return workflow if workflow is not None and workflow.reference == reference else None

    def language(self, *wanted: str | None) -> str:
        """The first of the languages that is served, else the default one."""
        for language in wanted:
            if language in self.catalogue.languages:
                return language
        return self.catalogue.default_language

    def team(self, category: str | None) -> str | None:
        """The team that answers for a category."""
        return self._teams.get(category or "")

    def render(self, utterance: Utterance, language: str) -> str:
        """The text of an utterance.

        Raises:
            KeyError: There is no such template or place, which a checked library rules out.
        """
        texts = self._templates[utterance.template].texts
        text = texts.get(language) or texts[self.catalogue.default_language]
        # Each place is put in once, so that a brace inside a value stays what it is.
        return "".join(
            literal + (utterance.places[name] if name is not None else "")
            for literal, name, _, _ in Formatter().parse(text)
        )


def file_of(workflow_id: str) -> str:
    """The file that a workflow stands in, relative to the catalogue."""
    return f"{FOLDER}/{workflow_id}.yaml"


def parse_all(catalogue: Catalogue) -> Mapping[str, Workflow]:
    """Parses every workflow of a catalogue, with the parts that they use put in.

    Raises:
        WorkflowError: One line per fault of any of them.
    """
    faults: list[str] = []

    def parsed(key: str, parse: Callable[[str, object, str], T]) -> T | None:
        try:
            return parse(key, catalogue.workflows[key], file_of(key))
        except WorkflowError as error:
            faults.append(str(error))
            return None

    keys = sorted(catalogue.workflows)
    found = {key: parsed(key, parse_part) for key in keys if is_part(catalogue.workflows[key])}
    parts: Mapping[str, Part] = {key: part for key, part in found.items() if part is not None}
    workflows = {key: parsed(key, partial(parse_workflow, parts=parts)) for key in keys if key not in found}
    if faults:
        raise WorkflowError("\n".join(faults))
    return {key: workflow for key, workflow in workflows.items() if workflow is not None}
