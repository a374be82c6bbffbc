"""The wire format and the deploy step against the real registry and broker."""

from __future__ import annotations

import json
import struct
from datetime import UTC, datetime
from uuid import uuid4

import httpx
import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError
from floodgate.admin import apply_topics, register_schemas
from floodgate.events import Feedback, FeedbackLabel
from floodgate.events.serde import AvroSerde
from floodgate.events.topics import schema, topics
from floodgate.settings import KafkaSettings
from keyflow.errors import FatalError, PoisonMessageError

TOPIC = "support.feedback"


def feedback() -> Feedback:
    return Feedback(
        event_id=uuid4(),
        occurred_at=datetime(2026, 11, 22, 10, 30, 0, 123000, tzinfo=UTC),
        conversation_id="intercom:1",
        label=FeedbackLabel.WRONG_PATH,
        should_be="tickets/refund",
        source="file",
    )


@pytest.fixture
def serde(stack_env: dict[str, str]) -> AvroSerde:
    return AvroSerde(stack_env["FLOODGATE_SCHEMA_REGISTRY_URL"])


def test_a_record_comes_back_as_it_was_written(serde: AvroSerde) -> None:
    record = feedback()
    assert serde.decode(TOPIC, serde.encode(TOPIC, record)) == record


@pytest.mark.parametrize("data", [b"", b"plain text", b"\x00\x00\x00\x00\x01", struct.pack(">bI", 0, 999_999) + b"x"])
def test_foreign_bytes_are_poison(serde: AvroSerde, data: bytes) -> None:
    with pytest.raises(PoisonMessageError):
        serde.decode(TOPIC, data)


def test_a_record_of_another_topic_is_refused(serde: AvroSerde) -> None:
    with pytest.raises(PoisonMessageError, match=r"support\.verdicts carries Verdict, not Feedback"):
        serde.encode("support.verdicts", feedback())


def test_repeating_the_deploy_step_changes_nothing(stack_env: dict[str, str]) -> None:
    kafka = KafkaSettings(bootstrap_servers=stack_env["FLOODGATE_KAFKA_BOOTSTRAP_SERVERS"])
    assert apply_topics(kafka).created == ()
    assert register_schemas(stack_env["FLOODGATE_SCHEMA_REGISTRY_URL"]).created == ()


def test_the_registry_refuses_an_incompatible_schema(stack_env: dict[str, str]) -> None:
    broken = schema("Feedback") | {"fields": [{"name": "brand_new", "type": "string"}]}
    with (
        SchemaRegistryClient({"url": stack_env["FLOODGATE_SCHEMA_REGISTRY_URL"]}) as client,
        pytest.raises(SchemaRegistryError) as refused,
    ):
        client.register_schema(f"{TOPIC}-value", Schema(json.dumps(broken), "AVRO"))
    assert refused.value.http_status_code == 409


def test_every_subject_is_backward_transitive(stack_env: dict[str, str]) -> None:
    url = stack_env["FLOODGATE_SCHEMA_REGISTRY_URL"]
    assert httpx.get(f"{url}/config").json()["compatibilityLevel"] == "BACKWARD_TRANSITIVE"
    subjects = set(httpx.get(f"{url}/subjects").json())
    assert subjects >= {f"{topic.name}-value" for topic in topics().values() if topic.record}


def test_an_unreachable_registry_stops_the_start_with_one_line() -> None:
    with pytest.raises(FatalError, match="cannot be reached"):
        register_schemas("http://127.0.0.1:9/apis/ccompat/v7")
