"""Puts up the airline of one task: what its reading says, with the names and numbers of the task itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count, pairwise
from typing import Any, Final

from floodgate_eval.airline.reading import Circumstance, Offer, Reading, ReadingError, Task
from floodgate_eval.airline.world import BAG_PRICE, INSURANCE_PRICE, NOW, Flight, Method, Person, Trip, World

_WAY: Final = re.compile(r"(?P<route>[A-Z]{3}(?:>[A-Z]{3})+) (?P<day>\d\d-\d\d)(?: (?P<hours>[\d.+-]+))?")
_CABINS: Final = {"basic_economy": 1.0, "economy": 1.0, "business": 3.0}
_RENAMED: Final = re.compile(r"\bfrom ([A-Z]\w+) ([A-Z]\w+) to [A-Z]\w+ [A-Z]\w+")
_BORN: Final = "1980-01-01"


class Builder:
    """Makes the same world again and again.

    Args:
        task: Where names and numbers come from.
        reading: The circumstances.
    """

    def __init__(self, task: Task, reading: Reading) -> None:
        self._task = task
        self._reading = reading

    def world(self) -> World:
        """A fresh one."""
        self._invented = count(901)
        self._flights: dict[tuple[str, str], Flight] = {}
        user_id, first_name, last_name = self._task.user
        known = {(one.first_name, one.last_name): one for one in self._people_of_the_task()}
        me = known.pop((first_name, last_name), Person(first_name, last_name, _BORN))
        self._me, self._others = me, tuple(known.values())
        methods = {method.id: method for method in self._methods()}
        trips = {trip.id: trip for trip in self._trips(list(methods))}
        for offer in self._reading.offers:
            self._put_on_sale(offer)
        people = self._others if self._reading.saved_people else ()
        return World(user_id, me, self._reading.membership, methods, people, trips, self._flights)

    def _people_of_the_task(self) -> Iterator[Person]:
        for _, arguments in self._task.actions:
            for passenger in arguments.get("passengers", ()):
                yield Person(**passenger)

    def _methods(self) -> Iterator[Method]:
        taken = list(dict.fromkeys(self._task.payment_ids()))
        for number, written in enumerate(self._reading.methods):
            kind, _, balance = written.partition(" ")
            method_id = next((one for one in taken if one.startswith(kind)), f"{kind}_invented_{number}")
            if method_id in taken:
                taken.remove(method_id)
            ending = self._task.card_ending or "0000"
            label = f"credit card ending in {ending}" if kind == "credit_card" else f"{kind} {method_id} with {written}"
            yield Method(method_id, kind, int(balance) if balance else None, label)
        if taken:
            raise ReadingError(f"task {self._task.id}: its reading names too few ways to pay")

    def _trips(self, methods: Sequence[str]) -> Iterator[Trip]:
        ids = self._task.trip_ids
        for number, told in enumerate(self._reading.trips):
            trip_id = ids[number] if number < len(ids) else f"OWN{number:03d}"
            yield self._trip(trip_id, told, methods)

    def _trip(self, trip_id: str, told: Circumstance, methods: Sequence[str]) -> Trip:
        numbers = iter(self._taken_numbers(trip_id, told))
        ways = [list(self._way(way, numbers, self._prices(told))) for way in told.ways]
        legs = tuple(flight.leg for way in ways for flight in way)
        return Trip(
            id=trip_id,
            legs=legs,
            turn=len(ways[0]),
            cabin=told.cabin,
            passengers=tuple(self._passenger(who) for who in told.passengers),
            payment_id=methods[told.paid_with],
            fares=(told.fare,) * len(legs),
            bags=told.bags,
            insured=told.insured,
            booked_at=(NOW - timedelta(hours=told.booked_hours_ago)).isoformat(),
            flown=told.flown,
            delayed=told.delayed,
            cancelled_by_airline=told.cancelled_by_airline,
        )

    def _prices(self, told: Circumstance) -> Mapping[str, int]:
        return {cabin: int(told.fare * share) for cabin, share in _CABINS.items()} | told.prices

    def _taken_numbers(self, trip_id: str, told: Circumstance) -> list[str]:
        changes = [one for one in self._task.changes("update_reservation_flights") if one["reservation_id"] == trip_id]
        changes = changes or self._task.changes("book_reservation")
        if told.numbers == "invented" or not changes:
            return []
        numbers = [flight["flight_number"] for flight in changes[0]["flights"]]
        return [numbers[place] if place >= 0 else "" for place in told.take] if told.take else numbers

    def _passenger(self, who: str) -> Person:
        if who == "me":
            return self._me
        if who == "wrong name" and (found := _RENAMED.search(self._task.text)):
            right = next(one for one in self._others if one.first_name == found[1])
            return replace(right, last_name=found[2])
        number = int(who.removeprefix("other") or 0)
        return self._others[number] if number < len(self._others) else Person(f"Traveller{number}", "Guest", _BORN)

    def _put_on_sale(self, offer: Offer) -> None:
        numbers = iter(self._numbers_of(offer))
        legs = len(offer.way.partition(" ")[0].split(">")) - 1
        for place, flight in enumerate(list(self._way(offer.way, numbers, {}))):
            shares = {cabin: self._share(price, place, legs) for cabin, price in offer.prices.items()}
            self._flights[flight.leg] = replace(flight, prices={**flight.prices, **shares}, seats=offer.seats)

    def _share(self, price: int | str, place: int, legs: int) -> int:
        whole = self._price_of_the_task() if price == "taken" else int(price)
        return whole // legs + (whole % legs if place == 0 else 0)

    def _price_of_the_task(self) -> int:
        """What the first booking of the task cost each passenger on each of its ways."""
        asked = self._task.changes("book_reservation")[0]
        paid = sum(int(payment["amount"]) for payment in asked["payment_methods"])
        seats = len(asked["passengers"])
        extras = int(asked["nonfree_baggages"]) * BAG_PRICE
        extras += INSURANCE_PRICE * seats if asked["insurance"] == "yes" else 0
        ways = 2 if asked["flight_type"] == "round_trip" else 1
        return (paid - extras) // seats // ways

    def _numbers_of(self, offer: Offer) -> list[str]:
        if not offer.take:
            return []
        calls: list[Mapping[str, Any]] = self._task.changes("book_reservation")
        calls = calls or self._task.changes("update_reservation_flights")[-1:]
        if not calls:
            raise ReadingError(f"task {self._task.id}: it has no flights to take numbers from")
        numbers = [flight["flight_number"] for flight in calls[0]["flights"]]
        return [numbers[place] for place in offer.take]

    def _way(self, written: str, numbers: Iterator[str], prices: Mapping[str, int]) -> Iterator[Flight]:
        """Flights of two hours from ten o'clock on, unless the hours are written."""
        found = _WAY.fullmatch(written)
        if found is None:
            raise ReadingError(f"task {self._task.id}: {written!r} is no way like JFK>ATL>MCO 05-22 10-12,14-16")
        stops = found["route"].split(">")
        day = datetime.fromisoformat(f"2024-{found['day']}")
        hours = (found["hours"] or "+".join(f"{10 + 4 * n}-{12 + 4 * n}" for n in range(len(stops) - 1))).split("+")
        for (origin, destination), between in zip(pairwise(stops), hours, strict=True):
            leaves, arrives = (day + timedelta(hours=float(hour)) for hour in between.split("-"))
            number = next(numbers, "") or f"HAT{next(self._invented)}"
            flight = Flight(number, origin, destination, leaves, arrives, prices)
            self._flights.setdefault(flight.leg, flight)
            yield self._flights[flight.leg]
