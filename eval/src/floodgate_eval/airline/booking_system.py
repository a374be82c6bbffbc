"""The declared backend over the airline in memory: what a workflow asks, and what it sees of the answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import yaml
from agent.domain.calls import CallOutcome, CallResult, CallSpec, project, read_calls

from floodgate_eval.airline.world import NOW, WRITES, Flight, Leg, Person, RefusedError, Trip, World, renamed

Arguments = Mapping[str, str | int]
Action = tuple[str, Mapping[str, Any]]
"""A change, as the public tasks write it."""


def read_backend(folder: Path) -> Mapping[str, CallSpec]:
    """The calls that the airline's declaration names."""
    return read_calls(yaml.safe_load((folder / "backend.yaml").read_text(encoding="utf-8")))


class BookingSystem:
    """Answers calls, and remembers every change that was made.

    Args:
        world: The user's airline; changes are made in it.
        calls: What is declared.
    """

    def __init__(self, world: World, calls: Mapping[str, CallSpec]) -> None:
        self._world = world
        self._calls = calls
        self.done: list[Action] = []

    def call(self, name: str, arguments: Arguments) -> CallResult:
        """One call, look-up or change."""
        try:
            if name in WRITES:
                action = _TRANSLATED[name](self._world, arguments)
                self._world.apply(name, action)
                self.done.append((name, action))
                return CallResult(CallOutcome.DONE, {"id": next(reversed(self._world.trips), "")})
            answer = _LOOK_UPS[name](self._world, arguments)
        except RefusedError as error:
            outcome = CallOutcome.REFUSED if name in WRITES else CallOutcome.NOT_FOUND
            return CallResult(outcome, code=error.code)
        return CallResult(CallOutcome.DONE, project(self._calls[name], answer))


# Looking


def _user(world: World, asked: Arguments) -> Mapping[str, Any]:
    people = (world.user, *world.people)
    return {
        "name": world.user.name,
        "membership": world.membership,
        "methods": [
            {"id": method.id, "kind": method.kind, "label": method.label, "balance_cents": (method.balance or 0) * 100}
            for method in world.methods.values()
            if method.balance != 0
        ],
        "people": _people(people),
        "gift_cards_cents": _held(world, "gift_card"),
        "certificates_cents": _held(world, "certificate"),
    }


def _held(world: World, kind: str) -> int:
    return 100 * sum(method.balance or 0 for method in world.methods.values() if method.kind == kind)


def _people(people: Sequence[Person]) -> list[Mapping[str, str]]:
    return [
        {"id": f"p{number}", "name": one.name, "details": f"{one.first_name}|{one.last_name}|{one.dob}"}
        for number, one in enumerate(people, start=1)
    ]


def _trips(world: World, asked: Arguments) -> Mapping[str, Any]:
    return {"trips": [_trip(world, trip) for trip in world.trips.values()]}


def _trip(world: World, trip: Trip) -> Mapping[str, Any]:
    flights = [world.flights[leg] for leg in trip.legs]
    outbound, inbound = flights[: trip.turn], flights[trip.turn :]
    days = {leg[1] for leg in trip.legs}
    others = {leg[1] for other in world.trips.values() if other is not trip for leg in other.legs}
    return {
        "id": trip.id,
        "route": ">".join([flights[0].origin, *(flight.destination for flight in flights)]),
        "day": flights[0].leg[1],
        "origin": flights[0].origin,
        "destination": outbound[-1].destination,
        "trip_type": "round_trip" if inbound else "one_way",
        "cabin": trip.cabin,
        "flights": _written(trip.legs),
        "outbound": _written(trip.legs[: trip.turn]),
        "inbound": _written(trip.legs[trip.turn :]),
        "passengers": _people(trip.passengers),
        "bags": trip.bags,
        "paid_bags": trip.paid_bags,
        "insured": trip.insured,
        "booked_at": trip.booked_at,
        "status": trip.status,
        "flown": trip.flown,
        "cancelled_by_airline": trip.cancelled_by_airline,
        "delayed": trip.delayed,
        "changed_today": trip.changed,
        "upcoming": flights[0].leaves.date() >= NOW.date(),
        "shares_a_day": bool(days & others),
        "longest_minutes": max(flight.minutes for flight in flights),
        "minutes": max(_minutes(way) for way in (outbound, inbound) if way),
        "price_cents": sum(trip.fares) * len(trip.passengers) * 100,
        "original_payment": trip.payment_id,
    }


def _minutes(way: Sequence[Flight]) -> int:
    return int((way[-1].arrives - way[0].leaves).total_seconds()) // 60


def _flights(world: World, asked: Arguments) -> Mapping[str, Any]:
    cabin, date = str(asked["cabin"]), str(asked["date"])[:10]
    ways = list(world.ways(str(asked["origin"]), str(asked["destination"]), date, cabin))
    if not ways:
        raise RefusedError("no_seats")
    options = [_option(way, cabin) for way in ways]
    first, second = ("minutes", "price_cents") if asked["order"] == "minutes" else ("price_cents", "minutes")
    return {"options": sorted(options, key=lambda option: (option[first], option[second], option["id"]))}


