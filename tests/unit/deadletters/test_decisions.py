"""Whether a dead letter goes back, as what, and what is shown of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from floodgate.deadletters.correcting import corrected_value
from floodgate.deadletters.decisions import LedgerEntry, decide, give_up, in_turn, number
from floodgate.deadletters.masking import description, masked
from floodgate.events import DeadLetter, Feedback, FeedbackLabel, RecordHeader
from floodgate.events.serde import AvroSerde
from keyflow import ORIGIN_TOPIC_HEADER
from keyflow.errors import FatalError

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
    assert decision.origin_topic == "support.verdicts"
    assert decision.headers == (
        ("traceparent", b"00-1-2-01"),
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
    assert decision.origin_topic == "support.verdicts"


def test_a_letter_that_does_not_know_its_first_origin_stays():
    assert "does not say" in decide(letter(origin_topic="support.agent.redrive", headers=()), {}).refusal


def at_edge(origin, value=b'{"turns": 1}', line=-1, **changes):
    return letter(
        service="ingest", origin_topic=origin, origin_partition=-1, origin_offset=line, value=value, headers=()
    ).model_copy(update=changes)


@pytest.mark.parametrize(
    ("origin", "line", "place"),
    [
        ("s3://bucket/interactions/a.jsonl", 7, "s3://bucket/interactions/a.jsonl:7"),
        ("file:conversations.jsonl", 2, "file:conversations.jsonl:2"),
        ("webhooks/intercom", -1, "webhooks/intercom"),
        ("intercom:reconciler:15", -1, "intercom:reconciler:15"),
    ],
)
def test_what_failed_at_an_edge_goes_back_to_where_it_is_read_by_its_origin(origin, line, place):
    found = at_edge(origin, line=line)
    decision = decide(found, {})
    assert decision.topic == "support.ingest.redrive"
    assert decision.value == found.value
    assert decision.origin_topic == place


@pytest.mark.parametrize(
    ("found", "remedy"),
    [
        (at_edge("sqs://queue"), "floodgate ingest s3 s3://bucket/key"),
        (at_edge("somewhere/else"), "have the sender deliver it again"),
        (at_edge("s3://bucket/a.jsonl", None), "`floodgate ingest s3 s3://bucket/a.jsonl` reads it"),
        (at_edge("file:a.jsonl", None), "`floodgate ingest file a.jsonl` reads it"),
        (at_edge("webhooks/intercom", b"{broken"), "--value FILE"),
        (at_edge("file:a.jsonl", b"[1, 2]", line=1), "--value FILE"),
    ],
)
def test_what_cannot_go_back_to_an_edge_says_what_to_do(found, remedy):
    decision = decide(found, {})
    assert decision.topic is None
    assert remedy in decision.refusal


def test_a_notice_of_a_queue_does_not_go_back_corrected_either():
    assert decide(at_edge("sqs://queue"), {}, b"{}").topic is None


def test_a_corrected_record_takes_the_place_of_what_failed():
    decision = decide(at_edge("s3://bucket/a.jsonl", b"{broken", line=3), {}, b'{"turns": []}')
    assert (decision.topic, decision.value, decision.corrected) == ("support.ingest.redrive", b'{"turns": []}', True)


def test_what_failed_again_on_its_way_back_can_be_corrected_too():
    headers = (RecordHeader(key=ORIGIN_TOPIC_HEADER, value=b"s3://bucket/a.jsonl:3"),)
    found = letter(service="ingest", origin_topic="support.ingest.redrive", value=b"{}", headers=headers)
    assert decide(found, {}).value == b"{}"
    assert corrected_value(found, b'{"turns": []}\n', UNUSED_REGISTRY) == b'{"turns": []}'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"{broken", "not one JSON object"),
        (b"[]", "not one JSON object"),
        (b'{"text": "\xff"}', "not one JSON object"),
        (b'{"text": "' + b"x" * 900_000 + b'"}', "at most 900000"),
    ],
)
def test_a_correction_that_cannot_be_read_is_refused_before_anything_is_sent(text, problem):
    with pytest.raises(FatalError, match=problem):
        corrected_value(at_edge("s3://bucket/a.jsonl", line=3), text, UNUSED_REGISTRY)


FEEDBACK = Feedback(
    event_id=uuid4(),
    occurred_at=NOW,
    conversation_id="intercom:1",
    label=FeedbackLabel.OK,
    source="intercom",
)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"conversation_id": "intercom:2"}, "another conversation_id"),
        ({"event_id": str(uuid4())}, "another event_id"),
        ({"label": "secret words"}, "wrong or missing: label$"),
        ({"nonsense": 1}, "wrong or missing: nonsense$"),
    ],
)
def test_a_corrected_record_of_a_topic_is_checked_by_its_schema_and_stays_the_same_event(changes, problem):
    found = letter(
        origin_topic="support.feedback",
        headers=(RecordHeader(key="event-id", value=str(FEEDBACK.event_id).encode()),),
    )
    text = json.dumps(FEEDBACK.model_dump(mode="json") | changes).encode()
    with pytest.raises(FatalError, match=problem) as refused:
        corrected_value(found, text, UNUSED_REGISTRY)
    assert "secret" not in str(refused.value)


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


def parked(number, **changes):
    header = RecordHeader(key="parked-number", value=b"%d" % number)
    return letter(headers=(header,), error_class="parked" if number else "poison", **changes)


def test_letters_of_a_parked_key_go_in_the_order_of_their_numbers():
    letters = [parked(2), parked(0), letter(key=b"other"), parked(1)]
    found = in_turn([decide(each, {}) for each in letters], letters, {})
    assert [number(decision.letter) for decision in found if decision.letter.key != b"other"] == [0, 1, 2]
    assert all(decision.topic == "support.agent.redrive" for decision in found)
    assert ("parked-number", b"0") in found[0].headers


def test_a_letter_before_its_turn_stays_and_names_those_that_come_first():
    letters = [parked(number) for number in range(6)] + [parked(0, key=b"other"), parked(0, service="firewall")]
    entry = LedgerEntry(action="redriven", at=NOW, actor="ada")
    ledger = {str(letters[0].event_id): entry}
    [decision] = in_turn([decide(letters[5], ledger)], letters, ledger)
    assert decision.topic is None
    assert decision.refusal == (
        f"its key is parked and it has number 5: send back (or discard) {letters[1].event_id} (number 1), "
        f"{letters[2].event_id} (number 2), {letters[3].event_id} (number 3) and 1 more before it, or with it"
    )
    [decision] = in_turn([decide(letters[1], ledger)], letters, ledger)
    assert decision.topic == "support.agent.redrive"


def test_a_letter_that_failed_again_is_before_those_that_came_after_it():
    first, second = parked(0), parked(1)
    again = parked(0, origin_topic="support.agent.redrive")
    ledger = {str(first.event_id): LedgerEntry(action="redriven", at=NOW, actor="ada")}
    [decision] = in_turn([decide(second, ledger)], [first, second, again], ledger)
    assert f"send back (or discard) {again.event_id} (number 0) before it" in decision.refusal


def test_a_letter_that_is_given_up_goes_nowhere_unless_its_key_waits_for_it():
    decision = give_up(letter(), {})
    assert (decision.topic, decision.stays) == (None, False)
    decision = give_up(parked(0, value=None), {})
    assert (decision.topic, decision.value, decision.origin_topic) == (
        "support.agent.redrive",
        None,
        "support.verdicts",
    )
    assert ("parked-number", b"0") in decision.headers
    found = letter()
    entry = LedgerEntry(action="discarded", at=NOW, actor="ada")
    decision = give_up(found, {str(found.event_id): entry})
    assert (decision.stays, decision.refusal) == (True, "discarded by ada at 2026-11-22 12:00 UTC")


def test_a_parked_letter_without_a_payload_says_how_its_key_goes_on():
    assert "`floodgate dlq discard`" in decide(parked(0, value=None), {}).refusal
    assert "discard" not in decide(letter(value=None), {}).refusal


def test_a_letter_that_is_given_up_waits_for_its_turn_too():
    letters = [parked(0), parked(1)]
    [decision] = in_turn([give_up(letters[1], {})], letters, {})
    assert decision.stays
    found = in_turn([give_up(each, {}) for each in reversed(letters)], letters, {})
    assert [number(decision.letter) for decision in found] == [0, 1]
