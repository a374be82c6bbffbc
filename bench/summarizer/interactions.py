"""The interactions of a run: the project's labelled ones in ten languages, each with an order number of its own."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from floodgate.events import Interaction, Turn, TurnRole

CORPORA: Final = Path(__file__).resolve().parents[2] / "eval/corpora"
_FILES: Final = ("features.jsonl", "features_held_out.jsonl")
_ENDED: Final = datetime(2026, 11, 21, 8, tzinfo=UTC)


def interactions(count: int, run: str) -> Iterator[Interaction]:
    """So many different interactions, in turn over languages."""
    rows = [json.loads(line) for name in _FILES for line in (CORPORA / name).read_text("utf-8").splitlines()]
    for number in range(count):
        yield _interaction(rows[number * 7 % len(rows)], number, run)


def _interaction(row: dict[str, Any], number: int, run: str) -> Interaction:
    identifier = uuid.uuid5(uuid.NAMESPACE_URL, f"{run}/{number}")
    ended = _ENDED + timedelta(seconds=number % 36_000)
    turns = [Turn(role=TurnRole(turn["role"]), text=turn["text"]) for turn in row["turns"]]
    turns[0] = turns[0].model_copy(update={"text": f"{turns[0].text} BX-{number:07d}"})
    return Interaction(
        event_id=uuid.uuid5(identifier, "event"), occurred_at=ended, interaction_id=identifier, source="bench",
        contact_id=f"contact-{number}", country=row["country"], language=row["language"], ended_at=ended,
        turns=tuple(turns),
    )  # fmt: skip
