"""The workflows and texts of one catalogue version, parsed, checked and compiled once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from string import Formatter
from typing import Final

from floodgate.catalogue.models import Automation, Catalogue

from agent.domain.checker import Finding, check_workflow
from agent.domain.exchange import Utterance
from agent.domain.expressions import Expressions
from agent.domain.model import Workflow, WorkflowError, parse_workflow

FOLDER: Final = "workflows"


class Library:
    """What the agent may run and say.

    Args:
        catalogue: A checked catalogue.

    Raises:
        WorkflowError: A workflow cannot be read or breaks a rule; one line per fault, with file and step.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.expressions = Expressions()
        self._templates = {template.id: template for template in catalogue.templates}
        self._teams = {category.id: category.team for category in catalogue.categories}
        self.workflows: Mapping[str, Workflow] = parse_all(catalogue)
        faults = [finding for workflow in self.workflows.values() for finding in self.check(workflow)]
        if faults:
            raise WorkflowError("\n".join(str(finding) for finding in faults))

    def check(self, workflow: Workflow) -> Iterator[Finding]:
        """Everything that is wrong with a workflow."""
        yield from check_workflow(workflow, self.catalogue, self.expressions, file_of(workflow.id))

    def is_on(self, workflow_id: str) -> bool:
        """Whether a category lets the workflow run: what was decided by another version may be switched off in this."""
        return any(
            category.workflow == workflow_id and category.automation is Automation.ON and not category.never_automate
            for category in self.catalogue.categories
        )

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
    """Parses every workflow of a catalogue.

    Raises:
        WorkflowError: One line per fault of any of them.
    """
    parsed: dict[str, Workflow] = {}
    faults: list[str] = []
    for workflow_id, raw in sorted(catalogue.workflows.items()):
        try:
            parsed[workflow_id] = parse_workflow(workflow_id, raw, file_of(workflow_id))
        except WorkflowError as error:
            faults.append(str(error))
    if faults:
        raise WorkflowError("\n".join(faults))
    return parsed
