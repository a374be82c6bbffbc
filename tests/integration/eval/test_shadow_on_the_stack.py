"""Yesterday's topics on a real broker: a candidate beside what was recorded, and judgements that become rows."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka.admin import AdminClient
from floodgate.committed import CommittedRecords
from floodgate.events import AvroModel, Decision, Feedback, Message, MessageKind, Misuse, Verdict, Versions
from floodgate.events.serde import AvroSerde
from floodgate.service import EventProducer
from floodgate.settings import KafkaSettings, RegistrySettings, load

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[3]
TEXT = "could you please send me the tickets for Saturday once more"


@pytest.fixture(scope="module")
def conversation(stack_env: dict[str, str]) -> str:
    """A conversation whose message was recorded as spam, which no version of today would say."""
    key, now = f"rest:{uuid4()}", datetime.now(UTC)
    message = Message(
        event_id=uuid4(), occurred_at=now, conversation_id=key, kind=MessageKind.USER_MESSAGE, channel="rest",
        contact_id="c", text=TEXT, chosen_path="tickets/resend", language="en", country="GB",
    )  # fmt: skip
    verdict = Verdict(
        event_id=uuid4(), occurred_at=now, causation_id=message.event_id, conversation_id=key, message=message,
        decision=Decision.QUARANTINE, misuse=Misuse.SPAM, urgent=False, urgency=0.0, confidence=0.9, explanation="-",
        language="en", category="sign_in", versions=Versions(prompt="assess@1"),
    )  # fmt: skip
    asyncio.run(_written([("support.messages", key, message), ("support.verdicts", key, verdict)]))
    return key


async def _written(records: list[tuple[str, str, AvroModel]]) -> None:
    producer = EventProducer(load(KafkaSettings), AvroSerde(load(RegistrySettings).url))
    try:
        for record in records:
            await producer.send(*record)
    finally:
        await producer.close()


def floodgate(*arguments: object, code: int = 0) -> str:
    command = [sys.executable, "-m", "floodgate.cli.main", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, check=False)
    assert done.returncode == code, (done.stdout + done.stderr)[-3000:]
    return done.stdout


def shadow(tmp_path: Path, *more: object, code: int = 0) -> dict[str, Any]:
    out = tmp_path / "shadow.json"
    begun = (datetime.now(UTC) - timedelta(minutes=10)).strftime("%Y-%m-%dT%H:%M:%S")
    floodgate("shadow", "firewall", "--from", begun, "--json", out, "--quiet", *more, code=code)
    found: dict[str, Any] = json.loads(out.read_text())
    return found


def test_a_candidate_is_compared_with_what_was_recorded_and_leaves_no_trace(
    conversation: str, stack_env: dict[str, str], tmp_path: Path
) -> None:
    kept = tmp_path / "kept.jsonl"
    found = shadow(tmp_path, "--set", "urgent=0.95", "--keep", kept, "--fail-if", "quarantined_lost>0", code=2)
    changes = {change["change"]: change for change in found["examples"]}
    lost = [
        shown for change in changes.values() for shown in change["shown"] if shown["conversation_id"] == conversation
    ]
    assert [shown["before"]["decision"] for shown in lost] == ["quarantine"]
    assert lost[0]["after"]["decision"] != "quarantine"
    assert found["fails"] == ["quarantined_lost>0"]
    assert TEXT not in json.dumps(found)
    admin = AdminClient({"bootstrap.servers": stack_env["FLOODGATE_KAFKA_BOOTSTRAP_SERVERS"]})
    groups = {group.group_id for group in admin.list_consumer_groups().result().valid}
    assert not {group for group in groups if group.endswith("shadow")}
    again = tmp_path / "again.json"
    floodgate("shadow", "firewall", "--file", kept, "--set", "urgent=0.95", "--quiet", "--json", again)
    assert json.loads(again.read_text())["matrix"] == found["matrix"]


def test_judgements_of_a_file_become_rows_of_an_evaluation(conversation: str, tmp_path: Path) -> None:
    file, rows = tmp_path / "judged.jsonl", tmp_path / "rows.jsonl"
    row = {"conversation_id": conversation, "label": "wrong_path", "should_be": "resend_tickets", "reviewer": "ana"}
    file.write_text(json.dumps(row))
    for _ in range(2):
        assert json.loads(floodgate("feedback", "import", file, "--json"))["judgements"] == 1
    given = [
        record
        for _, key, record in CommittedRecords("-", "test").of("support.feedback")
        if key == conversation and isinstance(record, Feedback)
    ]
    assert len({record.event_id for record in given}) == 1
    assert given[0].should_be == "tickets/resend"
    assert given[0].reviewer not in {"", "ana"}
    floodgate("eval", "from-feedback", "--out", rows)
    found = [json.loads(line) for line in rows.read_text(encoding="utf-8").splitlines()]
    assert {"text": TEXT, "lang": "en", "intent": "resend_tickets"} in found


def test_a_time_without_anything_is_said_in_one_line(stack_env: dict[str, str]) -> None:
    command = ("shadow", "firewall", "--from", "2020-01-01", "--to", "2020-01-02", "--set", "urgent=0.9", "--quiet")
    floodgate(*command, code=1)
