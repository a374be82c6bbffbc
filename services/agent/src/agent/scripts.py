"""Scripted conversations: what is said on both sides, what the backend is asked and answers, and how it ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.domain import interpreter
from agent.domain.calls import CallOutcome, CallResult, CallSpec
from agent.domain.exchange import (
    AwaitUser,
    CallReturned,
    Event,
    HandedOver,
    KnowledgeReturned,
    ModelReading,
    Need,
    NeedAct,
    NeedAnswer,
    NeedLookUp,
    NeedReading,
    Transition,
    UserTurn,
)
from agent.domain.ledger import LIMIT_CODES
from agent.domain.library import Library
from agent.domain.model import ActStep, Workflow, edges
from agent.domain.scope import Context
from agent.domain.state import Run
from agent.talking import context_of, has_ended

FOLDER: Final = "tests"
Edge = tuple[str, str]
"""(step, way): for an action also (step, "refused: code") and the like."""


class ScriptError(ValueError):
    """A script that cannot be used, or that went another way; names the file, the conversation and the line."""


class ScriptModel(BaseModel):
    """Unknown members are refused so that a typing error is found at once."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Line(ScriptModel):
    """One thing that happens: what the user, the model, the knowledge or the backend does, or what is expected."""

    user: str | None = None
    press: str | None = None
    model: dict[str, str | None] | None = None
    knowledge: str | None = Field(default=None, description="What the knowledge answers; empty: nothing supports one.")
    look_up: str | None = None
    act: str | None = None
    with_: dict[str, str | int] | None = Field(default=None, alias="with")
    gives: str | None = Field(
        default=None, description='"done NAME", "refused CODE", "not_found", "failed", "unknown".'
    )
    says: tuple[str, ...] | None = None
    waits: str | None = None
    ends: str | None = None


class Script(ScriptModel):
    """One conversation."""

    name: str
    language: str = "en"
    lines: tuple[Line, ...] = Field(min_length=2)


class ScriptFile(ScriptModel):
    """The scripted conversations of one workflow.

    Attributes:
        answers: What the backend can answer, by call and a name of yours.
        texts: What users write when a slot is asked for without buttons, for `propose`.
        begin: Messages with which conversations begin, for `propose`.
    """

    workflow: str
    now: datetime
    answers: dict[str, dict[str, Any]] = {}
    texts: dict[str, tuple[str, ...]] = {}
    begin: Annotated[tuple[str, ...], Field(min_length=1)] = ("Hello",)
    conversations: tuple[Script, ...] = ()


@dataclass(slots=True)
class Coverage:
    """What conversations of one workflow have been through."""

    wanted: frozenset[Edge]
    seen: set[Edge] = field(default_factory=set)

    @property
    def missing(self) -> list[Edge]:
        """Edges and outcomes that no conversation took."""
        return sorted(self.wanted - self.seen)


