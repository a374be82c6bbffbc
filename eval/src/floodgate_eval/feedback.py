"""Reviewers' judgements become rows of an evaluation set: joined with the verdicts, without personal data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from floodgate.catalogue import CatalogueIndex
from floodgate.events import Feedback, FeedbackLabel, Verdict
from floodgate.privacy import redact

from floodgate_eval.rows import OUT_OF_SCOPE, Task


@dataclass(slots=True)
class Rows:
    """What the judgements gave.

    Attributes:
        skipped: How many judgements gave no row, by reason.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)

    def skip(self, reason: str) -> None:
        """Count a judgement that gives no row."""
        self.skipped[reason] = self.skipped.get(reason, 0) + 1


def rows_of(judgements: Iterable[Feedback], verdicts: Sequence[Verdict], index: CatalogueIndex, task: Task) -> Rows:
    """Rows for `intent` or `match`, one per judged conversation; the latest judgement holds.

    Args:
        judgements: From `support.feedback` or a file.
        verdicts: From `support.verdicts`; they carry the message.
        index: The catalogue, for the category of a path.
        task: `intent` or `match`.
    """
    found = Rows()
    by_id = {verdict.event_id: verdict for verdict in verdicts}
    opening = _opening(verdicts)
    latest = {one.conversation_id: one for one in sorted(judgements, key=lambda one: one.occurred_at)}
    for judgement in latest.values():
        verdict = by_id.get(judgement.causation_id) if judgement.causation_id else None
        verdict = verdict or opening.get(judgement.conversation_id)
        if verdict is None:
            found.skip("no verdict of the conversation is there")
            continue
        row = _intent(judgement, verdict, index) if task is Task.INTENT else _match(judgement, verdict, index)
        if isinstance(row, str):
            found.skip(row)
        else:
            found.rows.append({**_text(verdict), **row})
    return found


def _opening(verdicts: Sequence[Verdict]) -> dict[str, Verdict]:
    """The first verdict of each conversation that a model was asked for: what the user came with."""
    found: dict[str, Verdict] = {}
    for verdict in sorted(verdicts, key=lambda one: one.occurred_at):
        if verdict.versions.prompt and verdict.message.text.strip():
            found.setdefault(verdict.conversation_id, verdict)
    return found


def _text(verdict: Verdict) -> Mapping[str, Any]:
    message = verdict.message
    text = redact(message.text, language=verdict.language or None, country=message.country).text
    return {"text": text, "lang": verdict.language or None}


def _intent(judgement: Feedback, verdict: Verdict, index: CatalogueIndex) -> dict[str, Any] | str:
    if judgement.label is FeedbackLabel.OK:
        return {"intent": verdict.category or OUT_OF_SCOPE}
    category = category_of(judgement.should_be, index)
    return {"intent": category} if category else "its `should be` names no category and no path of the catalogue"


def _match(judgement: Feedback, verdict: Verdict, index: CatalogueIndex) -> dict[str, Any] | str:
    chosen = index.category_for_path(verdict.message.chosen_path)
    if chosen is None:
        return "no path of a category was chosen"
    if judgement.label is FeedbackLabel.OK:
        matches = verdict.matches_chosen_path
        return "the verdict did not say" if matches is None else {"chosen_category": chosen.id, "match": matches}
    category = category_of(judgement.should_be, index)
    if category is None:
        return "its `should be` names no category and no path of the catalogue"
    return {"chosen_category": chosen.id, "match": category == chosen.id}


def category_of(should_be: str | None, index: CatalogueIndex) -> str | None:
    """The category that a reviewer named, by its path or by itself."""
    if not should_be:
        return None
    if should_be in index.categories:
        return should_be
    category = index.category_for_path(should_be)
    return category.id if category else None
