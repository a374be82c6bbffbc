"""Parking: after a record of a key failed, the key's later records wait in the dead letters for their turn.

For topics where order matters and nobody waits. The letter that parks a key has number 0, those that follow unhandled
have the numbers after it. Letters come back in the order of their numbers; a number out of turn is not handled, and
with the last one the key is free again. Pure: what is known of a key stands in its table entry.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from keyflow.types import Headers, Processor

PARKED_NUMBER_HEADER: Final = "parked-number"
"""Header among those of a dead letter's record, and of the record on its way back: its number, ASCII."""

PARKED: Final = "parked"
"""Error class of a dead letter that was not handled, because its turn had not come."""


@dataclass(frozen=True, slots=True)
class Parked:
    """What is known of a parked key.

    Attributes:
        next: The number that is released next.
        last: The number that was given last.
    """

    next: int
    last: int


class Turn(Enum):
    """What happens with a record."""

    NOW = "now"
    WAITS = "waits"
    PAST = "past"


def turn(parked: Parked | None, number: int | None) -> Turn:
    """Whether it is a record's turn: to be handled, to (go back to) the dead letters, or handled before.

    Args:
        parked: What is known of its key; None when the key is not parked.
        number: The record's own, when it comes back from the dead letters; else None.
    """
    if number is None:
        return Turn.NOW if parked is None else Turn.WAITS
    if parked is None or number < parked.next:
        return Turn.PAST
    return Turn.NOW if number == parked.next else Turn.WAITS


def joined(parked: Parked | None) -> Parked:
    """One more record of the key became a dead letter; its number is `last`."""
    return Parked(0, 0) if parked is None else Parked(parked.next, parked.last + 1)


def released(parked: Parked | None) -> Parked | None:
    """The next number was handled; None: it was the last, the key is free."""
    return None if parked is None or parked.next >= parked.last else Parked(parked.next + 1, parked.last)


def reopened(parked: Parked | None) -> Parked:
    """What followed a record's effect failed after its decision had used its number up: `next` is its turn again."""
    return Parked(0, 0) if parked is None else Parked(max(parked.next - 1, 0), parked.last)


def number_in(headers: Headers) -> int | None:
    """The number that a record brings along; None when it has none that can be read."""
    for name, value in headers:
        if name == PARKED_NUMBER_HEADER and value.isdigit():
            return int(value)
    return None


def with_number(headers: Headers, number: int | None) -> Headers:
    """The headers with this number and no other: only the engine gives numbers."""
    kept = tuple(header for header in headers if header[0] != PARKED_NUMBER_HEADER)
    return kept if number is None else (*kept, (PARKED_NUMBER_HEADER, b"%d" % number))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a letter of a parked key stands.

    Attributes:
        lane: Processor and key.
        number: As it was given.
    """

    letter_id: str
    lane: Hashable
    number: int


def held_back(going: Iterable[str], unsent: Iterable[Place]) -> dict[str, list[Place]]:
    """Letters that would go before their turn, with those before them that neither went back nor go now.

    Args:
        going: Ids of the letters that are to go back.
        unsent: Every numbered letter that did not go back yet, those included.
    """
    wanted = set(going)
    lanes: dict[Hashable, list[Place]] = defaultdict(list)
    for place in unsent:
        lanes[place.lane].append(place)
    held: dict[str, list[Place]] = {}
    for lane in lanes.values():
        staying: list[Place] = []
        for place in sorted(lane, key=lambda place: place.number):
            before = [other for other in staying if other.number < place.number]
            if place.letter_id not in wanted:
                staying.append(place)
            elif before:
                held[place.letter_id] = before
    return held


def check(processor: Processor[Any]) -> None:
    """Refuses a processor that could park keys and never release them.

    Raises:
        ValueError: It has no table to note parked keys in, or nothing to read them back from.
    """
    if processor.parking and processor.state is None:
        raise ValueError(f"{processor.name}: parking needs a state table to note parked keys in: set Processor.state")
    if processor.parking and processor.redrive_topic is None:
        raise ValueError(
            f"{processor.name}: parking needs a topic from which records come back: set Processor.redrive_topic"
        )
