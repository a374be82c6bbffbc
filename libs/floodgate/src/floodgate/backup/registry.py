"""Schemas out of a registry, and back into an empty one under the same ids, since every value begins with one."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Protocol

import httpx2
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError
from keyflow.errors import FatalError

from floodgate.backup.archive import RegisteredSchema
from floodgate.settings import RegistrySettings

_PLACEHOLDER: Final = "floodgate.restore.placeholder-"
_MOST_PLACEHOLDERS: Final = 10_000


class Registry(Protocol):
    """What is asked of a registry."""

    def all(self) -> list[RegisteredSchema]: ...
    def register(self, subject: str, text: str) -> int: ...
    def delete(self, subject: str) -> None: ...


class ConfluentRegistry:
    """A registry with Confluent's API. Connects on the first call.

    Args:
        settings: Where it is.
    """

    def __init__(self, settings: RegistrySettings) -> None:
        self._settings = settings
        self._client = SchemaRegistryClient(settings.connection())

    def all(self) -> list[RegisteredSchema]:
        """Every version of every subject."""
        with self._errors():
            return [one for subject in self._client.get_subjects() for one in self._versions(subject)]

    def _versions(self, subject: str) -> Iterator[RegisteredSchema]:
        for version in self._client.get_versions(subject):
            found = self._client.get_version(subject, version)
            text = (found.schema.schema_str if found.schema is not None else None) or ""
            yield RegisteredSchema(subject=subject, version=version, id=int(found.schema_id or 0), text=text)

    def register(self, subject: str, text: str) -> int:
        """Registers a version; its id."""
        with self._errors():
            return self._client.register_schema(subject, Schema(text, "AVRO"))

    def delete(self, subject: str) -> None:
        """Takes a subject away."""
        with self._errors():
            self._client.delete_subject(subject)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except SchemaRegistryError as error:
            raise FatalError(f"schema registry: {error.http_status_code} {error.error_message}") from error
        except (OSError, httpx2.HTTPError) as error:
            raise FatalError(f"schema registry {self._settings.url} cannot be reached") from error


def schemas_of(registry: Registry, topics: Collection[str]) -> tuple[RegisteredSchema, ...]:
    """The schemas of these topics' values, by id."""
    subjects = {f"{topic}-value" for topic in topics}
    return tuple(sorted((one for one in registry.all() if one.subject in subjects), key=_in_order))


def put_back(
    registry: Registry, schemas: Sequence[RegisteredSchema], tell: Callable[[str], None] = lambda _: None
) -> int:
    """Registers schemas under their ids; how many were missing.

    A registry numbers schemas as they come. Numbers between ours are used up by placeholders, deleted in the end.

    Raises:
        FatalError: An id stands for another schema, or is passed already: the registry is neither empty nor the same.
    """
    there = registry.all()
    known = {(one.subject, one.id): one for one in there}
    missing = [one for one in sorted(schemas, key=_in_order) if (one.subject, one.id) not in known]
    texts = {one.id: one.text for one in there}
    if wrong := [one for one in schemas if one.id in texts and not _same(texts[one.id], one.text)]:
        raise _not_empty(wrong[0], wrong[0].id)
    last, placeholders = max(texts, default=0), []
    owners = {one.id: one for one in reversed(missing)}
    # What another subject has too comes last: some registries use a number up for it.
    for one in sorted(missing, key=lambda one: owners[one.id] is not one):
        if one.id - last > _MOST_PLACEHOLDERS:
            raise FatalError(f"{one.subject} has the id {one.id}: too far beyond the registry's {last} to be kept")
        while last < one.id - 1:
            placeholders.append(f"{_PLACEHOLDER}{last + 1}")
            last = registry.register(placeholders[-1], _placeholder(last + 1))
        given = registry.register(one.subject, one.text)
        if given != one.id:
            raise _not_empty(one, given)
        last = max(last, given)
    for subject in placeholders:
        registry.delete(subject)
    tell(f"schemas: {len(missing)} registered, {len(schemas) - len(missing)} were there")
    return len(missing)


def _in_order(one: RegisteredSchema) -> tuple[int, str, int]:
    return one.id, one.subject, one.version


def _same(one: str, other: str) -> bool:
    return bool(json.loads(one) == json.loads(other))


def _placeholder(number: int) -> str:
    return json.dumps(
        {"type": "record", "name": f"Placeholder{number}", "namespace": "floodgate.restore", "fields": []}
    )


def _not_empty(one: RegisteredSchema, given: int) -> FatalError:
    return FatalError(
        f"{one.subject} version {one.version} has the id {one.id} in every record, and the registry gives {given} or "
        "has another schema there: restore into a registry that was never used, or into the one that was backed up"
    )
