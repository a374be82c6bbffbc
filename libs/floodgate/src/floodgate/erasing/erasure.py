"""An erasure from beginning to end: look, ask services to forget, empty the stores, look again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from keyflow.errors import KeyflowError

from floodgate.erasing.kafka_places import KafkaPlaces, state_services
from floodgate.erasing.planning import Needles, Person, Place, Sought
from floodgate.erasing.requests import Requests
from floodgate.erasing.stores import Store
from floodgate.events.serde import AvroSerde

_LOOK_SECONDS: Final = 1.0


@dataclass(slots=True)
class Report:
    """What stands where, and what could not be done.

    Attributes:
        failures: One line each; the command may be given again.
    """

    person: Person
    places: list[Place]
    failures: list[str] = field(default_factory=list)

    def lasting(self, now: datetime) -> list[Place]:
        """Places that nothing empties by itself."""
        return [place for place in self.places if place.stays(now)]

    def facts(self, now: datetime) -> dict[str, Any]:
        """As JSON."""
        dates = [place.gone_by for place in self.places if place.gone_by]
        return {
            "conversations": len(self.person.conversations),
            "places": [place.facts() for place in self.places],
            "gone_by": max(dates).date().isoformat() if dates else None,
            "lasting": len(self.lasting(now)),
            "failures": self.failures,
        }


class Erasure:
    """One person's.

    Args:
        kafka: Reads the topics.
        serde: Decodes them.
        stores: What is searched beside Kafka.
        say: Hears what is being done.
        pause: Waits so many seconds.
    """

    def __init__(
        self,
        kafka: KafkaPlaces,
        serde: AvroSerde,
        stores: Sequence[Store],
        say: Callable[[str], None] = lambda _: None,
        *,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._kafka = kafka
        self._serde = serde
        self._stores = stores
        self._say = say
        self._pause = pause

    def sought(self, person: Person, words: Sequence[str]) -> Sought:
        """What the person is known by, from topics as well.

        Raises:
            FatalError: Kafka or the registry cannot be reached.
        """
        whole = self._kafka.complete(person)
        return Sought(whole, Needles(whole.ids, words), self._kafka.texts(whole, self._serde))

    def report(self, sought: Sought) -> Report:
        """Where the person stands; changes nothing.

        Raises:
            FatalError: Kafka cannot be read.
        """
        found = Report(sought.person, self._kafka.places(sought.needles))
        for store in self._stores:
            self._say(f"searching {store.name}")
            try:
                found.places += store.look(sought)
            except KeyflowError as error:
                found.failures.append(f"{store.name}: {error}")
        return found

    def applied(self, sought: Sought, requests: Requests, wait_seconds: float) -> Report:
        """Removes what can be removed, then looks again. Where one store fails, the others go on.

        Letters are given up before the services forget: nobody can send one back in between. What a service has not
        read yet would make a new state: it forgets in the order of the key, after it.

        Raises:
            FatalError: Kafka cannot be read, or does not take the audit.
        """
        person = sought.person
        requests.audit(min(person.contacts, default=f"conversation {min(person.conversations, default='')}"))
        requests.discard_letters(sought)
        self._kafka.places(sought.needles)
        asked = state_services(self._kafka.standing)
        requests.forget(asked)
        failures = [failure for store in self._stores if (failure := self._emptied(store, sought))]
        self._await_forgotten(sought, [topic.removesuffix(".redrive") + ".state" for topic in asked], wait_seconds)
        left = self.report(sought)
        left.failures = list(dict.fromkeys([*failures, *left.failures]))
        return left

    def _emptied(self, store: Store, sought: Sought) -> str:
        """Why it could not be; empty when it was."""
        self._say(f"erasing from {store.name}")
        try:
            store.erase(sought)
        except KeyflowError as error:
            return f"{store.name}: {error}"
        return ""

    def _await_forgotten(self, sought: Sought, topics: Sequence[str], seconds: float) -> None:
        """Services that do not run forget when they do: the report has their keys until then."""
        deadline = time.monotonic() + seconds
        while any(self._kafka.stands(topic, sought.needles) for topic in topics) and time.monotonic() < deadline:
            self._say(f"waiting for {', '.join(topics)}")
            self._pause(_LOOK_SECONDS)
