"""The dead-letter CLI on a real broker: listed, masked, sent back once, written down."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from confluent_kafka import Consumer, TopicPartition
from floodgate.deadletters import Letters, Redriver
from floodgate.deadletters.cli import app
from floodgate.events import AuditEntry, DeadLetter, RecordHeader
from floodgate.events.serde import AvroSerde
from floodgate.service import EventProducer
from floodgate.settings import KafkaSettings
from keyflow import ORIGIN_TOPIC_HEADER
from keyflow.errors import FatalError
from typer.testing import CliRunner

pytestmark = pytest.mark.integration


@pytest.fixture
def settings(stack_env: dict[str, str]) -> KafkaSettings:
    return KafkaSettings()


@pytest.fixture
def serde(stack_env: dict[str, str]) -> AvroSerde:
    return AvroSerde(stack_env["FLOODGATE_SCHEMA_REGISTRY_URL"])


@pytest.fixture
async def write(settings: KafkaSettings, serde: AvroSerde):
    """Writes a dead letter and returns it."""
    producer = EventProducer(settings, serde)

    async def one(**changes: object) -> DeadLetter:
        key = f"rest:{uuid4().hex[:8]}"
        letter = DeadLetter(
            **{
                "event_id": uuid4(),
                "occurred_at": datetime.now(UTC),
                "service": "summarizer-store",
                "origin_topic": "support.summaries",
                "origin_partition": 0,
                "origin_offset": 1,
                "key": key.encode(),
                "value": b"\x00what broke",
                "headers": (RecordHeader(key="traceparent", value=b"00-a-b-01"),),
                "error_class": "poison",
                "reason": "cannot be decoded",
                "attempts": 1,
            }
            | changes
        )
        await producer.send("support.dead-letters", key, letter)
        return letter

    yield one
    await producer.close()


def read(settings: KafkaSettings, topic: str, key: bytes) -> list[tuple[bytes, dict[str, bytes], int]]:
    """(value, headers, partition) of every committed record of a key."""
    consumer = Consumer(
        {
            "bootstrap.servers": settings.bootstrap_servers,
            "group.id": f"test-{uuid4().hex}",
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
        }
    )
    partitions = [TopicPartition(topic, number, 0) for number in consumer.list_topics(topic).topics[topic].partitions]
    ends = {place.partition: consumer.get_watermark_offsets(place)[1] for place in partitions}
    consumer.assign(partitions)
    found = []
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        message = consumer.poll(0.2)
        if message is not None and message.error() is None and message.key() == key:
            found.append((message.value(), dict(message.headers() or []), message.partition()))
        positions = {place.partition: place.offset for place in consumer.position(partitions)}
        if all(positions[number] >= end for number, end in ends.items() if end):
            break
    consumer.close()
    return found


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


async def test_a_letter_goes_back_once_with_its_bytes_and_is_written_down(settings, serde, write):
    letter = await write()
    code, listed = run("list", "--service", "summarizer-store", "--json", "--limit", "1000")
    assert code == 0
    summary = next(entry for entry in json.loads(listed) if entry["event_id"] == str(letter.event_id))
    assert summary["state"] == "open"

    code, shown = run("redrive", str(letter.event_id), "--dry-run", "--json")
    assert (code, json.loads(shown)[0]["outcome"]) == (0, "would_redrive")
    assert read(settings, "support.summarizer-store.redrive", letter.key) == []

    code, shown = run("redrive", str(letter.event_id), "--reason", "fixed the decoder", "--json")
    assert (code, json.loads(shown)[0]["outcome"]) == (0, "redriven")
    code, shown = run("redrive", str(letter.event_id), "--json")
    assert (code, json.loads(shown)[0]["outcome"]) == (1, "kept")

    [(value, headers, _)] = read(settings, "support.summarizer-store.redrive", letter.key)
    assert value == letter.value
    assert headers["traceparent"] == b"00-a-b-01"
    assert headers[ORIGIN_TOPIC_HEADER] == b"support.summaries"
    assert headers["redriven-from"] == str(letter.event_id).encode()

    [(entry, _, _)] = read(settings, "support.audit", str(letter.event_id).encode())
    audit = serde.decode("support.audit", entry)
    assert isinstance(audit, AuditEntry)
    assert (audit.action, audit.reason) == ("redrive", "fixed the decoder")
    assert audit.details == {"service": "summarizer-store", "origin_topic": "support.summaries"}


async def test_all_of_a_service_go_back_and_the_next_time_none(settings, write):
    letters = [await write(service="ingest-status", origin_topic="support.messages") for _ in range(3)]
    code, _ = run("redrive", "--service", "ingest-status", "--all")
    assert code == 0
    code, output = run("redrive", "--service", "ingest-status", "--all", "--json")
    assert (code, json.loads(output)) == (0, [])
    for letter in letters:
        assert len(read(settings, "support.ingest-status.redrive", letter.key)) == 1


async def test_a_line_of_a_file_says_what_to_do_instead(write):
    letter = await write(
        service="ingest", origin_topic="s3://bucket/interactions/a.jsonl", origin_partition=-1, origin_offset=7
    )
    code, output = run("redrive", str(letter.event_id))
    assert code == 1
    assert "drop a file with that line into the bucket again" in " ".join(output.split())


async def test_a_payload_is_masked_until_someone_asks_and_that_is_written_down(settings, serde, write):
    letter = await write(origin_topic="support.intercom.raw", service="ingest", value=b'{"body": "my secret"}')
    _, output = run("show", str(letter.event_id)[:18])
    assert "my secret" not in output
    assert json.loads(output)["redrive"] == "to support.ingest.redrive"
    _, output = run("show", str(letter.event_id), "--unmask", "--reason", "asked by the customer")
    assert json.loads(output)["payload"] == {"body": "my secret"}
    [(entry, _, _)] = read(settings, "support.audit", str(letter.event_id).encode())
    assert serde.decode("support.audit", entry).action == "unmask"


async def test_two_redrives_at_once_send_a_letter_once(settings, serde, write):
    letter = await write()

    def redriver() -> Redriver:
        return Redriver(
            settings, serde, Letters(settings, serde), now=lambda: datetime.now(UTC), actor="test",
            transactional_id="floodgate-redrive-test",
        )  # fmt: skip

    class SlowLetters(Letters):
        """While the first reads its ledger, a second redrive begins and commits."""

        def ledger(self):
            found = super().ledger()
            redriver().redrive([letter], reason="second")
            return found

    first = Redriver(
        settings, serde, SlowLetters(settings, serde), now=lambda: datetime.now(UTC), actor="test",
        transactional_id="floodgate-redrive-test",
    )  # fmt: skip
    with pytest.raises(FatalError, match="another redrive"):
        first.redrive([letter], reason="first")
    assert len(read(settings, "support.summarizer-store.redrive", letter.key)) == 1


@pytest.mark.parametrize(
    "arguments", [["redrive"], ["redrive", "--all"], ["redrive", "x", "--service", "agent", "--all"]]
)
def test_a_command_that_names_nothing_or_too_much_is_refused(stack_env, arguments):
    with pytest.raises(FatalError):
        run(*arguments)


def test_an_unknown_letter_is_said_to_be_unknown(stack_env):
    with pytest.raises(FatalError, match="no dead letter"):
        run("show", str(UUID(int=0)))
