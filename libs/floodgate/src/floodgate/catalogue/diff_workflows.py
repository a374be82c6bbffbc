"""What changes in a workflow, as far as its raw YAML tells: the agent alone gives it a meaning. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

_ACT: Final = "act"
_LIMIT: Final = "max_amount_cents"
_CONFIRMED: Final = "confirmed_by"
_OTHER_MEMBERS: Final = frozenset({"id", "steps", "version"})

Told = tuple[str, str]
"""What is different, and why somebody should look twice (empty where nobody has to)."""


def workflow_changes(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> Iterator[Told]:
    """Every change of a workflow; None: it is not there."""
    if new is None:
        yield "removed", "conversations that are in it go to a person"
        return
    if old is None:
        calls = sorted({str(step.get("call")) for step in _steps(new).values() if _acts(step)})
        care = f"it acts: {', '.join(calls)}" if calls else ""
        yield f"added with {len(_steps(new))} steps", care
        return
    if old == new:
        return
    version = f"version {old.get('version')} → {new.get('version')}"
    if old.get("version") == new.get("version"):
        version = f"changed without a new version number ({new.get('version')})"
    yield version, "conversations that are in it go to a person"
    for name in sorted((old.keys() | new.keys()) - _OTHER_MEMBERS):
        if old.get(name) != new.get(name):
            yield f"{name} changed", ""
    yield from _step_changes(_steps(old), _steps(new))


def _step_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Told]:
    for name in sorted(old.keys() - new.keys()):
        yield f"step {name} removed", "an action is not done any more" if _acts(old[name]) else ""
    for name in sorted(new.keys() - old.keys()):
        yield f"step {name} added", _action(new[name])
    for name in sorted(old.keys() & new.keys()):
        if old[name] != new[name]:
            yield f"step {name} changed{_members(old[name], new[name])}", _step_care(old[name], new[name])


def _members(old: Any, new: Any) -> str:
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return ""
    told = []
    for name in sorted(map(str, old.keys() | new.keys())):
        was, now = old.get(name), new.get(name)
        if was != now:
            plain = all(value is None or isinstance(value, str | int | float) for value in (was, now))
            told.append(f"{name} {_plain(was)} → {_plain(now)}" if plain else name)
    return f": {', '.join(told)}"


def _plain(value: Any) -> str:
    return "none" if value is None else str(value)


def _step_care(old: Any, new: Any) -> str:
    if not _acts(new):
        return ""
    if not _acts(old) or old.get("call") != new.get("call"):
        return _action(new)
    was, now = old.get(_LIMIT), new.get(_LIMIT)
    lower = isinstance(was, int) and isinstance(now, int) and now < was
    reasons = {
        "no limit in money": was is not None and now is None,
        "another limit in money": now is not None and was != now and not lower,
        "it is confirmed less often": set(_listed(old.get(_CONFIRMED))) > set(_listed(new.get(_CONFIRMED))),
        "it is called with other values": old.get("with") != new.get("with"),
    }
    told = [reason for reason, holds in reasons.items() if holds]
    return f"{new.get('call')}: {', '.join(told)}" if told else ""


def _action(step: Any) -> str:
    if not _acts(step):
        return ""
    limit = f", up to {step[_LIMIT] / 100:.2f}" if isinstance(step.get(_LIMIT), int) else ""
    return f"it acts: {step.get('call')}{limit}"


def _acts(step: Any) -> bool:
    return isinstance(step, Mapping) and step.get("do") == _ACT


def _listed(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else [str(value)] if value else []


def _steps(workflow: Mapping[str, Any]) -> Mapping[str, Any]:
    steps = workflow.get("steps")
    return steps if isinstance(steps, Mapping) else {}
