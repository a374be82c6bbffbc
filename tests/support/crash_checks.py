"""What must hold in the lab, whatever went wrong."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from support.crash_counting import FACT
from support.crash_lab import REDRIVEN, Lab
from support.crash_topics import DEAD, OUT


@dataclass
class Expected:
    """What the inputs lead to, by key; worked out by the plainest means."""

    outputs: dict[str, list[Any]] = field(default_factory=dict)
    letters: list[tuple[str, Any]] = field(default_factory=list)
    states: dict[str, int] = field(default_factory=dict)
    actions: set[str] = field(default_factory=set)


def expected(lab: Lab) -> Expected:
    """Handles all inputs in the order in which they were written."""
    found = Expected()
    parked: dict[str, int] = {}
    for (partition, offset), key, data in lab.inputs:
        outputs = found.outputs.setdefault(key, [])
        place = {"partition": partition, "offset": offset}
        number = parked.get(key)
        if number is not None and (partition, offset) != REDRIVEN:
            parked[key] = number + 1
            found.letters.append((key, {**place, "number": number + 1, "value": json.loads(data)}))
            continue
        try:
            asked = json.loads(data)
        except ValueError:
            asked = {"poison": True}
        if "poison" in asked:
            if lab.parking:
                parked[key] = 0
                place |= {"number": 0, "value": asked}
            found.letters.append((key, place))
            outputs.append({"escalated": offset})
            continue
        count = found.states.get(key, 0) + 1
        outputs.append({"n": asked["n"], "count": count})
        found.states[key] = count
        if "forget" in asked:
            del found.states[key]
        if "outside" in asked:
            status = "refused" if asked["outside"] == "refuses" else "done"
            outputs.append({"effect": f"act-{asked['n']}", "status": status})
            if status == "done":
                found.actions.add(f"act-{asked['n']}")
    return found


def committed_so_far(lab: Lab) -> dict[str, list[Any]]:
    """The outputs by key.

    Raises:
        AssertionError: One is doubled or out of order, or there is an effect's result without the effect.
    """
    found: dict[str, list[Any]] = {}
    facts: dict[str, list[int]] = {}
    for key, value in lab.committed(OUT):
        if "fact" in value:
            facts.setdefault(key, []).append(value["fact"])
            continue
        known = value.pop("facts", None)
        assert known is None or known >= lab.known[value["n"]], f"{key} {value} knows {known} facts only"
        found.setdefault(key, []).append(value)
    for key, told in facts.items():
        assert told == lab.facts[key][: len(told)], f"facts of {key}: {told}, not {lab.facts[key]}"
    outputs = expected(lab).outputs
    for key, values in found.items():
        assert values == outputs.get(key, [])[: len(values)], f"outputs of {key}: {values}, not {outputs.get(key)}"
    return found


def verify(lab: Lab) -> None:
    """Every input led to its outcome exactly once, in order per key, and everything that is kept agrees."""
    wanted, found = expected(lab), committed_so_far(lab)
    for key, values in wanted.outputs.items():
        assert found.get(key) == values, f"outputs of {key}: {found.get(key)}, not {values}"
    assert sorted(lab.committed(DEAD), key=str) == sorted(wanted.letters, key=str)
    assert set(lab.outside.done) == wanted.actions
    for key, told in lab.facts.items():
        wanted.states[key] = wanted.states.get(key, 0) + len(told) * FACT
    kept = {key: int(entry.state) for key, entry in lab.folded().items() if entry.state is not None}
    assert kept == wanted.states, f"state {kept}, not {wanted.states}"
    assert not any(entry.effect for entry in lab.folded().values())
    assert not lab.loop.unhandled, lab.loop.unhandled
