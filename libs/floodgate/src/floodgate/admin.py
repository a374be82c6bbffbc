"""The deploy step: creates the declared topics and registers their schemas. Repeating it changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx2
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient, ServerConfig
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.schema_registry.schema_registry_client import ConfigCompatibilityLevel
from keyflow.errors import FatalError
from keyflow.kafka_errors import SignIn

from floodgate.events.topics import schema, topics
from floodgate.settings import KafkaSettings, RegistrySettings

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Applied:
    """What a deploy step found and did."""

    created: tuple[str, ...]
    unchanged: tuple[str, ...]


def apply_topics(settings: KafkaSettings, *, replication: int = 1) -> Applied:
    """Creates the topics that are missing.

    Raises:
        FatalError: The broker cannot be reached or refuses; or a topic has another number of partitions than
            declared, which would break the order of its keys.
    """
    sign_in = SignIn()
    connection: dict[str, Any] = {**settings.connection(), "error_cb": sign_in}
    admin = AdminClient(connection)
    try:
        existing = sign_in.topics(admin, seconds=15.0)
        wanted = {name: settings.partitions_of(topic.partitions) for name, topic in topics().items()}
        wrong = {
            name: len(existing[name].partitions)
            for name, count in wanted.items()
            if name in existing and len(existing[name].partitions) != count
        }
        if wrong:
            shown = ", ".join(f"{name} has {count}, not {wanted[name]}" for name, count in wrong.items())
            raise FatalError(
                f"partition counts differ from schemas/topics.yaml and FLOODGATE_KAFKA_PARTITIONS: {shown}; "
                "`floodgate topics repartition` changes them"
            )
        missing = [topic for name, topic in topics().items() if name not in existing]
        new = [
            NewTopic(
                topic.name,
                num_partitions=wanted[topic.name],
                replication_factor=replication,
                config=topic.config(),
            )
            for topic in missing
        ]
        for name, future in (admin.create_topics(new, operation_timeout=30) if new else {}).items():
            _await_created(name, future)
    except KafkaException as error:
        raise FatalError(f"topics: {error.args[0].str()}") from error
    created = tuple(topic.name for topic in missing)
    return Applied(created, tuple(name for name in topics() if name not in created))


def _await_created(name: str, future: object) -> None:
    try:
        future.result()  # type: ignore[attr-defined]  # confluent-kafka's stubs leave the future untyped
    except KafkaException as error:
        if error.args[0].name() != "TOPIC_ALREADY_EXISTS":
            raise FatalError(f"topic {name}: {error.args[0].str()}") from error


def register_schemas(registry: RegistrySettings | str) -> Applied:
    """Registers the schema of every topic under `<topic>-value`, compatible with all earlier versions.

    Raises:
        FatalError: A schema is incompatible (names topic and reason), or the registry cannot be reached.
    """
    created: list[str] = []
    unchanged: list[str] = []
    connection = registry.connection() if isinstance(registry, RegistrySettings) else {"url": registry}
    try:
        with SchemaRegistryClient(connection) as client:
            client.set_config(config=ServerConfig(compatibility=ConfigCompatibilityLevel.BACKWARD_TRANSITIVE))
            known = set(client.get_subjects())
            for topic in topics().values():
                if topic.record is None:
                    continue
                subject = f"{topic.name}-value"
                text = Schema(json.dumps(schema(topic.record)), "AVRO")
                if subject in known and _is_registered(client, subject, text):
                    unchanged.append(subject)
                    continue
                _register(client, subject, text)
                created.append(subject)
    except SchemaRegistryError as error:
        raise FatalError(f"schema registry: {error.http_status_code} {error.error_message}") from error
    except (OSError, httpx2.HTTPError) as error:
        raise FatalError(f"schema registry {connection['url']} cannot be reached") from error
    return Applied(tuple(created), tuple(unchanged))


def _register(client: SchemaRegistryClient, subject: str, text: Schema) -> None:
    try:
        client.register_schema(subject, text)
    except SchemaRegistryError as error:
        if error.http_status_code != 409:
            raise
        raise FatalError(
            f"{subject}: the schema is not BACKWARD_TRANSITIVE compatible with its earlier versions: give new "
            "fields a default and keep the old ones"
        ) from error


def _is_registered(client: SchemaRegistryClient, subject: str, text: Schema) -> bool:
    try:
        client.lookup_schema(subject, text)
    except SchemaRegistryError as error:
        if error.http_status_code == 404:
            return False
        raise
    return True
