"""Whether a dead letter goes back, as what, and what is shown of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from floodgate.deadletters.decisions import LedgerEntry, decide
from floodgate.deadletters.masking import description, masked
from floodgate.events import DeadLetter, RecordHeader
from floodgate.events.serde import AvroSerde
from keyflow import ORIGIN_TOPIC_HEADER

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
UNUSED_REGISTRY = AvroSerde("http://registry.invalid")


def letter(**changes):
    return DeadLetter(
        **{
            "event_id": uuid4(),
            "occurred_at": NOW,
            "service": "agent",
            "origin_topic": "support.verdicts",
            "origin_partition": 2,
            "origin_offset": 17,
            "key": b"intercom:1",
            "value": b"bytes",
            "headers": (RecordHeader(key="traceparent", value=b"00-1-2-01"),),
            "error_class": "poison",
            "reason": "broken",
            "attempts": 1,
        }
        | changes
    )


def test_a_letter_goes_back_to_its_service_with_its_headers_and_where_it_came_from():
    found = letter()
    decision = decide(found, {})
    assert decision.topic == "support.agent.redrive"
    assert decision.headers == (
        ("traceparent", b"00-1-2-01"),
        (ORIGIN_TOPIC_HEADER, b"support.verdicts"),
        ("redriven-from", str(found.event_id).encode()),
    )


def test_what_is_in_the_ledger_does_not_go_back_again():
    found = letter()
    entry = LedgerEntry(action="redriven", at=NOW, actor="ada")
    decision = decide(found, {str(found.event_id): entry})
    assert decision.topic is None
    assert decision.done_before
    assert decision.refusal == "redriven by ada at 2026-11-22 12:00 UTC"


def test_a_letter_that_failed_again_on_its_way_back_keeps_its_first_origin():
    headers = (RecordHeader(key=ORIGIN_TOPIC_HEADER, value=b"support.verdicts"),)
    decision = decide(letter(origin_topic="support.agent.redrive", headers=headers), {})
    assert decision.headers[0] == (ORIGIN_TOPIC_HEADER, b"support.verdicts")
    assert [name for name, _ in decision.headers].count(ORIGIN_TOPIC_HEADER) == 1


def test_a_letter_that_does_not_know_its_first_origin_stays():
    assert "does not say" in decide(letter(origin_topic="support.agent.redrive", headers=()), {}).refusal


@pytest.mark.parametrize(
    ("origin", "remedy"),
    [
        ("s3://bucket/interactions/a.jsonl", "drop a file with that line into the bucket again"),
        ("file:conversations.jsonl", "floodgate ingest file"),
        ("sqs://queue", "drop the object again"),
        ("webhooks/intercom", "have the sender deliver it again"),
    ],
)
def test_what_failed_at_an_edge_stays_and_says_what_to_do(origin, remedy):
    decision = decide(letter(service="ingest", origin_topic=origin, origin_partition=-1), {})
    assert decision.topic is None
    assert remedy in decision.refusal


def test_a_service_without_a_way_back_says_so():
    assert "support.nobody.redrive" in decide(letter(service="nobody"), {}).refusal


def test_a_letter_without_a_payload_stays():
    assert "no payload" in decide(letter(value=None), {}).refusal


def test_what_a_person_wrote_is_masked_and_what_tells_the_case_is_not():
    shown = masked(
        {"conversation_id": "intercom:1", "kind": "user_message", "text": "my card is 4111", "turns": [{"text": "hi"}]}
    )
    assert shown == {
        "conversation_id": "intercom:1",
        "kind": "user_message",
        "text": "<15 characters>",
        "turns": [{"text": "<2 characters>"}],
    }


def test_a_payload_is_shown_whole_only_when_asked_for():
    found = letter(origin_topic="support.intercom.raw", value=json.dumps({"body": "secret"}).encode(), raw_output="no")
    hidden = json.dumps(description(found, UNUSED_REGISTRY, unmask=False))
    assert "secret" not in hidden
    assert '"raw_output": "<2 characters>"' in hidden
    assert description(found, UNUSED_REGISTRY, unmask=True)["payload"] == {"body": "secret"}


def test_bytes_that_nobody_can_read_are_told_by_their_size_alone():
    facts = description(
        letter(origin_topic="support.intercom.raw", value=b"\xff\x00 hello"), UNUSED_REGISTRY, unmask=False
    )
    assert facts["payload"] is None
    assert facts["payload_bytes"].startswith("8 bytes, SHA-256 ")
