"""Where commands read interactions and feature records from: files, or the committed records of a topic."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from floodgate.committed import CommittedRecords
from floodgate.events import Interaction, Summary, Turn, TurnRole
from floodgate.events.times import from_ms
from floodgate.json_lines import json_objects
from floodgate.telemetry import get_logger
from keyflow.errors import FatalError

log = get_logger(__name__)

SUMMARIES: Final = "support.summaries"
REMEDY: Final = "run `floodgate setup`"
_INTERACTION_SHAPE: Final = '{"interaction_id": "…", "turns": [{"role": "customer", "text": "…"}]}'


def interactions_of(paths: Sequence[Path]) -> list[Interaction]:
    """Finished interactions of JSON Lines files as they are dropped into S3.

    Raises:
        FatalError: A file or a line cannot be read; names it.
    """
    return [_interaction(place, row) for place, row in json_objects(paths, _INTERACTION_SHAPE)]


def _interaction(place: str, row: dict[str, Any]) -> Interaction:
    try:
        turns = tuple(Turn(role=TurnRole(turn["role"]), text=str(turn["text"])) for turn in row["turns"])
        return Interaction(
            event_id=uuid4(), occurred_at=from_ms(0), interaction_id=row.get("interaction_id") or uuid4(),
            source="file", contact_id="", country=row.get("country"), language=row.get("language"), turns=turns,
        )  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise FatalError(f"{place}: is no finished interaction ({error}); see docs/ingest.md") from error


def summaries(since_ms: int | None = None) -> list[tuple[Summary, int]]:
    """The committed feature records, each with the time (ms) at which Kafka has it.

    Args:
        since_ms: Leaves out what is older.

    Raises:
        FatalError: Kafka or the registry cannot be reached, or the topic is missing.
    """
    records = CommittedRecords(REMEDY, "features")
    found = [
        (record, int(message.timestamp()[1]))
        for message, _, record in records.of(SUMMARIES, since_ms=since_ms)
        if isinstance(record, Summary)
    ]
    if records.unreadable:
        log.warning("features.unreadable", topic=SUMMARIES, records=records.unreadable)
    return found