def _option(way: Sequence[Flight], cabin: str) -> Mapping[str, Any]:
    price = sum(flight.prices[cabin] for flight in way)
    stops = "nonstop" if len(way) == 1 else f"{len(way) - 1} stop"
    legs = _written([flight.leg for flight in way])
    return {
        "id": legs,
        "label": f"{legs}: {way[0].leaves:%H:%M} to {way[-1].arrives:%H:%M}, {stops}, USD {price}",
        "price_cents": price * 100,
        "minutes": _minutes(way),
        "stops": len(way) - 1,
        "leaves": f"{way[0].leaves:%H:%M}",
        "arrives": f"{way[-1].arrives:%H:%M}",
    }


def _quote(world: World, asked: Arguments) -> Mapping[str, Any]:
    trip = world.trips[str(asked["trip_id"])]
    difference = world.difference(trip, str(asked["cabin"]), _legs(asked["flights"])) * 100
    return {"extra_cents": max(difference, 0), "back_cents": max(-difference, 0)}


_LOOK_UPS: Final[Mapping[str, Callable[[World, Arguments], Mapping[str, Any]]]] = {
    "get_user": _user,
    "list_trips": _trips,
    "find_flights": _flights,
    "quote_change": _quote,
}


# Changes, in the words of the public tasks


def _written(legs: Sequence[Leg]) -> str:
    return ", ".join(f"{number} {date}" for number, date in legs)


def _legs(written: str | int) -> tuple[Leg, ...]:
    parts = (part.split() for part in str(written).split(", "))
    return tuple((number, date) for number, date in parts)


def _flights_asked(asked: Arguments) -> list[Mapping[str, str]]:
    return [{"flight_number": number, "date": date} for number, date in _legs(asked["flights"])]


def _cancel(world: World, asked: Arguments) -> Mapping[str, Any]:
    return {"reservation_id": asked["trip_id"]}


def _change_flights(world: World, asked: Arguments) -> Mapping[str, Any]:
    return {
        "reservation_id": asked["trip_id"],
        "cabin": asked["cabin"],
        "flights": _flights_asked(asked),
        "payment_id": asked["payment_id"],
    }


def _change_bags(world: World, asked: Arguments) -> Mapping[str, Any]:
    return {
        "reservation_id": asked["trip_id"],
        "total_baggages": int(asked["bags"]),
        "nonfree_baggages": int(asked["paid_bags"]),
        "payment_id": asked["payment_id"],
    }


def _change_passengers(world: World, asked: Arguments) -> Mapping[str, Any]:
    trip = world.trips[str(asked["trip_id"])]
    first_name, last_name, born = str(asked["becomes"]).split("|")
    passengers = [
        renamed(one, first_name, last_name, born[:10]) if shown["id"] == asked["passenger_id"] else one
        for one, shown in zip(trip.passengers, _people(trip.passengers), strict=True)
    ]
    return {"reservation_id": trip.id, "passengers": [vars(one) for one in passengers]}


def _book(world: World, asked: Arguments) -> Mapping[str, Any]:
    passengers = [part.split("|") for part in str(asked["passengers"]).rstrip(";").split(";")]
    payments = [part.split("=") for part in str(asked["payments"]).rstrip(";").split(";")]
    flights = [world.flights[leg] for leg in _legs(asked["flights"])]
    reached = next(flight.destination for flight in flights if flight.destination not in _between(flights))
    return {
        "user_id": world.user_id,
        "origin": flights[0].origin,
        "destination": reached,
        "flight_type": asked["trip_type"],
        "cabin": asked["cabin"],
        "flights": _flights_asked(asked),
        "passengers": [{"first_name": first, "last_name": last, "dob": born[:10]} for first, last, born in passengers],
        "payment_methods": [{"payment_id": method, "amount": int(cents) // 100} for method, cents in payments],
        "total_baggages": int(asked["bags"]),
        "nonfree_baggages": int(asked["paid_bags"]),
        "insurance": asked["insured"],
    }


def _between(flights: Sequence[Flight]) -> set[str]:
    """Airports where one only changes planes: the next flight leaves within a day."""
    return {
        one.destination
        for one, following in pairwise(flights)
        if (following.leaves - one.arrives).total_seconds() < 12 * 3600
    }


def _certificate(world: World, asked: Arguments) -> Mapping[str, Any]:
    return {"user_id": world.user_id, "amount": int(asked["amount_cents"]) // 100}


_TRANSLATED: Final[Mapping[str, Callable[[World, Arguments], Mapping[str, Any]]]] = {
    "cancel_reservation": _cancel,
    "update_reservation_flights": _change_flights,
    "update_reservation_baggages": _change_bags,
    "update_reservation_passengers": _change_passengers,
    "book_reservation": _book,
    "send_certificate": _certificate,
}
