"""An airline in memory: users, trips, flights, and the changes that its booking system makes. It checks no policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

NOW: Final = datetime.fromisoformat("2024-05-15T15:00:00-05:00")
"""The policy's "current time"."""

CITIES: Final[Mapping[str, frozenset[str]]] = {"NYC": frozenset({"JFK", "LGA", "EWR"})}
"""Codes of cities with several airports."""

BAG_PRICE: Final = 50
INSURANCE_PRICE: Final = 30

Leg = tuple[str, str]
"""Flight number and date."""


class RefusedError(Exception):
    """The booking system says no; with its word for it."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Flight:
    """One flight on one day; prices in whole dollars, moments local."""

    number: str
    origin: str
    destination: str
    leaves: datetime
    arrives: datetime
    prices: Mapping[str, int]
    seats: int = 9

    @property
    def leg(self) -> Leg:
        return self.number, self.leaves.date().isoformat()

    @property
    def minutes(self) -> int:
        return int((self.arrives - self.leaves).total_seconds()) // 60


@dataclass(frozen=True)
class Person:
    """Somebody who flies."""

    first_name: str
    last_name: str
    dob: str

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}"


@dataclass
class Method:
    """A way to pay; a credit card has no balance."""

    id: str
    kind: str
    balance: int | None
    label: str


@dataclass
class Trip:
    """A reservation. `fares` is what each leg cost a passenger."""

    id: str
    legs: tuple[Leg, ...]
    turn: int
    cabin: str
    passengers: tuple[Person, ...]
    payment_id: str
    fares: tuple[int, ...]
    bags: int = 0
    paid_bags: int = 0
    insured: bool = False
    booked_at: str = ""
    status: str = "booked"
    flown: bool = False
    cancelled_by_airline: bool = False
    delayed: bool = False
    changed: bool = False


@dataclass
class World:
    """One user's airline."""

    user_id: str
    user: Person
    membership: str
    methods: dict[str, Method]
    people: tuple[Person, ...]
    trips: dict[str, Trip]
    flights: dict[Leg, Flight]
    certificates_sent: list[int] = field(default_factory=list)

    # Looking

    def ways(self, origin: str, destination: str, date: str, cabin: str) -> Iterator[tuple[Flight, ...]]:
        """Every way on that day with at most one stop, seats in the cabin."""
        free = [flight for flight in self.flights.values() if flight.seats > 0 and cabin in flight.prices]
        starts = [flight for flight in free if _is_at(flight.origin, origin) and flight.leg[1] == date]
        for first in starts:
            if _is_at(first.destination, destination):
                yield (first,)
                continue
            for second in free:
                waits = second.leaves - first.arrives
                joins = second.origin == first.destination and timedelta(0) < waits < timedelta(hours=12)
                if joins and _is_at(second.destination, destination):
                    yield first, second

    def fares(self, trip: Trip, cabin: str, legs: Sequence[Leg]) -> tuple[int, ...]:
        """What each leg costs; a leg that is kept in its cabin keeps its price.

        Raises:
            RefusedError: There is no such flight with a free seat.
        """
        kept = dict(zip(trip.legs, trip.fares, strict=True)) if cabin == trip.cabin else {}
        return tuple(kept[leg] if leg in kept else self._fare(leg, cabin) for leg in legs)

    def _fare(self, leg: Leg, cabin: str) -> int:
        flight = self.flights.get(leg)
        if flight is None or flight.seats <= 0 or cabin not in flight.prices:
            raise RefusedError("no_seats")
        return flight.prices[cabin]

    def difference(self, trip: Trip, cabin: str, legs: Sequence[Leg]) -> int:
        """What a change costs all passengers; below zero: what they get back."""
        return (sum(self.fares(trip, cabin, legs)) - sum(trip.fares)) * len(trip.passengers)

    # Changing: the calls and arguments that the public tasks use

    def apply(self, name: str, arguments: Mapping[str, Any]) -> None:
        """Makes a change; a call that changes nothing is passed over.

        Raises:
            RefusedError: The booking system says no.
        """
        change = _CHANGES.get(name)
        if change is not None:
            change(self, arguments)

    def _cancel(self, asked: Mapping[str, Any]) -> None:
        trip = self.trips[asked["reservation_id"]]
        if trip.status == "cancelled":
            raise RefusedError("already_cancelled")
        trip.status = "cancelled"

    def _change_flights(self, asked: Mapping[str, Any]) -> None:
        trip = self.trips[asked["reservation_id"]]
        legs = tuple((flight["flight_number"], flight["date"]) for flight in asked["flights"])
        fares = self.fares(trip, asked["cabin"], legs)
        self._charge(asked["payment_id"], self.difference(trip, asked["cabin"], legs))
        outbound = trip.legs[: trip.turn]
        # The way out may have become longer or shorter: it ends where its destination is reached.
        trip.turn = next((at for at in range(1, len(legs) + 1) if self._ends_like(legs[:at], outbound)), len(legs))
        trip.legs, trip.fares, trip.cabin, trip.changed = legs, fares, asked["cabin"], True

    def _ends_like(self, legs: Sequence[Leg], other: Sequence[Leg]) -> bool:
        return self.flights[legs[-1]].destination == self.flights[other[-1]].destination

    def _change_bags(self, asked: Mapping[str, Any]) -> None:
        trip = self.trips[asked["reservation_id"]]
        more = int(asked["nonfree_baggages"]) - trip.paid_bags
        self._charge(asked["payment_id"], max(more, 0) * BAG_PRICE)
        trip.bags, trip.paid_bags = int(asked["total_baggages"]), int(asked["nonfree_baggages"])

    def _change_passengers(self, asked: Mapping[str, Any]) -> None:
        trip = self.trips[asked["reservation_id"]]
        if len(asked["passengers"]) != len(trip.passengers):
            raise RefusedError("no_such_passenger")
        trip.passengers = tuple(Person(**passenger) for passenger in asked["passengers"])

    def _book(self, asked: Mapping[str, Any]) -> None:
        legs = tuple((flight["flight_number"], flight["date"]) for flight in asked["flights"])
        fares = tuple(self._fare(leg, asked["cabin"]) for leg in legs)
        for payment in asked["payment_methods"]:
            self._charge(payment["payment_id"], int(payment["amount"]), whole=True)
        turn = next(
            (n for n in range(1, len(legs) + 1) if self.flights[legs[n - 1]].destination == asked["destination"]),
            len(legs),
        )
        made = f"NEW{len(self.trips):03d}"
        self.trips[made] = Trip(
            id=made,
            legs=legs,
            turn=turn,
            cabin=asked["cabin"],
            passengers=tuple(Person(**passenger) for passenger in asked["passengers"]),
            payment_id=asked["payment_methods"][0]["payment_id"],
            fares=fares,
            bags=int(asked["total_baggages"]),
            paid_bags=int(asked["nonfree_baggages"]),
            insured=asked["insurance"] == "yes",
            booked_at=NOW.isoformat(),
        )

    def _send_certificate(self, asked: Mapping[str, Any]) -> None:
        self.certificates_sent.append(int(asked["amount"]))

    def _charge(self, payment_id: str, amount: int, *, whole: bool = False) -> None:
        """Takes from a balance or gives back to it. What is left of a certificate is lost."""
        method = self.methods.get(payment_id)
        if method is None:
            raise RefusedError("no_such_method")
        if method.balance is None:
            return
        if amount > method.balance:
            raise RefusedError("not_enough_balance")
        method.balance = 0 if whole and method.kind == "certificate" else method.balance - amount


def _is_at(airport: str, asked: str) -> bool:
    return airport in CITIES.get(asked, frozenset({asked}))


_CHANGES: Final[Mapping[str, Callable[[World, Mapping[str, Any]], None]]] = {
    "cancel_reservation": World._cancel,
    "update_reservation_flights": World._change_flights,
    "update_reservation_baggages": World._change_bags,
    "update_reservation_passengers": World._change_passengers,
    "book_reservation": World._book,
    "send_certificate": World._send_certificate,
}
WRITES: Final = frozenset(_CHANGES)


def renamed(person: Person, first_name: str, last_name: str, dob: str) -> Person:
    """The person under another name; without a date of birth the old one stays."""
    return replace(person, first_name=first_name, last_name=last_name, dob=dob or person.dob)
