"""From the YAML of a file to a workflow: validated, with the parts that it uses put in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from agent.domain.limits import WorkflowModel
from agent.domain.model import EndStep, Part, PartStep, Workflow, WorkflowError

M = TypeVar("M", bound=WorkflowModel)
_TARGETS: Final = (
    "next",
    "give_up",
    "found",
    "not_found",
    "failed",
    "agreed",
    "declined",
    "done",
    "refused",
    "unknown",
    "answered",
    "unsupported",
    "else",
)
_LISTS: Final = ("confirmed_by", "after")
_SAYS: Final = ("say", "invalid", "question")


def is_part(raw: object) -> bool:
    """Whether a file holds a part and no workflow."""
    return isinstance(raw, Mapping) and raw.get("kind") == "part"


def parse_part(part_id: str, raw: object, file: str) -> Part:
    """Turns the YAML of one file into a part.

    Raises:
        WorkflowError: One line per fault, each naming the file and the step.
    """
    part = _validate(Part, raw, file)
    if part.id != part_id:
        raise WorkflowError(f"{file}: id is {part.id!r}; give the file and the id the same name")
    nested = [name for name, step in part.steps.items() if isinstance(step, PartStep)]
    if nested:
        raise WorkflowError(f"{file}: step {nested[0]}: a part cannot use another part")
    return part


def parse_workflow(workflow_id: str, raw: object, file: str, parts: Mapping[str, Part] | None = None) -> Workflow:
    """Turns the YAML of one file into a workflow.

    Raises:
        WorkflowError: One line per fault, each naming the file and the step.
    """
    workflow = _validate(Workflow, raw, file)
    if workflow.id != workflow_id:
        raise WorkflowError(f"{file}: id is {workflow.id!r}; give the file and the id the same name")
    return _with_parts(workflow, parts or {}, file)


def _validate(kind: type[M], raw: object, file: str) -> M:
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        raise WorkflowError("\n".join(_describe(file, fault) for fault in error.errors())) from error


def _describe(file: str, fault: Mapping[str, Any]) -> str:
    location = [str(part) for part in fault["loc"]]
    place = f"{file}"
    if len(location) >= 2 and location[0] == "steps":
        place += f": step {location[1]}"
        location = location[2:]
    return f"{place}: {'.'.join(location) or 'file'}: {fault['msg']}"


def _with_parts(workflow: Workflow, parts: Mapping[str, Part], file: str) -> Workflow:
    uses = {name: step for name, step in workflow.steps.items() if isinstance(step, PartStep)}
    stray = [name for name, step in workflow.steps.items() if isinstance(step, EndStep)]
    if stray:
        raise WorkflowError(f"{file}: step {stray[0]}: only a part has an end; use resolve or hand_over")
    if not uses:
        return workflow
    raw = workflow.model_dump(by_alias=True, exclude_defaults=True, mode="json")
    for name, use in uses.items():
        part = parts.get(use.part)
        if part is None:
            raise WorkflowError(f"{file}: step {name}: there is no part {use.part!r} (workflows/{use.part}.yaml)")
        _put_in(raw, name, use, part, file)
    return _validate(Workflow, raw, file)


def _put_in(raw: dict[str, Any], name: str, use: PartStep, part: Part, file: str) -> None:
    """Replaces a step by the steps of its part, each under `<step>.<its name>`."""
    _check_use(name, use, part, file)
    ends = {step_id: use.ways[step.way] for step_id, step in part.steps.items() if isinstance(step, EndStep)}
    content = part.model_dump(by_alias=True, exclude_defaults=True, mode="json")
    for step_id, step in content["steps"].items():
        if step_id not in ends:
            _retarget(step, lambda target: ends.get(target, f"{name}.{target}"))
            _rescope(step, part.id)
            raw["steps"][f"{name}.{step_id}"] = step
    start = f"{name}.{part.start}"
    if use.with_:
        raw["steps"][name] = {"do": "set", "values": dict(use.with_), "next": start}
    else:
        del raw["steps"][name]
        raw["start"] = start if raw["start"] == name else raw["start"]
        for step in raw["steps"].values():
            _retarget(step, lambda target: start if target == name else target)
    raw.setdefault("slots", {}).update(content.get("slots", {}))
    raw.setdefault("parts", {})[name] = part.id


def _check_use(name: str, use: PartStep, part: Part, file: str) -> None:
    place = f"{file}: step {name}"
    ways = {step.way for step in part.steps.values() if isinstance(step, EndStep)}
    if ways != use.ways.keys():
        raise WorkflowError(f"{place}: ways has to name {', '.join(sorted(ways))}: how {part.id} ends")
    if set(part.takes) != use.with_.keys():
        raise WorkflowError(f"{place}: {part.id} takes {', '.join(part.takes) or 'nothing'} under `with`")


def _retarget(step: dict[str, Any], to: Callable[[str], str]) -> None:
    for key in _TARGETS:
        if key in step and isinstance(step[key], str):
            step[key] = to(step[key])
    for key in _LISTS:
        if key in step:
            step[key] = [to(target) for target in step[key]]
    for case in step.get("cases", ()):
        case["next"] = to(case["next"])
    if "ways" in step:
        step["ways"] = {way: to(target) for way, target in step["ways"].items()}


def _rescope(step: dict[str, Any], part_id: str) -> None:
    says = [step[key] for key in _SAYS if key in step]
    says += [option["say"] for option in step.get("options", ())]
    if "choices" in step:
        says.append(step["choices"]["label"])
    for say in says:
        if "." not in say["template"]:
            say["template"] = f"{part_id}.{say['template']}"
