"""A user who holds the facts of a task, talking to the workflows. Nothing is left to chance."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from agent.domain import interpreter
from agent.domain.calls import CallResult
from agent.domain.exchange import (
    AwaitUser,
    HandedOver,
    ModelReading,
    NeedAct,
    NeedAnswer,
    NeedLookUp,
    NeedReading,
    Transition,
    UserTurn,
)
from agent.domain.library import Library
from agent.talking import context_of, event_after

from floodgate_eval.airline.booking_system import BookingSystem
from floodgate_eval.airline.reading import Goal, Task
from floodgate_eval.airline.world import NOW, World

_MAX_EVENTS: Final = 200
_PAY: Final = re.compile(r"USD([\d,]+)\.\d\d")
_OPTION: Final = re.compile(r": (?P<leaves>\d\d:\d\d) to (?P<arrives>\d\d:\d\d), (?P<stops>\w+)\b.*USD (?P<price>\d+)")


@dataclass(slots=True)
class Told:
    """What came of one conversation."""

    workflow: str
    done: bool = False
    handed_over: bool = False
    stuck: str = ""
    last: str = ""
    lines: list[str] = field(default_factory=list)


class User:
    """Answers the questions of one conversation from what they know.

    Args:
        task: Where the words come from: only what the user was told.
        goal: What they want now.
        world: Their own trips and cards, as far as a person knows them.
        trip: The trip of this conversation, when the goal is for each of several.
    """

    def __init__(self, task: Task, goal: Goal, world: World, trip: str = "") -> None:
        self._task = task
        self._goal = goal
        self._world = world
        self._trip = trip
        self._left = {slot: list(answer) for slot, answer in goal.answers.items() if isinstance(answer, list)}

    def answer(self, need: AwaitUser, said: str, buttons: Mapping[str, str]) -> UserTurn | None:
        """What they write or press; None: they do not know what to say."""
        if need.slot == self._goal.stop_at:
            return UserTurn("never mind")
        if need.slot == "confirmation":
            return UserTurn("", option_value="yes" if self._agrees(said) else "no")
        known = self._known(need.slot)
        if known is None:
            return None
        if not buttons:
            return UserTurn(self._text(str(known)))
        pressed = self._pressed(known, buttons, said)
        return UserTurn("never mind") if pressed is None else UserTurn("", option_value=pressed)

    def _known(self, slot: str) -> Any:
        if slot == "trip_id" and self._trip:
            return self._trip
        if slot in self._left:
            return self._left[slot].pop(0) if self._left[slot] else None
        return self._goal.answers.get(slot)

    def _agrees(self, said: str) -> bool:
        """To what is dearer than they want they say no."""
        paid = _PAY.search(said)
        if self._goal.at_most is None or paid is None or "get back" in said:
            return True
        return int(paid[1].replace(",", "")) <= self._goal.at_most

    def _text(self, known: str) -> str:
        """`find:` and a pattern: the words stand in the task."""
        if not known.startswith("find:"):
            return known
        found = re.search(known.removeprefix("find:"), self._task.text)
        return found[1] if found else ""

    def _pressed(self, known: Any, buttons: Mapping[str, str], said: str) -> str | None:
        if isinstance(known, Mapping):
            return self._flight(known, buttons) if "rank" in known else self._by_amount(known, buttons, said)
        words = self._text(str(known))
        special = {"original": self._original, "as booked": self._as_booked}.get(words)
        if special is not None:
            return special(buttons)
        if words.startswith("$"):
            words = self._written_trip(words)
        return words if words in buttons else self._by_label(words, buttons)

    def _written_trip(self, place: str) -> str:
        """What stands for `$1`: the first reservation number that they know."""
        written, number = self._task.written_trips, int(place[1:]) - 1
        return written[number] if number < len(written) else place

    def _by_label(self, words: str, buttons: Mapping[str, str]) -> str | None:
        """The first button with these words on it; of "last ~…" the last."""
        part = words.removeprefix("last ").removeprefix("~").replace("ENDING", self._task.card_ending or "0000")
        fitting = [value for value, label in buttons.items() if part in label]
        if not fitting:
            return None
        return fitting[-1] if words.startswith("last ") else fitting[0]

    def _by_amount(self, known: Mapping[str, Any], buttons: Mapping[str, str], said: str) -> str | None:
        """{above: 400, then: …, else: …}: another way to pay when more is to be paid."""
        paid = _PAY.search(said)
        dear = paid is not None and int(paid[1].replace(",", "")) > int(known["above"])
        return self._pressed(known["then"] if dear else known["else"], buttons, said)

    def _original(self, buttons: Mapping[str, str]) -> str | None:
        """How the trip of this conversation was paid: they have the receipt."""
        asked = self._trip or str(self._goal.answers.get("trip_id", ""))
        trip_id = self._written_trip(asked) if asked.startswith("$") else asked
        trips = [self._world.trips[trip_id]] if trip_id in self._world.trips else list(self._world.trips.values())
        return next((trip.payment_id for trip in trips if trip.payment_id in buttons), None)

    def _as_booked(self, buttons: Mapping[str, str]) -> str | None:
        """The flight numbers of their own trip, on another day perhaps."""
        for trip in self._world.trips.values():
            numbers = [number for number, _ in trip.legs]
            for value in buttons:
                if [part.split()[0] for part in value.split(", ")] == numbers:
                    return value
        return None

    def _flight(self, wish: Mapping[str, Any], buttons: Mapping[str, str]) -> str | None:
        """{rank: 1, nonstop: true, after: "11:00", …}: the first of those listed that fits, or the second."""
        fitting = []
        for value, label in buttons.items():
            option = _OPTION.search(label)
            if option is None:
                continue
            fits = not wish.get("nonstop") or option["stops"] == "nonstop"
            fits &= str(wish.get("after", "00:00")) <= option["leaves"] <= str(wish.get("before", "23:59"))
            fits &= option["arrives"] <= str(wish.get("arrives_by", "23:59"))
            fitting += [value] if fits else []
        rank = int(wish["rank"])
        return fitting[rank - 1] if len(fitting) >= rank else None


class Conversation:
    """One workflow, from its first message to its end."""

    def __init__(self, library: Library, system: BookingSystem, user: User) -> None:
        self._library = library
        self._system = system
        self._user = user

    def hold(self, workflow: str, opening: str) -> Told:
        """Talks until it ends."""
        self._told = Told(workflow)
        context = context_of(self._library, self._library.workflows[workflow], "en", NOW, opening)
        before = len(self._system.done)
        transition = interpreter.begin(context, opening)
        for _ in range(_MAX_EVENTS):
            if said := self._said(transition):
                self._told.last = said
                self._told.lines.append(f"agent: {said}")
            event = event_after(transition, self)
            if event is None:
                break
            transition = interpreter.advance(context, transition.run, event)
        else:
            self._told.stuck = "no end"
        self._told.done = len(self._system.done) > before
        self._told.handed_over = isinstance(transition.need, HandedOver)
        return self._told

    def _said(self, transition: Transition) -> str:
        return " ".join(self._library.render(one, "en") for one in transition.says)

    def turn(self, need: AwaitUser, transition: Transition) -> UserTurn | None:
        """What the user does."""
        awaited = transition.run.awaited
        buttons = dict(zip(awaited.values, awaited.labels, strict=True)) if awaited else {}
        turn = self._user.answer(need, self._said(transition), buttons)
        if turn is None:
            self._told.stuck = f"the user cannot answer {need.slot}"
        self._told.lines.append(f"user: {turn.option_value or turn.text}" if turn else "user: (cannot answer)")
        return turn

    def reading(self, need: NeedReading) -> ModelReading:
        """Nothing: no model is asked."""
        return ModelReading(text=need.text)

    def knowledge(self, need: NeedAnswer) -> str | None:
        """Nothing: the airline has no articles."""
        return None

    def call(self, need: NeedLookUp | NeedAct) -> CallResult:
        """What the booking system answers."""
        result = self._system.call(need.call, need.arguments)
        self._told.lines.append(f"{need.call}: {result.outcome} {result.code}".rstrip())
        return result
