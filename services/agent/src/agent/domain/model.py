"""The workflow language: what a YAML file under catalogue/workflows may say, typed and immutable."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

StepId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
Expression = Annotated[str, Field(min_length=1, max_length=2_000)]

CONFIRMATION_SLOT: Final = "confirmation"
"""What a confirm step waits for; the name is not free for a workflow's own slot."""

REASON_CODES: Final = frozenset(
    {
        "urgent",
        "low_confidence",
        "asked_for_person",
        "redirected_twice",
        "not_screened",
        "injection",
        "abuse",
        "spam",
        "over_limit",
        "backend_refused",
        "backend_failed",
        "not_understood",
        "not_verified",
        "never_automate",
        "poison",
    }
)


class WorkflowError(ValueError):
    """A workflow file that cannot be used; the message names the file and the step."""


class WorkflowModel(BaseModel):
    """Immutable; unknown members are refused so that a typing error is found at once."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class SlotType(StrEnum):
    """What a slot holds, and so which parser reads it."""

    ORDER_NUMBER = "order_number"
    EMAIL = "email"
    YES_NO = "yes_no"
    CHOICE = "choice"
    TEXT = "text"
    INTEGER = "integer"


class SlotSpec(WorkflowModel):
    """A value that is read from what the user writes."""

    type: SlotType
    description: str = Field(description="For the model that reads it, and for the human who takes over.")
    from_first_message: bool = Field(default=False, description="Also read from the message that started it.")


class Place(WorkflowModel):
    """How one {place} of a template is filled."""

    value: Expression
    form: Literal["text", "money", "date"] = Field(default="text", alias="as")
    currency: Expression | None = Field(default=None, description="Expression of the currency, for money.")


class Say(WorkflowModel):
    """A template and what fills it.

    A plain name is `wf_<workflow>_<name>`; `common.<name>` is `wf_common_<name>`, shared by all workflows.
    """

    template: Annotated[str, Field(pattern=r"^(common\.)?[a-z][a-z0-9_]*$")]
    places: dict[Name, Expression | Place] = {}

    def place(self, name: str) -> Place:
        """The place, whichever of the two ways it was written."""
        written = self.places[name]
        return written if isinstance(written, Place) else Place(value=written)


class Choices(WorkflowModel):
    """Buttons made from a list; `item` stands for each member."""

    each: Expression
    value: Expression
    label: Say


class AskStep(WorkflowModel):
    """Asks for a slot; skipped when the slot already has a value, unless `again`."""

    do: Literal["ask"]
    slot: Name
    say: Say
    choices: Choices | None = None
    again: bool = Field(default=False, description="Ask even if the slot has a value, which is forgotten.")
    max_attempts: Annotated[int, Field(ge=1, le=5)] = 3
    next: StepId
    give_up: StepId


class LookUpStep(WorkflowModel):
    """A read-only call to a backend."""

    do: Literal["look_up"]
    call: Name
    with_: dict[Name, Expression] = Field(default={}, alias="with")
    save_as: Name
    found: StepId
    not_found: StepId
    failed: StepId


class Case(WorkflowModel):
    """One arm of a branch."""

    if_: Expression = Field(alias="if")
    next: StepId


class BranchStep(WorkflowModel):
    """Goes where the first expression that holds says."""

    do: Literal["branch"]
    cases: tuple[Case, ...] = Field(min_length=1)
    else_: StepId = Field(alias="else")


class SetStep(WorkflowModel):
    """Works out values from others."""

    do: Literal["set"]
    values: dict[Name, Expression] = Field(min_length=1)
    next: StepId


class ConfirmStep(WorkflowModel):
    """Says exactly what will happen and waits for a yes."""

    do: Literal["confirm"]
    say: Say
    max_attempts: Annotated[int, Field(ge=1, le=5)] = 3
    agreed: StepId
    declined: StepId
    give_up: StepId


class ActStep(WorkflowModel):
    """A call that changes something. It needs a confirmation, or the statement that it is harmless."""

    do: Literal["act"]
    call: Name
    with_: dict[Name, Expression] = Field(default={}, alias="with")
    save_as: Name
    confirmed_by: tuple[StepId, ...] = ()
    harmless: str | None = Field(default=None, min_length=10, description="Why no confirmation is needed.")
    max_amount_cents: Annotated[int, Field(gt=0)] | None = None
    done: StepId
    refused: StepId
    not_found: StepId
    unknown: StepId


class SayStep(WorkflowModel):
    """Says something and goes on."""

    do: Literal["say"]
    say: Say
    next: StepId


class HandOverStep(WorkflowModel):
    """Ends with a human."""

    do: Literal["hand_over"]
    reason: str
    say: Say
    suggested_next_step: str = Field(min_length=10, description="What the human would do next, in English.")
    team: str | None = None
    priority: Literal["low", "normal", "high"] = "normal"


class ResolveStep(WorkflowModel):
    """Ends with the case resolved."""

    do: Literal["resolve"]
    say: Say


Step = Annotated[
    AskStep | LookUpStep | BranchStep | SetStep | ConfirmStep | ActStep | SayStep | HandOverStep | ResolveStep,
    Field(discriminator="do"),
]


class Workflow(WorkflowModel):
    """One version of one workflow."""

    id: Name
    version: Annotated[int, Field(ge=1)]
    title: str
    owner: str
    review_by: date
    category: str
    cancel_words_stop: bool = Field(
        default=True,
        description='Whether a bare "cancel" stops the workflow; false where it may mean the very action.',
    )
    max_turns: Annotated[int, Field(ge=1, le=50)] = 12
    slots: dict[Name, SlotSpec] = {}
    start: StepId
    steps: dict[StepId, Step] = Field(min_length=1)

    @property
    def reference(self) -> str:
        """Name, version and fingerprint: what a running conversation is bound to."""
        return f"{self.id}@{self.version}-{self.fingerprint}"

    @property
    def fingerprint(self) -> str:
        """First eight hexadecimal digits of the SHA-256 of its content."""
        content = json.dumps(self.model_dump(mode="json", by_alias=True), sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:8]


def parse_workflow(workflow_id: str, raw: object, file: str) -> Workflow:
    """Turns the YAML of one file into a workflow.

    Raises:
        WorkflowError: One line per fault, each naming the file and the step.
    """
    try:
        workflow = Workflow.model_validate(raw)
    except ValidationError as error:
        raise WorkflowError("\n".join(_describe(file, fault) for fault in error.errors())) from error
    if workflow.id != workflow_id:
        raise WorkflowError(f"{file}: id is {workflow.id!r}; give the file and the id the same name")
    return workflow


def _describe(file: str, fault: Mapping[str, Any]) -> str:
    location = [str(part) for part in fault["loc"]]
    place = f"{file}"
    if len(location) >= 2 and location[0] == "steps":
        place += f": step {location[1]}"
        location = location[2:]
    return f"{place}: {'.'.join(location) or 'file'}: {fault['msg']}"


def edges(step: Step) -> Iterator[tuple[str, str]]:
    """(label, target) of every way out of a step, in the order in which they are written."""
    match step:
        case AskStep():
            yield from (("answered", step.next), ("give_up", step.give_up))
        case LookUpStep():
            yield from (("found", step.found), ("not_found", step.not_found), ("failed", step.failed))
        case BranchStep():
            yield from ((f"case {number}", case.next) for number, case in enumerate(step.cases, start=1))
            yield ("else", step.else_)
        case SetStep() | SayStep():
            yield ("next", step.next)
        case ConfirmStep():
            yield from (("agreed", step.agreed), ("declined", step.declined), ("give_up", step.give_up))
        case ActStep():
            yield from (("done", step.done), ("refused", step.refused))
            yield from (("not_found", step.not_found), ("unknown", step.unknown))
        case HandOverStep() | ResolveStep():
            return


def template_id(workflow_id: str, written: str) -> str:
    """The catalogue's id of a template that a workflow names."""
    scope, _, name = written.rpartition(".")
    return f"wf_{scope or workflow_id}_{name}"


def says_of(step: Step) -> Iterator[Say]:
    """Everything that a step may say, button labels included."""
    if isinstance(step, AskStep | ConfirmStep | SayStep | HandOverStep | ResolveStep):
        yield step.say
    if isinstance(step, AskStep) and step.choices is not None:
        yield step.choices.label
