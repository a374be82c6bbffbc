from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from floodgate.erasing.planning import Needles, Person, Place, Retention, Tally
from floodgate.events import edge_event_id

DAY_MS = 86_400_000
CONVERSATION = "intercom:12"


def test_a_conversation_brings_its_interaction() -> None:
    person = Person(frozenset({"abc"})).with_key("conversation_id", CONVERSATION)
    assert person.ids == {"abc", CONVERSATION, str(edge_event_id("interaction", CONVERSATION))}


def test_keys_that_are_no_ids_of_a_person_say_nothing() -> None:
    assert Person().with_key("window", "2026-11-23T10:00") == Person()


@pytest.mark.parametrize(
    "value",
    [
        b"\x16intercom:12\x02x",  # Avro: a length, and whatever comes next
        b"\x16intercom:12Habc",  # the next field's length is a letter
        b'{"conversation_id": "intercom:12"}',
        b"conversation intercom:12",
        b"intercom:12",
    ],
)
def test_an_id_is_found_however_it_was_written(value: bytes) -> None:
    assert Needles([CONVERSATION]).within(None, value)


@pytest.mark.parametrize("value", [b"\x18intercom:123\x02", b'"intercom:123"', b"myintercom:12", b"intercom:1"])
def test_another_id_that_begins_alike_is_not_found(value: bytes) -> None:
    assert not Needles([CONVERSATION]).within(value)


def test_an_id_longer_than_one_byte_of_length_is_found() -> None:
    name = "rest:" + "x" * 90
    assert Needles([name]).within(b"\xbe\x01" + name.encode() + b"Hmore")


def test_words_are_found_inside_a_text_and_blank_ones_are_not_searched() -> None:
    assert Needles([], ["Zonnebloemlaan"]).within(b"ik woon Zonnebloemlaan 4")
    assert not Needles([], ["", "  "]).within(b"anything  else")


def test_nothing_asked_for_is_found_nowhere() -> None:
    assert not Needles([]).within(b"anything")


def test_a_record_is_gone_when_the_newest_that_may_share_its_segment_is() -> None:
    at = datetime(2026, 11, 23, tzinfo=UTC)
    retention = Retention(30 * DAY_MS, 7 * DAY_MS)
    assert retention.gone_by(int(at.timestamp() * 1000)) == at + timedelta(days=38)


@pytest.mark.parametrize("retention_ms", [None, -1])
def test_a_topic_that_keeps_for_ever_has_no_date(retention_ms: int | None) -> None:
    assert Retention(retention_ms, DAY_MS).gone_by(0) is None


def test_a_compacted_topic_holds_a_key_until_its_tombstone_and_what_it_superseded_until_kafka_cleans() -> None:
    tally = Tally("support.agent.state", Retention(None, DAY_MS, 8 * DAY_MS))
    tally.add(b"a", found=True, at_ms=1)
    tally.add(b"b", found=True, at_ms=2)
    tally.add(b"c", found=False, at_ms=2)
    tally.add(b"a", found=False, at_ms=3)
    place = tally.place()
    assert place is not None
    assert (place.count, place.gone_by, tally.standing) == (1, None, {b"b"})
    tally.add(b"b", found=False, at_ms=DAY_MS)
    place = tally.place()
    assert place is not None
    assert (place.count, place.facts()["gone_by"], tally.standing) == (4, "1970-01-11", set())


def test_a_compacted_topic_that_may_wait_for_ever_with_cleaning_has_no_date() -> None:
    assert Retention(None, DAY_MS, 2**63 - 1 + DAY_MS).gone_by(0) is None


def test_what_is_past_its_date_stays() -> None:
    now = datetime(2026, 11, 23, tzinfo=UTC)
    assert Place("a", 1, None).stays(now)
    assert Place("a", 1, now - timedelta(days=1)).stays(now)
    assert not Place("a", 1, now + timedelta(days=1)).stays(now)


def test_short_ids_from_outside_are_not_searched_for_in_records() -> None:
    assert Person(outside=frozenset({("customer", "42"), ("intercom", "65f0c1aabbcc")})).ids == {"65f0c1aabbcc"}


def test_the_date_goes_by_the_newest_record_and_places_without_any_are_left_out() -> None:
    tally = Tally("support.messages", Retention(DAY_MS, 0))
    tally.add(b"x", found=False, at_ms=9 * DAY_MS)
    assert tally.place() is None
    tally.add(b"a", found=True, at_ms=3 * DAY_MS)
    tally.add(b"a", found=True, at_ms=2 * DAY_MS)
    place = tally.place()
    assert place is not None
    assert place.facts()["gone_by"] == "1970-01-06"
    assert place.count == 2
