"""The workflow language: what a YAML file under catalogue/workflows may say, typed and immutable."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from datetime import date
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from agent.domain.limits import Limits, WorkflowModel

StepId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?$", max_length=96)]
"""With a dot for a step of a part: `<step that uses it>.<its step>`; authors write no dots."""

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


class SlotType(StrEnum):
    """What a slot holds, and so which parser reads it."""

    ORDER_NUMBER = "order_number"
    EMAIL = "email"
    YES_NO = "yes_no"
    CHOICE = "choice"
    TEXT = "text"
    INTEGER = "integer"
    AMOUNT = "amount"
    DATE = "date"
    NAME = "name"
    CODE = "code"

    @property
    def reads_anything(self) -> bool:
        """Whether any text is a value of it, so that nothing can be told from reading one."""
        return self in {SlotType.TEXT, SlotType.NAME}


class SlotSpec(WorkflowModel):
    """A value that is read from what the user writes."""

    type: SlotType
    description: str = Field(description="For the model that reads it, and for the human who takes over.")
    from_first_message: bool = Field(default=False, description="Also read from the message that started it.")
    pattern: str | None = Field(
        default=None, description="For a code: the regular expression that all of it matches, in capitals."
    )

    @model_validator(mode="after")
    def _needs_pattern(self) -> SlotSpec:
        if (self.type is SlotType.CODE) != (self.pattern is not None):
            raise ValueError("a code, and nothing else, needs a pattern")
        if self.pattern is not None:
            try:
                re.compile(self.pattern)
            except re.error as error:
                raise ValueError(f"pattern is no regular expression: {error}") from error
        return self


class Place(WorkflowModel):
    """How one {place} of a template is filled."""

    value: Expression
    form: Literal["text", "money", "date"] = Field(default="text", alias="as")
    currency: Expression | None = Field(default=None, description="Expression of the currency, for money.")


class Say(WorkflowModel):
    """A template and what fills it.

    A plain name is `wf_<workflow>_<name>` (of a part: `wf_<part>_<name>`); `common.<name>` is `wf_common_<name>`,
    shared by all.
    """

    template: Annotated[str, Field(pattern=r"^([a-z][a-z0-9_]*\.)?[a-z][a-z0-9_]*$")]
    places: dict[Name, Expression | Place] = Field(default={})

    def place(self, name: str) -> Place:
        """The place, whichever of the two ways it was written."""
        written = self.places[name]
        return written if isinstance(written, Place) else Place(value=written)


class Choices(WorkflowModel):
    """Buttons made from a list; `item` stands for each member."""

    each: Expression
    value: Expression
    label: Say


class Option(WorkflowModel):
    """A button that is always the same."""

    value: Name
    say: Say


class AskStep(WorkflowModel):
    """Asks for a slot; skipped when the slot already has a value that is valid, unless `again`."""

    do: Literal["ask"]
    slot: Name
    say: Say
    choices: Choices | None = None
    options: tuple[Option, ...] = Field(default=(), max_length=10)
    valid: Expression | None = Field(default=None, description="What must hold of `value`, the answer.")
    invalid: Say | None = Field(default=None, description="Said before it is asked again.")
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


class Undo(WorkflowModel):
    """How the action is taken back; told to the human who takes over."""

    call: Name
    with_: dict[Name, Expression] = Field(default={}, alias="with")


class ActStep(WorkflowModel):
    """A call that changes something. It needs a confirmation, or the statement that it is harmless."""

    do: Literal["act"]
    call: Name
    with_: dict[Name, Expression] = Field(default={}, alias="with")
    save_as: Name
    confirmed_by: tuple[StepId, ...] = ()
    harmless: str | None = Field(default=None, min_length=10, description="Why no confirmation is needed.")
    after: tuple[StepId, ...] = Field(default=(), description="Checks: branches that every way here passes.")
    amount: Expression | None = Field(default=None, description="What it moves, where no argument of the call says so.")
    max_amount_cents: Annotated[int, Field(gt=0)] | None = None
    limits: Limits | None = None
    undo: Undo | None = None
    done: StepId
    refused: StepId
    not_found: StepId
    unknown: StepId


class SayStep(WorkflowModel):
    """Says something and goes on."""

    do: Literal["say"]
    say: Say
    next: StepId


class AnswerStep(WorkflowModel):
    """Answers from the knowledge, with its citation; nothing is said that no article says."""

    do: Literal["answer"]
    question: Say | None = Field(default=None, description="What is looked for; else what the user wrote.")
    answered: StepId
    unsupported: StepId


class PartStep(WorkflowModel):
    """Runs a part (a file with `kind: part`); its steps take this one's place before anything is checked."""

    do: Literal["part"]
    part: Name
    with_: dict[Name, Expression] = Field(default={}, alias="with")
    ways: dict[Name, StepId] = Field(min_length=1, description="Where each of its endings leads.")


class EndStep(WorkflowModel):
    """Ends a part: the way out that the workflow goes on by."""

    do: Literal["end"]
    way: Name


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
    AskStep
    | LookUpStep
    | BranchStep
    | SetStep
    | ConfirmStep
    | ActStep
    | SayStep
    | AnswerStep
    | PartStep
    | EndStep
    | HandOverStep
    | ResolveStep,
    Field(discriminator="do"),
]


class Part(WorkflowModel):
    """Steps that several workflows share. It takes values (read as `data.<name>`), and ends by named ways."""

    kind: Literal["part"]
    id: Name
    owner: str
    review_by: date
    takes: tuple[Name, ...] = ()
    slots: dict[Name, SlotSpec] = Field(default={})
    start: StepId
    steps: dict[StepId, Step] = Field(min_length=1)


class Workflow(WorkflowModel):
    """One version of one workflow."""

    kind: Literal["workflow"] = "workflow"
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
    slots: dict[Name, SlotSpec] = Field(default={})
    start: StepId
    steps: dict[StepId, Step] = Field(min_length=1)
    parts: dict[Name, Name] = Field(default={}, description="Filled in when parts are put in: step to part.")

    @property
    def reference(self) -> str:
        """Name, version and fingerprint: what a running conversation is bound to."""
        return f"{self.id}@{self.version}-{self.fingerprint}"

    @property
    def fingerprint(self) -> str:
        """First eight hexadecimal digits of the SHA-256 of its content."""
        content = json.dumps(self.model_dump(mode="json", by_alias=True), sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:8]


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
        case AnswerStep():
            yield from (("answered", step.answered), ("unsupported", step.unsupported))
        case PartStep():
            yield from step.ways.items()
        case EndStep() | HandOverStep() | ResolveStep():
            return


def template_id(workflow_id: str, written: str) -> str:
    """The catalogue's id of a template that a workflow names."""
    scope, _, name = written.rpartition(".")
    return f"wf_{scope or workflow_id}_{name}"


def says_of(step: Step) -> Iterator[Say]:
    """Everything that a step may say, button labels included."""
    if isinstance(step, AskStep | ConfirmStep | SayStep | HandOverStep | ResolveStep):
        yield step.say
    if isinstance(step, AskStep):
        yield from (option.say for option in step.options)
        if step.choices is not None:
            yield step.choices.label
        if step.invalid is not None:
            yield step.invalid
    if isinstance(step, AnswerStep) and step.question is not None:
        yield step.question
