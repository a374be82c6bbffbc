"""What batch inference made of an interaction, as the record that the summarizer reads. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from floodgate.events import BatchAnswer, Interaction, Versions, derive_event_id

STEP: Final = "batch-answer"


def unanswered(interaction: Interaction, asked_at: datetime, why: str, job: str = "") -> BatchAnswer:
    """There is no answer: the summarizer asks online."""
    return BatchAnswer(
        event_id=derive_event_id(interaction.event_id, STEP),
        occurred_at=asked_at,
        causation_id=interaction.event_id,
        interaction=interaction,
        asked_at=asked_at,
        job=job,
        error=why,
    )


def answer_of(
    interaction: Interaction,
    asked_at: datetime,
    line: Mapping[str, Any] | None,
    *,
    job: str,
    ended: str,
    model_id: str,
    versions: Versions,
) -> BatchAnswer:
    """The answer of one record of a job.

    Args:
        interaction: What was asked about.
        asked_at: When it was sent.
        line: Its line of the job's output; None when there is none.
        job: Name of the job.
        ended: How the job ended; the reason where there is no line.
        model_id: Who was asked.
        versions: By what it was asked.
    """
    empty = unanswered(interaction, asked_at, f"job {ended}", job)
    if line is None:
        return empty
    output = line.get("modelOutput")
    if not isinstance(output, dict):
        # The code only: a message may quote the request.
        code = (line.get("error") or {}).get("errorCode", "unknown")
        return empty.model_copy(update={"error": f"record error {code}"})
    values = {"output": json.dumps(output, ensure_ascii=False), "model_id": model_id, "versions": versions, "error": ""}
    return empty.model_copy(update=values)
