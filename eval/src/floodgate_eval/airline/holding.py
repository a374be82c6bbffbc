"""Holds the workflows against the tasks: what is expected, what was done, and the same again."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from agent.domain.library import Library
from floodgate.catalogue import load_catalogue

from floodgate_eval.airline.booking_system import Action, BookingSystem, read_backend
from floodgate_eval.airline.building import Builder
from floodgate_eval.airline.reading import Goal, Reading, Task
from floodgate_eval.airline.talking import Conversation, Told, User
from floodgate_eval.airline.world import WRITES, RefusedError, World

REPEATS: Final = 4
_TRANSFER: Final = "transfer_to_human_agents"
_LISTED: Final = re.compile(r"'([^']+)'")
_OPENING: Final = "Hello, I need help with a trip"


@dataclass(frozen=True)
class Held:
    """What came of one task.

    Attributes:
        reached: The expected changes, those alone, and a human where one is expected; the same state afterwards.
        same: How many of the repetitions gave the same actions and replies as the first.
        note: What the language cannot express here.
    """

    task: str
    reached: bool
    same: int
    expected: tuple[str, ...]
    done: tuple[str, ...]
    why: str
    note: str
    lines: tuple[str, ...]


def open_library(folder: Path) -> Library:
    """The airline's catalogue, checked.

    Raises:
        WorkflowError: A workflow breaks a rule.
        CatalogueError: The catalogue cannot be read.
    """
    return Library(load_catalogue(folder / "catalogue"), read_backend(folder))


def hold(library: Library, task: Task, reading: Reading, repeats: int = REPEATS) -> Held:
    """One task, so many times."""
    runs = [_Run(library, task, reading) for _ in range(repeats)]
    first = runs[0]
    expected = [(name, arguments) for name, arguments in task.actions if name in WRITES]
    why = first.fault(expected, any(name == _TRANSFER for name, _ in task.actions))
    return Held(
        task=task.id,
        reached=not why,
        same=sum(run.traits() == first.traits() for run in runs),
        expected=tuple(map(_short, expected)),
        done=tuple(map(_short, first.system.done)),
        why=why,
        note=reading.note,
        lines=tuple(line for told in first.told for line in (f"-- {told.workflow}", *told.lines)),
    )


class _Run:
    """The user's conversations of one task, one after the other, in a fresh world."""

    def __init__(self, library: Library, task: Task, reading: Reading) -> None:
        self._library = library
        self._task = task
        self._builder = Builder(task, reading)
        self.world: World = self._builder.world()
        self.system = BookingSystem(self.world, library.calls)
        self.told: list[Told] = []
        for goal in reading.goals:
            if self._is_over():
                break
            if goal.when == "always" or (goal.when == "done") == self.told[-1].done:
                self._pursue(goal)

    def _is_over(self) -> bool:
        """A human has it now, or the user does not know what to say."""
        return bool(self.told) and (self.told[-1].handed_over or bool(self.told[-1].stuck))

    def _pursue(self, goal: Goal) -> None:
        if goal.do == "person":
            self._talk(Goal(do="my_trips"), opening="I want to speak to a human")
            return
        trips = self._listed(goal) if goal.each else [""]
        for trip in trips:
            if not self._is_over():
                self._talk(goal, trip)

    def _talk(self, goal: Goal, trip: str = "", opening: str = _OPENING) -> None:
        user = User(self._task, goal, self.world, trip)
        self.told.append(Conversation(self._library, self.system, user).hold(goal.do, opening))

    def _listed(self, goal: Goal) -> list[str]:
        """The trips of the last list, the unwanted left out."""
        lists = [told.last for told in self.told if told.workflow == "my_trips"]
        listed = _LISTED.findall(lists[-1]) if lists else []
        return [line.split()[0] for line in listed if not any(part in line for part in goal.but)]

    def fault(self, expected: Sequence[Action], transfer: bool) -> str:
        """Why the task was not reached; empty when it was."""
        if self.told and self.told[-1].stuck:
            return self.told[-1].stuck
        if transfer and not any(told.handed_over for told in self.told):
            return "no human has it"
        wanted = self._builder.world()
        try:
            for name, arguments in expected:
                wanted.apply(name, arguments)
        except RefusedError as error:
            return f"the expected actions are refused in this world: {error.code}"
        if sorted(map(_canonical, expected)) != sorted(map(_canonical, self.system.done)):
            return "other actions"
        return "" if _state(wanted) == _state(self.world) else "another state of the airline"

    def traits(self) -> Any:
        """Everything that has to be the same again."""
        return [list(self.system.done), [asdict(told) for told in self.told], _state(self.world)]


def _canonical(action: Action) -> str:
    return json.dumps(action, sort_keys=True)


def _state(world: World) -> Mapping[str, Any]:
    return {
        "methods": {name: method.balance for name, method in world.methods.items()},
        "trips": sorted(json.dumps({**asdict(trip), "id": ""}, sort_keys=True) for trip in world.trips.values()),
        "certificates": sorted(world.certificates_sent),
    }


def _short(action: Action) -> str:
    name, arguments = action
    return f"{name} {arguments.get('reservation_id', '')}".rstrip()
