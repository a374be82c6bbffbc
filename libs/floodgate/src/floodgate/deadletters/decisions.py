"""Whether a dead letter can go back, and as what. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from keyflow import ORIGIN_TOPIC_HEADER, Headers
from keyflow.parking import Place, held_back, number_in
from pydantic import BaseModel, ConfigDict

from floodgate.events import DeadLetter
from floodgate.events.topics import topics

REDRIVEN_FROM_HEADER: Final = "redriven-from"
"""Header of a redriven record: the dead letter that it was."""

_READ_BACK: Final = ("s3://", "file:", "webhooks/intercom", "intercom:reconciler:")
"""Origins outside Kafka whose bytes `ingest` reads again by where they came from, as the same events."""
_LINES: Final = ("s3://", "file:")
_NAMED_AT_MOST: Final = 3


class LedgerEntry(BaseModel):
    """What was done with a dead letter; the ledger is compacted by the dead letter's event_id."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    action: str
    at: datetime
    actor: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """Where a dead letter goes, or why it does not.

    Attributes:
        topic: The service's redrive topic; None when it stays where it is.
        refusal: Why it stays, with the remedy.
        done_before: It stays because it went back already.
        origin_topic: The input topic that the record first came from; for an edge its place, with the line.
        value: The bytes that go back.
        corrected: They are not those that failed.
        given_up: Nothing is handled again; a parked key's `topic` is told to go on without it.
    """

    letter: DeadLetter
    topic: str | None
    refusal: str = ""
    done_before: bool = False
    origin_topic: str = ""
    value: bytes | None = None
    corrected: bool = False
    given_up: bool = False

    @property
    def stays(self) -> bool:
        """Whether nothing is done with it."""
        return self.topic is None and not self.given_up

    @property
    def headers(self) -> Headers:
        """The original headers, the number of a parked record among them, and which dead letter it was."""
        kept = tuple(header for header in _headers(self.letter) if header[0] != REDRIVEN_FROM_HEADER)
        return (*kept, (REDRIVEN_FROM_HEADER, str(self.letter.event_id).encode()))


def decide(letter: DeadLetter, ledger: Mapping[str, LedgerEntry], corrected: bytes | None = None) -> Decision:
    """Judges one dead letter.

    Args:
        letter: The letter.
        ledger: What was done before.
        corrected: Bytes to send in place of those that failed; already checked.
    """
    before = _done_before(letter, ledger)
    if before is not None:
        return before
    topic, origin = f"support.{letter.service}.redrive", first_origin(letter)
    refusal = _refusal_of_place(letter, topic) or _refusal_of_payload(letter, origin, corrected)
    if refusal or origin is None:
        return Decision(letter, None, refusal)
    value = letter.value if corrected is None else corrected
    return Decision(letter, topic, origin_topic=origin, value=value, corrected=corrected is not None)


def give_up(letter: DeadLetter, ledger: Mapping[str, LedgerEntry]) -> Decision:
    """Judges a letter that shall not be handled any more."""
    before = _done_before(letter, ledger)
    if before is not None:
        return before
    topic = None if number(letter) is None else f"support.{letter.service}.redrive"
    return Decision(letter, topic, origin_topic=first_origin(letter) or letter.origin_topic, given_up=True)


def _done_before(letter: DeadLetter, ledger: Mapping[str, LedgerEntry]) -> Decision | None:
    before = ledger.get(str(letter.event_id))
    if before is None:
        return None
    when = before.at.strftime("%Y-%m-%d %H:%M UTC")
    return Decision(letter, None, f"{before.action} by {before.actor} at {when}", done_before=True)


def in_turn(
    decisions: Sequence[Decision], letters: Iterable[DeadLetter], ledger: Mapping[str, LedgerEntry]
) -> list[Decision]:
    """The same decisions, letters of a parked key in the order of their numbers and none before its turn.

    Args:
        decisions: About the letters that were chosen.
        letters: All there are.
        ledger: What was done before.
    """
    places = [
        Place(str(letter.event_id), (letter.service, letter.key), place)
        for letter in letters
        if (place := number(letter)) is not None and str(letter.event_id) not in ledger
    ]
    going = [str(decision.letter.event_id) for decision in decisions if decision.topic is not None]
    held = held_back(going, places)
    judged = [
        Decision(decision.letter, None, _refusal_of_turn(decision.letter, before))
        if (before := held.get(str(decision.letter.event_id)))
        else decision
        for decision in decisions
    ]
    return sorted(judged, key=lambda decision: number(decision.letter) or 0)


