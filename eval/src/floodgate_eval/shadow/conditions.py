"""`--fail-if urgent_lost>0`: what makes a comparison fail, so that it can stand in a gate."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from keyflow import FatalError

_CONDITION: Final = re.compile(r"\s*([a-z_:]+?)\s*(>=|>)\s*([0-9]*\.?[0-9]+)\s*(%?)\s*")
_SHAPE: Final = "write urgent_lost>0, changed>5%, automated_gained>=10, unscreened_gained>1% or cost_ratio>1.2"
_COUNTS: Final = frozenset({"changed", "decided_otherwise", "failed", "cost_ratio"})
_DIRECTIONS: Final = frozenset({"lost", "gained"})


@dataclass(frozen=True, slots=True)
class Condition:
    """A figure that must not pass a bound.

    Attributes:
        percent: The bound is a share of the decisions.
    """

    text: str
    name: str
    or_equal: bool
    bound: float
    percent: bool

    def holds(self, found: Mapping[str, Any]) -> bool:
        """Whether the comparison fails by it."""
        value = _figure(self.name, found)
        bound = self.bound / 100 * found["n"] if self.percent else self.bound
        return value >= bound if self.or_equal else value > bound


def parse_condition(text: str, marks: Sequence[str]) -> Condition:
    """A condition as written on the command line.

    Args:
        text: As written.
        marks: What a service's decisions may be marked with.

    Raises:
        FatalError: It is none, or there is no such figure: a misspelt one would never hold.
    """
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise FatalError(f"--fail-if {text}: {_SHAPE}")
    name, sign, bound, percent = match.groups()
    mark, _, direction = name.rpartition("_")
    if not (direction in _DIRECTIONS and mark in marks) and name not in _COUNTS:
        raise FatalError(f"--fail-if {text}: there is no figure {name!r}; {_SHAPE}; marks are {', '.join(marks)}")
    return Condition(text.strip(), name, sign == ">=", float(bound), bool(percent))


def broken(conditions: Sequence[Condition], found: Mapping[str, Any]) -> list[str]:
    """Those that hold, as they were written."""
    return [one.text for one in conditions if one.holds(found)]


def _figure(name: str, found: Mapping[str, Any]) -> float:
    if name == "failed":
        return float(found["failed"]["after"])
    if name == "cost_ratio":
        before, after = found["cost_usd"]["before"], found["cost_usd"]["after"]
        return after / before if before else (float("inf") if after else 1.0)
    if name in found:
        return float(found[name])
    mark, _, direction = name.rpartition("_")
    # An action that nobody took was neither lost nor gained.
    return float(found["marks"].get(mark, {}).get(direction, 0))
