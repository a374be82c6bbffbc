from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from floodgate.events import Interaction, Message, MessageKind, TurnRole
from hypothesis import given
from hypothesis import strategies as st
from ingest.domain.errors import DocumentError
from ingest.domain.lines import MAX_LINE_BYTES, interaction_of, messages_of, parse_line
from ingest_fakes import NOW
from ingest_samples import PSEUDONYMS

ID = "3f0c9d3a-0f4e-4a69-9a53-0d2f0b3c4d5e"
INTERACTION: dict[str, Any] = {
    "interaction_id": ID,
    "country": "nl",
    "language": "nl-NL",
    "channel": "chat",
    "contact": {"external_id": "cust-0001"},
    "turns": [
        {"role": "customer", "text": "Mijn ticket kwam niet aan.", "at": "2026-11-20T10:00:00Z"},
        {"role": "agent", "text": "Opnieuw gestuurd.", "at": "2026-11-20T10:05:00+01:00"},
    ],
    "labels": {"sentiment": "neutral"},
}
CONVERSATION: dict[str, Any] = {
    "conversation_id": "c-1",
    "contact": {"external_id": "cust-0001", "verified": True},
    "language": "nl",
    "chosen_path": "other",
    "messages": [{"text": "Hallo"}, {"id": "m-2", "text": "Nog iets", "chosen_path": "tickets/refund"}],
}


def interaction(document: dict[str, Any]) -> Interaction:
    return interaction_of(document, PSEUDONYMS, source="s3", origin="s3://b/k:1", read_at=NOW)


def conversation(document: dict[str, Any]) -> tuple[Message, ...]:
    return messages_of(document, PSEUDONYMS, read_at=NOW)


def test_an_interaction_is_read_with_all_that_it_says() -> None:
    found = interaction(INTERACTION)
    assert found.interaction_id == UUID(ID)
    assert (found.country, found.language, found.channel, found.source) == ("NL", "nl", "chat", "s3")
    assert [turn.role for turn in found.turns] == [TurnRole.CUSTOMER, TurnRole.AGENT]
    assert found.started_at == datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
    assert found.ended_at == found.occurred_at == datetime(2026, 11, 20, 9, 5, tzinfo=UTC)
    assert PSEUDONYMS.reveal(found.contact_id) == ("customer", "cust-0001")
    assert found.chosen_path == "unknown"


def test_without_times_the_reading_counts_and_without_contact_nobody() -> None:
    found = interaction({"interaction_id": ID, "turns": [{"role": "bot", "text": "Hello"}]})
    assert (found.occurred_at, found.ended_at, found.contact_id) == (NOW, None, "")


def test_a_time_without_zone_is_utc() -> None:
    found = interaction({**INTERACTION, "ended_at": "2026-11-20T12:00:00"})
    assert found.ended_at == datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"interaction_id": "nope"}, "interaction_id"),
        ({"interaction_id": None}, "interaction_id"),
        ({"turns": []}, "turns"),
        ({"turns": [{"role": "customer", "text": "  "}]}, "turns"),
        ({"turns": [{"role": "client", "text": "secret words"}]}, "turns.0.role"),
        ({"turns": [{"role": "customer"}]}, "turns.0.text"),
        ({"turns": [{"role": "customer", "text": 5}]}, "turns.0.text"),
        ({"country": "Netherlands"}, "country"),
        ({"language": 7}, "language"),
        ({"ended_at": "yesterday"}, "ended_at"),
        ({"contact": "cust-0001"}, "contact"),
    ],
)
def test_a_wrong_interaction_names_the_member_and_quotes_nothing(change: dict[str, Any], field: str) -> None:
    with pytest.raises(DocumentError) as caught:
        interaction({**INTERACTION, **change})
    assert [problem.field for problem in caught.value.problems] == [field]
    assert "secret words" not in str(caught.value)
    assert "yesterday" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"{broken", "not JSON"),
        (b"\xff", "not UTF-8"),
        (b"[]", "JSON object"),
        (b"1", "JSON object"),
        (b"[" * 5000, "not JSON|nested"),
        (b" " * (MAX_LINE_BYTES + 1), "longer than"),
    ],
)
def test_a_line_that_is_no_object_says_why(line: bytes, said: str) -> None:
    with pytest.raises(DocumentError, match=said):
        parse_line(line)


def test_half_a_surrogate_pair_becomes_the_replacement_character_and_a_whole_one_stays() -> None:
    turns = b'"turns":[{"role":"customer","text":"cut \\ud83d whole \\ud83d\\ude00"}]'
    found = interaction(parse_line(b'{"interaction_id":"%s",%s}' % (ID.encode(), turns)))
    assert found.turns[0].text == "cut \ufffd whole \U0001f600"


def test_half_a_surrogate_pair_that_comes_otherwise_is_refused() -> None:
    with pytest.raises(DocumentError):
        interaction({**INTERACTION, "contact": {"external_id": "\ud83d"}})


@given(st.permutations(list(INTERACTION)))
def test_the_order_of_members_does_not_change_the_event(names: list[str]) -> None:
    reordered = {name: INTERACTION[name] for name in names}
    spaced = parse_line(json.dumps(reordered, indent=1).encode())
    assert interaction(spaced).event_id == interaction(INTERACTION).event_id


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=50))
def test_other_content_is_another_event_of_the_same_interaction(text: str) -> None:
    changed = {**INTERACTION, "turns": [*INTERACTION["turns"], {"role": "customer", "text": text}]}
    assert interaction(changed).event_id != interaction(INTERACTION).event_id
    assert interaction(changed).interaction_id == interaction(INTERACTION).interaction_id


def test_a_conversation_becomes_its_messages_in_order() -> None:
    first, second = conversation(CONVERSATION)
    assert (first.conversation_id, first.channel, first.text) == ("file:c-1", "file", "Hallo")
    assert (first.chosen_path, second.chosen_path) == ("other", "tickets/refund")
    assert (first.channel_message_id, second.channel_message_id) == ("#1", "m-2")
    assert first.contact_verified
    assert first.event_id != second.event_id
    assert conversation(CONVERSATION) == (first, second)


def test_a_closed_conversation_ends_with_its_closing() -> None:
    messages = conversation({**CONVERSATION, "closed": True})
    assert [message.kind for message in messages] == [MessageKind.USER_MESSAGE] * 2 + [MessageKind.CLOSED]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"contact": {}}, "contact"),
        ({"contact": None}, "contact"),
        ({"messages": []}, "messages"),
        ({"messages": [{"text": None}]}, "messages.0.text"),
        ({"conversation_id": ""}, "conversation_id"),
    ],
)
def test_a_wrong_conversation_names_the_member(change: dict[str, Any], field: str) -> None:
    with pytest.raises(DocumentError) as caught:
        conversation({**CONVERSATION, **change})
    assert [problem.field for problem in caught.value.problems] == [field]


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=300)))
def test_reading_a_file_again_later_gives_the_same_ids(later: timedelta) -> None:
    again = messages_of(CONVERSATION, PSEUDONYMS, read_at=NOW + later)
    assert [m.event_id for m in again] == [m.event_id for m in conversation(CONVERSATION)]
