"""Whether a dead letter can go back, and as what. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from keyflow import ORIGIN_TOPIC_HEADER, Headers
from pydantic import BaseModel, ConfigDict

from floodgate.events import DeadLetter
from floodgate.events.topics import topics

REDRIVEN_FROM_HEADER: Final = "redriven-from"
"""Header of a redriven record: the dead letter that it was."""


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
        origin_topic: The input topic that the record first came from.
    """

    letter: DeadLetter
    topic: str | None
    refusal: str = ""
    done_before: bool = False
    origin_topic: str = ""

    @property
    def headers(self) -> Headers:
        """The original headers, where it came from, and which dead letter it was."""
        own = {ORIGIN_TOPIC_HEADER, REDRIVEN_FROM_HEADER}
        kept = tuple((header.key, header.value or b"") for header in self.letter.headers if header.key not in own)
        return (
            *kept,
            (ORIGIN_TOPIC_HEADER, self.origin_topic.encode()),
            (REDRIVEN_FROM_HEADER, str(self.letter.event_id).encode()),
        )


def decide(letter: DeadLetter, ledger: Mapping[str, LedgerEntry]) -> Decision:
    """Judges one dead letter."""
    before = ledger.get(str(letter.event_id))
    if before is not None:
        when = before.at.strftime("%Y-%m-%d %H:%M UTC")
        return Decision(letter, None, f"{before.action} by {before.actor} at {when}", done_before=True)
    if letter.origin_partition < 0:
        return Decision(letter, None, _edge_remedy(letter.origin_topic))
    topic = f"support.{letter.service}.redrive"
    if topic not in topics():
        return Decision(letter, None, f"{letter.service} takes nothing back: there is no topic {topic}")
    if letter.value is None:
        return Decision(letter, None, "there is no payload to send back: look at the service's log for its event id")
    origin = _first_origin(letter, topic)
    if origin is None:
        return Decision(letter, None, "it failed on its way back and does not say which topic it first came from")
    return Decision(letter, topic, origin_topic=origin)


def _first_origin(letter: DeadLetter, redrive_topic: str) -> str | None:
    """A letter that failed again on its way back came from where it came at first."""
    if letter.origin_topic != redrive_topic:
        return letter.origin_topic
    for header in letter.headers:
        if header.key == ORIGIN_TOPIC_HEADER and header.value:
            return header.value.decode(errors="replace")
    return None


def _edge_remedy(origin: str) -> str:
    """Edges have no Kafka record to send back; what to do instead."""
    scheme = origin.partition(":")[0]
    match scheme:
        case "s3":
            return f"it is a line of {origin}: correct it and drop a file with that line into the bucket again"
        case "file":
            return f"it is a line of {origin}: correct it and run `floodgate ingest file` on it again"
        case "sqs":
            return "it is a notice of the queue that names no readable object: drop the object again"
        case _:
            return f"it came in at the edge ({origin}): have the sender deliver it again, or let the reconciler find it"
