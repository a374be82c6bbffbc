"""Labelled interactions through the summarizer as it is without calibration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from floodgate.events import Summary
from summarizer.domain.calibration import Judged, SentimentName

from floodgate_eval.calibrating.fit import Pair
from floodgate_eval.catalogues import own_catalogue
from floodgate_eval.endpoint import model_at
from floodgate_eval.feature_columns import with_taxonomy
from floodgate_eval.rows import FeaturesRow
from floodgate_eval.running import Progress, run_rows
from floodgate_eval.summarizing import Conversation, Summarized, Summarizing


@dataclass(frozen=True, slots=True)
class Said:
    """What a model said of labelled interactions.

    Attributes:
        failed: Interactions of which no valid record came.
        models: Who answered, as feature records name them.
        prompt: Name and version.
    """

    pairs: list[Pair]
    failed: int
    models: frozenset[str]
    prompt: str


async def ask(
    rows: Sequence[FeaturesRow], *, catalogue_dir: Path, endpoint: str, model_id: str | None, concurrency: int,
    quiet: bool, say: Callable[[str], None],
) -> Said:  # fmt: skip
    """Have every interaction summarized.

    Raises:
        FatalError: The catalogue, a setting or the endpoint cannot be used.
    """
    own = own_catalogue(catalogue_dir)
    bare = replace(own, catalogue=own.catalogue.model_copy(update={"calibration": None}))
    measured = with_taxonomy(bare, [row.labels for row in rows])
    with model_at(
        endpoint, measured, catalogue_dir=catalogue_dir, model_id=model_id, concurrency=concurrency, say=say
    ) as model:
        summarizing = Summarizing(measured, model)

        async def handle(row: FeaturesRow) -> Summarized:
            return await summarizing.ask(Conversation(row.turns, row.country, row.language, row.chosen_path))

        progress = Progress("interactions", len(rows), quiet=quiet, unit="interactions")
        run = await run_rows(rows, handle, concurrency=concurrency, progress=progress)
    records = [(row, done.summary) for row, done in run.done if done.summary is not None]
    return Said(
        [_pair(row, record) for row, record in records],
        len(rows) - len(records),
        frozenset(record.model for _, record in records),
        next((record.versions.prompt for _, record in records), ""),
    )


def _pair(row: FeaturesRow, record: Summary) -> Pair:
    # A record that was just written knows its sentiment.
    said = Judged(cast("SentimentName", record.sentiment.value), record.urgency_score, record.csat_indicator)
    labels = row.labels
    return Pair(record.language, row.country, said, labels.sentiment, labels.urgency, labels.csat)
