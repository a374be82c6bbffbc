"""The dead-letter CLI on a real broker: listed, masked, sent back once, written down."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from confluent_kafka import Consumer, TopicPartition
from floodgate.deadletters import Letters, Redriver
from floodgate.deadletters.cli import app
from floodgate.events import (
    AuditEntry,
    DeadLetter,
    Decision,
    Feedback,
    FeedbackLabel,
    Message,
    MessageKind,
    Misuse,
    RecordHeader,
    Verdict,
)
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
    deadline = time.monotonic() + 60
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


def broken_line(**changes: object) -> dict[str, object]:
    place = {"origin_topic": "s3://bucket/a.jsonl", "origin_partition": -1, "origin_offset": 7, "headers": ()}
    return {"service": "ingest", **place, "value": b'{"interaction_id": broken'} | changes


async def test_a_broken_line_goes_back_only_corrected_and_the_audit_holds_no_word_of_it(
    settings, serde, write, tmp_path
):
    letter = await write(**broken_line())
    code, output = run("redrive", str(letter.event_id))
    assert code == 1
    assert "--value FILE" in " ".join(output.split())

    corrected = tmp_path / "line.json"
    corrected.write_bytes(b'{"interaction_id": "mended"}\n')
    code, shown = run("redrive", str(letter.event_id), "--value", str(corrected), "--dry-run", "--json")
    assert (code, json.loads(shown)[0]["outcome"]) == (0, "would_redrive")
    code, shown = run("redrive", str(letter.event_id), "--value", str(corrected), "--reason", "mended", "--json")
    assert (code, json.loads(shown)[0]["outcome"]) == (0, "redriven")

    [(value, headers, _)] = read(settings, "support.ingest.redrive", letter.key)
    assert value == b'{"interaction_id": "mended"}'
    assert headers[ORIGIN_TOPIC_HEADER] == b"s3://bucket/a.jsonl:7"
    [(entry, _, _)] = read(settings, "support.audit", str(letter.event_id).encode())
    assert serde.decode("support.audit", entry).details == {
        "service": "ingest",
        "origin_topic": "s3://bucket/a.jsonl:7",
        "failed_sha256": hashlib.sha256(letter.value).hexdigest(),
        "corrected_sha256": hashlib.sha256(value).hexdigest(),
    }


async def test_a_correction_is_of_one_letter_and_of_the_record_that_failed(settings, write, tmp_path):
    first, second = await write(**broken_line()), await write(**broken_line())
    unfit = await write(service="summarizer", origin_topic="support.interactions")
    corrected = tmp_path / "line.json"
    corrected.write_bytes(b'{"interaction_id": "mended"}')
    with pytest.raises(FatalError, match="corrects one letter"):
        run("redrive", str(first.event_id), str(second.event_id), "--value", str(corrected))
    with pytest.raises(FatalError, match="corrects one letter"):
        run("redrive", "--service", "ingest", "--all", "--value", str(corrected))
    with pytest.raises(FatalError, match="is no Interaction: wrong or missing: "):
        run("redrive", str(unfit.event_id), "--value", str(corrected))
    with pytest.raises(FatalError, match="nothing-here"):
        run("redrive", str(first.event_id), "--value", str(tmp_path / "nothing-here"))
    assert read(settings, "support.ingest.redrive", first.key) == []


async def test_a_corrected_record_of_a_topic_goes_back_in_its_schema(settings, serde, write, tmp_path):
    mended = Feedback(
        event_id=uuid4(), occurred_at=datetime.now(UTC), conversation_id=f"rest:{uuid4().hex[:8]}",
        label=FeedbackLabel.OK, source="intercom",
    )  # fmt: skip
    letter = await write(service="ingest-status", origin_topic="support.feedback", key=mended.conversation_id.encode())
    corrected = tmp_path / "record.json"
    corrected.write_text(mended.model_dump_json(), encoding="utf-8")
    assert run("redrive", str(letter.event_id), "--value", str(corrected))[0] == 0
    [(value, _, _)] = read(settings, "support.ingest-status.redrive", letter.key)
    assert serde.decode("support.feedback", value).event_id == mended.event_id


async def test_a_notice_of_the_queue_stays_and_says_what_to_do(write):
    letter = await write(**broken_line(origin_topic="sqs://drops", origin_offset=-1, value=b"{}"))
    code, output = run("redrive", str(letter.event_id))
    assert code == 1
    assert "floodgate ingest s3 s3://bucket/key" in " ".join(output.split())


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


async def test_parked_letters_go_in_order_and_one_that_is_given_up_makes_room(settings, serde, write):
    key = f"rest:{uuid4().hex[:8]}".encode()
    first, second = [
        await write(key=key, headers=(RecordHeader(key="parked-number", value=b"%d" % number),)) for number in (0, 1)
    ]
    code, output = run("redrive", str(second.event_id))
    assert code == 1
    assert f"send back (or discard) {first.event_id} (number 0) before it, or with it" in " ".join(output.split())
    code, output = run("discard", str(first.event_id), "--reason", "cannot be mended", "--json")
    assert (code, json.loads(output)[0]["outcome"]) == (0, "discarded")
    code, output = run("redrive", str(second.event_id), str(first.event_id), "--json")
    assert (code, [entry["outcome"] for entry in json.loads(output)]) == (1, ["redriven", "kept"])
    returned = read(settings, "support.summarizer-store.redrive", key)
    assert [(value, headers["parked-number"]) for value, headers, _ in returned] == [
        (None, b"0"),
        (second.value, b"1"),
    ]
    [(entry, _, _)] = read(settings, "support.audit", str(first.event_id).encode())
    audit = serde.decode("support.audit", entry)
    assert (audit.action, audit.reason) == ("discard", "cannot be mended")


INTERACTION = {
    "interaction_id": "5f0c1e7a-3c0e-4f57-9a39-2f5f6f1f9d10",
    "turns": [{"role": "customer", "text": "I want my money back"}],
}


def passed_verdict() -> Verdict:
    """A verdict that the agent only takes note of."""
    conversation_id, now = f"intercom:{uuid4().hex[:8]}", datetime.now(UTC)
    message = Message(
        event_id=uuid4(), occurred_at=now, conversation_id=conversation_id, kind=MessageKind.USER_MESSAGE,
        channel="intercom", contact_id="p-1", contact_verified=True, text="I want my money back",
    )  # fmt: skip
    return Verdict(
        event_id=uuid4(), occurred_at=now, conversation_id=conversation_id, decision=Decision.PASS,
        message=message, category="refund_tickets", misuse=Misuse.NONE, urgent=False, urgency=0.1,
        wants="A refund.", confidence=0.9, explanation="A test.", language="en",
    )  # fmt: skip


def rehearse(*arguments: str) -> tuple[int, dict[str, Any], str]:
    """The command in a process of its own, as an operator gives it: exit code, what it says, and its log."""
    command = [sys.executable, "-m", "floodgate.cli.main", "dlq", "rehearse", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, json.loads(done.stdout or "{}"), done.stderr


async def test_a_letter_is_rehearsed_with_the_state_of_its_key_and_stays_where_it_is(settings, serde, write):
    verdict = passed_verdict()
    letter = await write(
        service="agent", origin_topic="support.verdicts", key=verdict.conversation_id.encode(),
        value=serde.encode("support.verdicts", verdict),
    )  # fmt: skip
    code, told, _ = rehearse(str(letter.event_id))
    assert (code, told["outcome"], told["effect_not_run"]) == (0, "outcome", None)
    assert told["state_changes"] is True
    assert told["state"]["recent_event_ids"] == ["<36 characters>"]
    assert run("list", "--json", "--limit", "1000")[1].count(str(letter.event_id)) == 1
    assert read(settings, "support.agent.redrive", letter.key) == []
    assert read(settings, "support.redrive.ledger", str(letter.event_id).encode()) == []
    assert read(settings, "support.agent.state", letter.key) == []


async def test_what_would_fail_again_says_why_and_a_correction_is_rehearsed_before_it_is_sent(write, tmp_path):
    letter = await write(**broken_line())
    code, told, _ = rehearse(str(letter.event_id))
    assert (code, told["outcome"], told["failure"]["error_class"]) == (1, "dead_letter", "poison")
    corrected = tmp_path / "line.json"
    corrected.write_text(json.dumps(INTERACTION), encoding="utf-8")
    code, told, _ = rehearse(str(letter.event_id), "--value", str(corrected))
    assert (code, told["outcome"]) == (0, "outcome"), told
    assert [output["topic"] for output in told["outputs"]] == ["support.interactions"]
    assert "I want my money back" not in json.dumps(told)


async def test_a_service_whose_handler_writes_outside_is_not_rehearsed(write):
    letter = await write()
    code, told, log = rehearse(str(letter.event_id))
    assert (code, told) == (1, {})
    assert "summarizer-store writes outside Kafka as it handles a record: redrive the letter instead" in log


@pytest.mark.parametrize(
    "arguments", [["redrive"], ["redrive", "--all"], ["redrive", "x", "--service", "agent", "--all"]]
)
def test_a_command_that_names_nothing_or_too_much_is_refused(stack_env, arguments):
    with pytest.raises(FatalError):
        run(*arguments)


def test_an_unknown_letter_is_said_to_be_unknown(stack_env):
    with pytest.raises(FatalError, match="no dead letter"):
        run("show", str(UUID(int=0)))
