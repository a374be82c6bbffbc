"""What a new service is called, what it reads and what it writes. Pure."""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from keyflow.errors import FatalError

_NAME: Final = re.compile(r"[a-z]{2,30}")
_TOPIC: Final = re.compile(r"[a-z][a-z-]*(\.[a-z][a-z-]*)+")
_RECORD: Final = re.compile(r"[A-Z][A-Za-z]+")
_FIELD: Final = re.compile(r"[a-z]+(_[a-z]+)*")


@dataclass(frozen=True, slots=True)
class TopicRecord:
    """A topic and the record that it carries; `declared` says that both are there already."""

    topic: str
    record: str
    declared: bool


@dataclass(frozen=True, slots=True)
class NewService:
    """What is asked for.

    Attributes:
        key: Name of the key of both topics; a field of the records that are made.
        model: Whether it asks a model.
        state: Whether it keeps state per key.
    """

    name: str
    reads: TopicRecord
    writes: TopicRecord
    key: str
    model: bool
    state: bool

    @property
    def title(self) -> str:
        """The name as the beginning of a class."""
        return self.name.capitalize()

    def places(self) -> dict[str, str | bool]:
        """What the templates are filled with."""
        return {
            "name": self.name,
            "Name": self.title,
            "NAME": self.name.upper(),
            "reads": self.reads.topic,
            "Read": self.reads.record,
            "writes": self.writes.topic,
            "Written": self.writes.record,
            "step": snake(self.writes.record),
            "key": self.key,
            "model": self.model,
            "state": self.state,
            "new_input": not self.reads.declared,
        }


def named(
    name: str,
    reads: str,
    writes: str,
    key: str | None,
    *,
    model: bool,
    state: bool,
    topics: Mapping[str, Mapping[str, Any]],
    records: Collection[str],
    services: Collection[str],
    packages: Collection[str] = (),
) -> NewService:
    """Checks what was asked for against what is there.

    Args:
        name: Of the service.
        reads: Topic, or `topic:Record`.
        writes: The same; a topic of its own.
        key: Of the topics; taken from the topic that is read where that is declared.
        model: Whether it asks a model.
        state: Whether it keeps state.
        topics: The declared topics.
        records: Names of the records that are there.
        services: Names of the services that are there.
        packages: Names of the packages that can be imported.

    Raises:
        FatalError: A name cannot be used; says why and what to do.
    """
    _check_name(name, services, packages)
    source, target = _split(reads), _split(writes)
    if target[0] in topics:
        raise FatalError(f"--writes {target[0]}: is declared and has its writer: name a topic of the service's own")
    if source[0] == target[0]:
        raise FatalError(f"--writes {target[0]}: it would read what it writes: name another topic")
    written = TopicRecord(target[0], _new_record("--writes", target, records), declared=False)
    declared = topics.get(source[0])
    if declared is None:
        taken = {*records, written.record}
        read = TopicRecord(source[0], _new_record("--reads", source, taken), declared=False)
    else:
        if declared["record"] is None:
            raise FatalError(f"--reads {source[0]}: carries raw bytes: new-service makes services that read records")
        read = TopicRecord(source[0], declared["record"], declared=True)
    found = str(declared["key"]) if declared is not None and key is None else key or "subject_id"
    if not _FIELD.fullmatch(found):
        raise FatalError(f"--key {found!r}: use a name such as sensor_id")
    return NewService(name, read, written, found, model=model, state=state)


def _check_name(name: str, services: Collection[str], packages: Collection[str]) -> None:
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise FatalError(f"{name!r}: use 2 to 30 small letters: it names a package, topics, an image and figures")
    if name in services:
        raise FatalError(f"services/{name} is there already: choose another name")
    if name in packages:
        raise FatalError(f"{name}: Python has a package of this name already: choose another")


def _split(given: str) -> tuple[str, str]:
    topic, _, record = given.partition(":")
    if not _TOPIC.fullmatch(topic):
        raise FatalError(
            f"{topic!r}: small letters, hyphens and at least one dot make a topic, such as warehouse.readings"
        )
    return topic, record


def _new_record(option: str, given: tuple[str, str], taken: Collection[str]) -> str:
    topic, record = given
    record = record or record_of(topic)
    if not _RECORD.fullmatch(record):
        raise FatalError(f"{option} {topic}:{record}: a record is named like Reading")
    if record in taken:
        raise FatalError(f"{option} {topic}: there is a record {record} already: say {topic}:AnotherName")
    return record


def record_of(topic: str) -> str:
    """The record's name where only the topic is given: `warehouse.readings` carries `Reading`."""
    last = topic.rpartition(".")[2]
    for plural, singular in (("ies", "y"), ("sses", "ss"), ("s", "")):
        if last.endswith(plural) and not last.endswith("ss"):
            last = last.removesuffix(plural) + singular
            break
    return "".join(part.capitalize() for part in last.split("-"))


def snake(record: str) -> str:
    """`StockReading` as `stock_reading`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", record).lower()