def read_script_file(path: Path) -> ScriptFile:
    """Reads one file.

    Raises:
        ScriptError: It is none.
    """
    try:
        return ScriptFile.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError) as error:
        raise ScriptError(f"{path}: {error}") from error
    except ValidationError as error:
        faults = (f"{path}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise ScriptError("\n".join(faults)) from error


def wanted_edges(workflow: Workflow, calls: Mapping[str, CallSpec]) -> frozenset[Edge]:
    """Every way out of every step, and every action with every answer that the backend and the limits can give."""
    found = {(name, label) for name, step in workflow.steps.items() for label, _ in edges(step)}
    for name, step in workflow.steps.items():
        if isinstance(step, ActStep):
            found |= {(name, outcome) for outcome in outcomes_of(step, calls[step.call])}
    return frozenset(found)


def outcomes_of(step: ActStep, spec: CallSpec) -> list[str]:
    """What can become of an action."""
    limits = LIMIT_CODES if step.limits is not None else ()
    return [*(f"refused: {code}" for code in (*spec.refusals, *limits)), "done", "not_found", "unknown", "failed"]


def taken(run: Run, workflow: Workflow) -> Iterator[Edge]:
    """The edges and outcomes that a run has been through."""
    for way in run.path:
        yield way.step, way.way
        step = workflow.steps.get(way.step)
        if isinstance(step, ActStep) and way.way == "refused":
            yield way.step, f"refused: {way.inputs.get('code', '')}"
    for action in run.actions:
        if action.status == "failed":
            yield action.step, "failed"


class Player:
    """Plays scripts of one file.

    Args:
        library: Workflows and texts.
        file: The scripts.
    """

    def __init__(self, library: Library, file: ScriptFile) -> None:
        if file.workflow not in library.workflows:
            raise ScriptError(f"there is no workflow {file.workflow!r}; there are {', '.join(library.workflows)}")
        self.library = library
        self.file = file
        self.workflow = library.workflows[file.workflow]

    def context(self, language: str, said: str = "") -> Context:
        """What surrounds a conversation."""
        return context_of(self.library, self.workflow, language, self.file.now, said)

    def play(self, script: Script) -> Transition:
        """Plays one conversation to its end.

        Raises:
            ScriptError: It went another way than the script says.
        """
        first, said = script.lines[0], script.lines[0].user
        if said is None:
            raise ScriptError(f"{script.name}: line 1: begins with what the user writes")
        transition = interpreter.begin(self.context(script.language, said), said)
        self._expect(script, 1, first, transition)
        for number, line in enumerate(script.lines[1:], start=2):
            if has_ended(transition):
                raise ScriptError(f"{script.name}: line {number}: it has ended before")
            said = line.user or said
            event = self._event(script, number, line, transition)
            transition = interpreter.advance(self.context(script.language, said), transition.run, event)
            self._expect(script, number, line, transition)
            for text in transition.says:
                self.library.render(text, script.language)
        if not has_ended(transition):
            raise ScriptError(f"{script.name}: does not end: it waits for {told(transition.need)}")
        return transition

    def _event(self, script: Script, number: int, line: Line, transition: Transition) -> Event:
        where = f"{script.name}: line {number}"
        match transition.need:
            case AwaitUser() as need if line.press is not None:
                if line.press not in {button.value for button in need.buttons}:
                    raise ScriptError(f"{where}: there is no button {line.press!r}")
                return UserTurn("", option_value=line.press)
            case AwaitUser() if line.user is not None:
                return UserTurn(line.user)
            case NeedReading() as need if line.model is not None:
                values = {name: value for name, value in line.model.items() if name != "command"}
                return ModelReading(values, line.model.get("command") or "none", need.text)
            case NeedAnswer() if line.knowledge is not None:
                return KnowledgeReturned(line.knowledge or None)
            case NeedLookUp() | NeedAct() as need if need.call in {line.look_up, line.act}:
                if line.with_ is not None and line.with_ != dict(need.arguments):
                    raise ScriptError(f"{where}: {need.call} is called with {dict(need.arguments)}, not {line.with_}")
                return CallReturned(self.result(need.call, line.gives or "done", where), f"{need.step}-key")
        raise ScriptError(f"{where}: it needs {told(transition.need)}")

    def result(self, call: str, gives: str, where: str = "") -> CallResult:
        """The backend's answer that a script names.

        Raises:
            ScriptError: There is no such answer.
        """
        outcome, _, name = gives.partition(" ")
        if outcome not in set(CallOutcome):
            raise ScriptError(f"{where}: gives {outcome!r}; it can be {', '.join(CallOutcome)}")
        if outcome != CallOutcome.DONE:
            return CallResult(CallOutcome(outcome), code=name)
        answers = self.file.answers.get(call, {})
        if name not in answers:
            raise ScriptError(f"{where}: there is no answer {name!r} of {call}; there are {', '.join(answers)}")
        return CallResult(CallOutcome.DONE, answers[name])

    def _expect(self, script: Script, number: int, line: Line, transition: Transition) -> None:
        where = f"{script.name}: line {number}"
        said = tuple(short(self.workflow.id, text.template) for text in transition.says)
        if line.says is not None and line.says != said:
            raise ScriptError(f"{where}: says {', '.join(said) or 'nothing'}, not {', '.join(line.says)}")
        found = told(transition.need)
        if line.waits is not None and found != f"waits for {line.waits}":
            raise ScriptError(f"{where}: {found}, not waits for {line.waits}")
        if line.ends is not None and found != f"ends: {line.ends}":
            raise ScriptError(f"{where}: {found}, not ends: {line.ends}")


def short(workflow_id: str, template: str) -> str:
    """A template's name as the workflow's author writes it."""
    own = f"wf_{workflow_id}_"
    if template.startswith(own):
        return template.removeprefix(own)
    return template.removeprefix("wf_").replace("common_", "common.", 1)


def told(need: Need) -> str:
    """What a conversation needs next, in words."""
    match need:
        case AwaitUser():
            return f"waits for {need.slot}"
        case NeedReading() | NeedAnswer():
            return "the model (model: …)" if isinstance(need, NeedReading) else "the knowledge (knowledge: …)"
        case NeedLookUp():
            return f"look_up: {need.call}"
        case NeedAct():
            return f"act: {need.call} with {dict(need.arguments)}"
        case HandedOver():
            return f"ends: handed_over {need.reason}"
        case _:
            return f"ends: {type(need).__name__.lower()}"


def run_scripts(player: Player, scripts: Sequence[Script]) -> tuple[Coverage, list[str]]:
    """Plays conversations: what they covered, and what went wrong."""
    coverage = Coverage(wanted_edges(player.workflow, player.library.calls))
    faults = []
    for script in scripts:
        try:
            coverage.seen |= set(taken(player.play(script).run, player.workflow)) & coverage.wanted
        except ScriptError as error:
            faults.append(str(error))
    return coverage, faults
