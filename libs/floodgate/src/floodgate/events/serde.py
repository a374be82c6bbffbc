"""Avro on the wire as every Confluent client reads it: a zero byte, the schema's id in the registry, the data."""

from __future__ import annotations

import io
import json
import struct
from typing import Any, Final

import fastavro
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError
from keyflow.errors import FatalError, PoisonMessageError, RetryableError

from floodgate.events.generated import AvroModel
from floodgate.events.topics import model, schema, topics
from floodgate.settings import RegistrySettings

_MAGIC: Final = 0
_HEAD: Final = struct.Struct(">bI")


class AvroSerde:
    """Encodes and decodes the records of every declared topic; schemas must be registered before.

    Args:
        registry: Where the registry is and how to sign in; or just the base address of its Confluent API.
    """

    def __init__(self, registry: RegistrySettings | str) -> None:
        self._settings = registry
        self._client: SchemaRegistryClient | None = None
        self._writer_ids: dict[str, int] = {}
        self._parsed: dict[str, Any] = {}
        self._writers: dict[int, Any] = {}

    def prepare(self, names: list[str]) -> None:
        """Looks up the ids of the topics that a service writes, so that a missing one is found at start.

        Raises:
            FatalError: A schema is not registered, or the registry cannot be reached.
        """
        for name in names:
            try:
                self._writer_id(name)
            except RetryableError as error:
                raise FatalError(str(error)) from error

    def encode(self, topic: str, value: AvroModel) -> bytes:
        """The record's bytes.

        Raises:
            PoisonMessageError: It does not fit the topic's schema.
            RetryableError: The registry cannot be reached.
            FatalError: The schema is not registered.
        """
        record = topics()[topic].record
        if record is None or type(value).__name__ != record:
            raise PoisonMessageError(f"{topic} carries {record}, not {type(value).__name__}")
        out = io.BytesIO()
        out.write(_HEAD.pack(_MAGIC, self._writer_id(topic)))
        fastavro.schemaless_writer(out, self._own(record), value.model_dump())
        return out.getvalue()

    def decode(self, topic: str, data: bytes) -> AvroModel:
        """The record, read with the schema it was written with and resolved to ours.

        Raises:
            PoisonMessageError: Not our wire format, or not a record of this topic.
            RetryableError: The registry cannot be reached.
        """
        record = topics()[topic].record
        if record is None:
            raise PoisonMessageError(f"{topic} carries no Avro")
        if len(data) < _HEAD.size or data[0] != _MAGIC:
            raise PoisonMessageError("not in the Avro wire format (a zero byte and a schema id come first)")
        schema_id = _HEAD.unpack_from(data)[1]
        writer = self._writer_schema(schema_id)
        try:
            fields = fastavro.schemaless_reader(io.BytesIO(data[_HEAD.size :]), writer, self._own(record))
            return model(record).model_validate(fields)
        except Exception as error:
            # fastavro raises whatever broken bytes lead to: EOFError, IndexError, struct.error, UnicodeDecodeError.
            raise PoisonMessageError(f"broken {record} record ({type(error).__name__})") from error

    def _own(self, record: str) -> Any:
        if record not in self._parsed:
            self._parsed[record] = fastavro.parse_schema(schema(record))
        return self._parsed[record]

    def _registry(self) -> SchemaRegistryClient:
        if self._client is None:
            settings = self._settings
            known = settings.connection() if isinstance(settings, RegistrySettings) else {"url": settings}
            self._client = SchemaRegistryClient(known)
        return self._client

    def _writer_id(self, topic: str) -> int:
        if topic not in self._writer_ids:
            record = topics()[topic].record
            if record is None:
                raise PoisonMessageError(f"{topic} carries no Avro")
            try:
                found = self._registry().lookup_schema(f"{topic}-value", Schema(json.dumps(schema(record)), "AVRO"))
            except SchemaRegistryError as error:
                raise _registry_error(error, f"the schema {record} of {topic} is not registered") from error
            except Exception as error:
                raise RetryableError(f"the schema registry cannot be reached ({type(error).__name__})") from error
            self._writer_ids[topic] = int(found.schema_id or 0)
        return self._writer_ids[topic]

    def _writer_schema(self, schema_id: int) -> Any:
        if schema_id not in self._writers:
            try:
                text = self._registry().get_schema(schema_id).schema_str
            except SchemaRegistryError as error:
                if error.http_status_code == 404:
                    raise PoisonMessageError(f"its schema id {schema_id} is not in the registry") from error
                raise RetryableError(f"the schema registry answered {error.http_status_code}") from error
            except Exception as error:
                raise RetryableError(f"the schema registry cannot be reached ({type(error).__name__})") from error
            self._writers[schema_id] = fastavro.parse_schema(json.loads(text or "null"))
        return self._writers[schema_id]


def _registry_error(error: SchemaRegistryError, missing: str) -> Exception:
    if error.http_status_code == 404:
        return FatalError(f"{missing}: run `floodgate setup` (or `floodgate schemas register`)")
    return RetryableError(f"the schema registry answered {error.http_status_code}")
