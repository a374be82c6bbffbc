"""What the projection keeps of a record."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from console.domain.documents import VERSION, Place, document, language_in, ledger_update, mapping
from floodgate.events import DeadLetter, Message, MessageKind, Metric

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PLACE = Place("support.messages", 3, 41, 1_772_442_000_000)


MAPPINGS = {2: "428a68cdb0226e59"}
"""What the mapping of each version was; a new one gets a new version, so that consoles ask for a rebuild."""


def message(text: str) -> Message:
    return Message(
        event_id=uuid4(),
        occurred_at=AT,
        conversation_id="rest:1",
        kind=MessageKind.USER_MESSAGE,
        channel="rest",
        contact_id="contact",
        text=text,
        chosen_path="tickets/resend",
    )


def test_the_same_record_is_the_same_document() -> None:
    record = message("Where are my tickets?")
    assert document(record, PLACE) == document(record, PLACE)
    assert document(record, PLACE)[0] == str(record.event_id)


def test_nobody_is_found_by_an_address_or_a_number() -> None:
    _, found = document(message("I am lotte.visser@example.org, call +31 6 12345678 about tickets"), PLACE)
    assert "tickets" in found["text"]
    assert "lotte.visser" not in found["text"]
    assert "12345678" not in found["text"]


def test_a_dead_letters_bytes_stay_in_kafka() -> None:
    letter = DeadLetter(
        event_id=uuid4(),
        occurred_at=AT,
        service="firewall",
        origin_topic="support.messages",
        origin_partition=1,
        origin_offset=2,
        key=b"rest:1",
        value=b"\x00\xff secret words",
        error_class="poison",
        reason="cannot be decoded",
        attempts=1,
    )
    _, found = document(letter, PLACE)
    assert "secret words" not in json.dumps(found)
    assert found["conversation_id"] == "rest:1"
    assert found["state"] == "open"


def test_a_metric_stands_at_the_start_of_its_window() -> None:
    metric = Metric(
        event_id=uuid4(), occurred_at=AT, name="urgent", window_start=AT.replace(hour=8), window_seconds=60, value=3.0
    )
    assert document(metric, PLACE)[1]["at"].startswith("2026-03-02T08:00")


def test_the_ledger_settles_a_letter() -> None:
    entry = {"action": "redriven", "at": AT.isoformat(), "actor": "mila", "reason": "fixed"}
    update = ledger_update(json.dumps(entry).encode())
    assert update is not None
    assert (update["state"], update["state_by"]) == ("redriven", "mila")
    assert ledger_update(b"no json") is None


def test_every_member_that_is_counted_is_mapped() -> None:
    _, found = document(message("Hello"), PLACE)
    known = mapping()["mappings"]["properties"]
    assert set(found) <= set(known)


def test_a_corrected_figure_takes_the_place_of_the_one_before() -> None:
    def figure(revision: int, value: float) -> Metric:
        return Metric(
            event_id=uuid4(),
            occurred_at=AT,
            name="verdicts",
            window_start=AT,
            window_seconds=60,
            dimensions={"category": "sign_in", "language": "nl", "country": ""},
            value=value,
            revision=revision,
        )

    first, second = document(figure(0, 3.0), PLACE), document(figure(1, 4.0), PLACE)
    assert first[0] == second[0]
    assert second[1]["value"] == 4.0


@pytest.mark.parametrize(
    ("payload", "language"),
    [
        ({"language": "nl"}, "nl"),
        ({"message": {"language": "de"}}, "de"),
        ({"language": None, "message": {"language": "fr"}}, "fr"),
        ({"language": ["nl"]}, ""),
        ({"language": "x" * 21}, ""),
        ([], ""),
        (None, ""),
    ],
)
def test_the_language_of_a_letter_is_what_its_payload_says(payload: object, language: str) -> None:
    assert language_in(payload) == language


def test_another_mapping_has_another_version() -> None:
    properties = json.dumps(mapping()["mappings"]["properties"], sort_keys=True)
    assert hashlib.sha256(properties.encode()).hexdigest()[:16] == MAPPINGS[VERSION], "raise VERSION, note the mapping"
