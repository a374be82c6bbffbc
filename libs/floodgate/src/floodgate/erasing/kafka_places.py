"""Looks through every declared topic for a person; joins no group, writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from confluent_kafka import KafkaException, Message
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType
from keyflow.errors import FatalError, KeyflowError, PoisonMessageError
from keyflow.reading import committed_records

from floodgate.erasing.planning import Needles, Person, Place, Retention, Tally
from floodgate.events import Interaction, TurnRole
from floodgate.events import Message as UserMessage
from floodgate.events.serde import AvroSerde
from floodgate.events.topics import Topic, topics
from floodgate.settings import KafkaSettings

T = TypeVar("T")
_KEYED: Final = ("conversation_id", "interaction_id")
_TIMEOUT_SECONDS: Final = 30.0
_REMEDY: Final = "run `floodgate setup`"
_AT_ONCE: Final = 6
_STATE: Final = ".state"
_SAID: Final = ("support.messages", "support.interactions")


class KafkaPlaces:
    """Reads the topics. Connects on the first call.

    Args:
        settings: Where Kafka is.
        told: Hears the name of each topic before it is read.
    """

    def __init__(self, settings: KafkaSettings, told: Callable[[str], None] = lambda _: None) -> None:
        self._settings = settings
        self._told = told
        self.standing: dict[str, frozenset[str]] = {}
        """By compacted topic, the keys whose newest value named the person when `places` last looked."""

    def complete(self, person: Person) -> Person:
        """The person with every conversation and interaction in which one of their pseudonyms stands.

        Raises:
            FatalError: Kafka cannot be reached, or a topic does not exist.
        """
        needles = Needles(person.contacts)
        keyed = [topic for topic in topics().values() if person.contacts and topic.key in _KEYED]
        for topic, keys in zip(keyed, self._of_each(keyed, lambda each: self._keys(each, needles)), strict=True):
            for key in keys:
                person = person.with_key(topic.key, key)
        return person

    def places(self, needles: Needles) -> list[Place]:
        """Every topic that holds something, with the date by which it is gone.

        Raises:
            FatalError: As for `complete`.
        """
        retentions = self._retentions()
        found = self._of_each(topics().values(), lambda topic: self._place(topic, retentions[topic.name], needles))
        return [place for place in found if place is not None]

    def stands(self, topic: str, needles: Needles) -> bool:
        """Whether the newest value of some key of a compacted topic names the person still.

        Raises:
            FatalError: As for `complete`.
        """
        self._place(topics()[topic], Retention(None, 0), needles)
        return bool(self.standing[topic])

    def texts(self, person: Person, serde: AvroSerde) -> tuple[str, ...]:
        """What the person wrote in their conversations; nothing that is not decoded, nothing of anybody else's.

        Raises:
            FatalError: As for `complete`, or the registry cannot be reached.
        """
        found: set[str] = set()
        for name in _SAID if person.conversations | person.interactions else ():
            for message in self._records(topics()[name]):
                value, key = message.value(), (message.key() or b"").decode(errors="replace")
                if value is not None and key in person.conversations | person.interactions:
                    found.update(_said(serde, name, value))
        return tuple(sorted(text for text in found if text.strip()))

    def _keys(self, topic: Topic, needles: Needles) -> set[str]:
        """The keys of the records that name one of the pseudonyms."""
        found = (message.key() for message in self._records(topic) if needles.within(message.value()))
        return {key.decode(errors="replace") for key in found if key is not None}

    def _of_each(self, each: Iterable[Topic], look: Callable[[Topic], T]) -> list[T]:
        """Some topics at a time: most of a short one's time is waiting for its broker."""
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="erase") as threads:
            return list(threads.map(look, each))

    def _place(self, topic: Topic, retention: Retention, needles: Needles) -> Place | None:
        tally = Tally(topic.name, retention)
        for message in self._records(topic):
            headers: Any = message.headers() or []
            value = message.value()
            found = value is not None and needles.within(message.key(), value, *(data for _, data in headers))
            tally.add(message.key(), found=found, at_ms=message.timestamp()[1])
        self.standing[topic.name] = frozenset(key.decode(errors="replace") for key in tally.standing)
        return tally.place()

    def _records(self, topic: Topic) -> Iterator[Message]:
        self._told(topic.name)
        return committed_records(self._settings.reader("erase"), topic.name, remedy=_REMEDY)

    def _retentions(self) -> dict[str, Retention]:
        """As the broker has them, which may differ from what was declared."""
        wanted = [ConfigResource(ResourceType.TOPIC, name) for name in topics()]
        admin = AdminClient(self._settings.connection())  # has to outlive the answers
        try:
            asked = admin.describe_configs(wanted, request_timeout=_TIMEOUT_SECONDS)
            return {resource.name: _retention(future.result()) for resource, future in asked.items()}
        except KafkaException as error:
            raise FatalError(f"Kafka does not tell the topics' retention: {error.args[0].str()}") from error


def state_services(standing: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    """By redrive topic of the service that owns it, the keys of state that stand."""
    owned = {name.removesuffix(_STATE): keys for name, keys in standing.items() if name.endswith(_STATE) and keys}
    return {f"{name}.redrive": keys for name, keys in owned.items() if f"{name}.redrive" in topics()}


def _said(serde: AvroSerde, topic: str, value: bytes) -> Iterator[str]:
    try:
        record = serde.decode(topic, value)
    except PoisonMessageError:
        return
    except KeyflowError as error:
        raise FatalError(str(error)) from error
    if isinstance(record, UserMessage):
        yield record.text or ""
    elif isinstance(record, Interaction):
        yield from (turn.text for turn in record.turns if turn.role is TurnRole.CUSTOMER)


def _retention(config: Any) -> Retention:
    def number(name: str) -> int:
        return int(config[name].value)

    compacted = "compact" in str(config["cleanup.policy"].value)
    cleaned_ms = number("max.compaction.lag.ms") + number("delete.retention.ms")
    return Retention(None if compacted else number("retention.ms"), number("segment.ms"), cleaned_ms)
