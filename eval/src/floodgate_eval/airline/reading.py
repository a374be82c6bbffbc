"""A task of the public set, and what our reading of it adds: the circumstances, and what the user does.

The set has no database, so each reading tells the circumstances in which its user calls. Names, numbers and prices that
a database would have are taken from the task when it runs; none of them stands in this repository.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

_TRIP: Final = re.compile(r"\b(?!HAT\d{3}\b)(?=[A-Z0-9]{6}\b)(?:[A-Z0-9]*\d[A-Z0-9]*|[A-Z]{6})\b")
_USER: Final = re.compile(r"\b([a-z]+)_([a-z]+)_\d{4}\b")
_ENDING: Final = re.compile(r"\b(?:ending in|your) (\d{4})\b")
_SHOUTED: Final = frozenset({"ALWAYS", "SHOULD", "CANNOT"})


class ReadingError(ValueError):
    """A task or a reading that cannot be used; names the file and the task."""


class _Model(BaseModel):
    """Unknown members are refused so that a typing error is found at once."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Circumstance(_Model):
    """A reservation as the airline has it.

    Attributes:
        ways: One or two, each "JFK>ATL>MCO 05-22" or with hours "… 05-22 10-13+14-16".
        numbers: "taken": the flight numbers are those of the trip's first change in the task; else invented.
        take: Which of those numbers, when not all of them from the first on; -1: an invented one.
        passengers: "me", "other", or "wrong name": the person whom the task renames.
        paid_with: Place of the method in the user's list.
    """

    ways: tuple[str, ...]
    numbers: Literal["taken", "invented"] = "invented"
    take: tuple[int, ...] = ()
    cabin: Literal["basic_economy", "economy", "business"] = "economy"
    fare: int = 120
    passengers: tuple[str, ...] = ("me",)
    paid_with: int = 0
    bags: int = 0
    insured: bool = False
    booked_hours_ago: int = 200
    flown: bool = False
    delayed: bool = False
    cancelled_by_airline: bool = False
    prices: dict[str, int] = {}


class Offer(_Model):
    """A way that can be flown, for sale.

    Attributes:
        take: Places of its flight numbers in the task's first booking or change; without: invented.
        prices: Of the whole way, by cabin; "taken": what the task's first booking comes to.
    """

    way: str
    take: tuple[int, ...] = ()
    prices: dict[str, int | Literal["taken"]]
    seats: int = 9


class Goal(_Model):
    """One thing that the user turns to the airline for.

    Attributes:
        do: The workflow; "person" asks for a human.
        when: Only if the goal before ended so.
        each: Once for each trip that the last list showed.
        but: Trips of the list to leave out: those whose line has one of these in it.
        answers: By slot; a list is used up, one answer a question.
        at_most: The most dollars that the user agrees to pay.
        stop_at: The slot at whose question the user stops.
    """

    do: str
    when: Literal["always", "done", "not done"] = "always"
    each: bool = False
    but: tuple[str, ...] = ()
    answers: dict[str, Any] = {}
    at_most: int | None = None
    stop_at: str = ""


class Reading(_Model):
    """What one task means."""

    membership: Literal["regular", "silver", "gold"] = "regular"
    methods: tuple[str, ...] = Field(default=("credit_card",), description='"credit_card", "gift_card 200" and so on.')
    saved_people: bool = Field(default=True, description="Whether those who fly with them are in the profile.")
    trips: tuple[Circumstance, ...] = ()
    offers: tuple[Offer, ...] = ()
    goals: tuple[Goal, ...] = Field(min_length=1)
    note: str = Field(default="", description="What the language cannot express here.")


@dataclass(frozen=True)
class Task:
    """One task as the file has it. `actions` is what is expected; the user never sees it."""

    id: str
    text: str
    actions: tuple[tuple[str, Mapping[str, Any]], ...]

    @property
    def user(self) -> tuple[str, str, str]:
        """Id, first name and last name."""
        found = _USER.search(self.text)
        if found is None:
            raise ReadingError(f"task {self.id}: it names no user id")
        return found[0], found[1].capitalize(), found[2].capitalize()

    @property
    def written_trips(self) -> list[str]:
        """Reservation numbers that the user knows."""
        return list(dict.fromkeys(found for found in _TRIP.findall(self.text) if found not in _SHOUTED))

    @property
    def trip_ids(self) -> list[str]:
        """All that occur: those that the user knows first."""
        asked = (str(arguments["reservation_id"]) for _, arguments in self.actions if "reservation_id" in arguments)
        return list(dict.fromkeys([*self.written_trips, *asked]))

    @property
    def card_ending(self) -> str:
        """The four digits by which the user names their card."""
        found = _ENDING.search(self.text)
        return found[1] if found else ""

    def changes(self, name: str) -> list[Mapping[str, Any]]:
        """The arguments of the expected calls of a name."""
        return [arguments for called, arguments in self.actions if called == name]

    def payment_ids(self) -> Iterator[str]:
        """The ids of the user's ways to pay that occur."""
        for _, arguments in self.actions:
            if "payment_id" in arguments:
                yield str(arguments["payment_id"])
            yield from (str(payment["payment_id"]) for payment in arguments.get("payment_methods", ()))


def read_tasks(path: Path) -> dict[str, Task]:
    """The tasks of a JSON Lines file.

    Raises:
        ReadingError: It cannot be read; names the line.
    """
    found = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ReadingError(f"{path}: {error.strerror}") from error
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            text = "\n".join((row["reason_for_call"], row["task_instructions"], row["known_info"]))
            actions = tuple((action["name"], action["arguments"]) for action in row["actions"])
            found[str(row["id"])] = Task(str(row["id"]), text, actions)
        except (ValueError, KeyError, TypeError) as error:
            raise ReadingError(f"{path}:{number}: no task of the set: {error!r}") from error
    return found


def read_readings(path: Path) -> dict[str, Reading]:
    """Our readings, by task.

    Raises:
        ReadingError: The file cannot be used; names the task.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ReadingError(f"{path}: {error}") from error
    found = {}
    for key, written in raw.items():
        try:
            found[str(key)] = Reading.model_validate(written)
        except ValidationError as error:
            faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
            raise ReadingError(f"{path}: task {key}: {faults}") from error
    return found