def number(letter: DeadLetter) -> int | None:
    """The number of a letter whose key was parked."""
    return number_in(_headers(letter))


def _headers(letter: DeadLetter) -> Headers:
    return tuple((header.key, header.value or b"") for header in letter.headers)


def _refusal_of_turn(letter: DeadLetter, before: Sequence[Place]) -> str:
    named = ", ".join(f"{place.letter_id} (number {place.number})" for place in before[:_NAMED_AT_MOST])
    more = f" and {len(before) - _NAMED_AT_MOST} more" if len(before) > _NAMED_AT_MOST else ""
    return (
        f"its key is parked and it has number {number(letter)}: "
        f"send back (or discard) {named}{more} before it, or with it"
    )


def _refusal_of_place(letter: DeadLetter, topic: str) -> str:
    """Why nothing that failed there goes back; empty when it does."""
    if _at_edge(letter) and not letter.origin_topic.startswith(_READ_BACK):
        return _edge_remedy(letter.origin_topic)
    if topic not in topics():
        return f"{letter.service} takes nothing back: there is no topic {topic}"
    return ""


def _refusal_of_payload(letter: DeadLetter, origin: str | None, corrected: bytes | None) -> str:
    """Why these bytes do not go back; empty when they do."""
    if letter.value is None:
        remedy = _unread_remedy(letter) if _at_edge(letter) else "look at the service's log for its event id"
        if number(letter) is not None:
            remedy += ", then let its key go on without it: `floodgate dlq discard`"
        return f"there is no payload to send back: {remedy}"
    if origin is None:
        return "it failed on its way back and does not say which topic it first came from"
    if corrected is None and carries_json(origin) and not is_json_object(letter.value):
        return "it is no JSON object and would fail again: correct it and give it as --value FILE"
    return ""


def _at_edge(letter: DeadLetter) -> bool:
    """Whether no record of Kafka stands behind it."""
    return letter.origin_partition < 0


def first_origin(letter: DeadLetter) -> str | None:
    """Where a letter came from at first, also when it failed again on its way back; None when it does not say."""
    if _at_edge(letter) and letter.origin_topic.startswith(_LINES) and letter.origin_offset > 0:
        return f"{letter.origin_topic}:{letter.origin_offset}"
    if letter.origin_topic != f"support.{letter.service}.redrive":
        return letter.origin_topic
    for header in letter.headers:
        if header.key == ORIGIN_TOPIC_HEADER and header.value:
            return header.value.decode(errors="replace")
    return None


def carries_json(origin: str) -> bool:
    """Whether what comes from there is JSON: everything but the topics with a schema."""
    declared = topics().get(origin)
    return declared is None or declared.record is None


def is_json_object(value: bytes) -> bool:
    """Whether the bytes are one JSON object in UTF-8."""
    try:
        return isinstance(json.loads(value.decode("utf-8-sig")), dict)
    except (ValueError, RecursionError):
        return False


def _edge_remedy(origin: str) -> str:
    """What to do with what nothing reads back."""
    if origin.startswith("sqs://"):
        return (
            "it is a notice of the queue, which is not read back: "
            "`floodgate ingest s3 s3://bucket/key` reads the object that it was about"
        )
    return f"it came in at the edge ({origin}), where nothing reads it back: have the sender deliver it again"


def _unread_remedy(letter: DeadLetter) -> str:
    """What to do about a document of which nothing could be read."""
    scheme, _, path = letter.origin_topic.partition(":")
    match scheme:
        case "s3":
            return f"once the object is there and whole, `floodgate ingest s3 {letter.origin_topic}` reads it"
        case "file":
            return f"once the file is whole, `floodgate ingest file {path}` reads it"
        case _:
            return "have the sender deliver it again"
