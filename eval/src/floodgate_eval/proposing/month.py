"""Last month as the firewall would have seen it: the service's own handler over the month's first messages."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from floodgate.catalogue import GENERIC_CATEGORY, Catalogue
from floodgate.events import Decision, Misuse

from floodgate_eval.catalogues import Measured
from floodgate_eval.endpoint import model_at
from floodgate_eval.proposing.proposal import Masked
from floodgate_eval.screening import Question, Screened, Screening

_CONCURRENCY: Final = 4


@dataclass(slots=True)
class Month:
    """What the firewall would have done.

    Attributes:
        name: Year and month; empty when the export has no dates.
        decisions: How many messages by decision.
        by_category: By category: messages, urgent ones, misused ones, and those sure enough for a workflow.
        with_path: Messages whose conversation names a path of the catalogue.
        sure: Messages of one category, not urgent, that the model is sure enough of to start a workflow.
        failed: Messages for which the model gave no valid answer.
    """

    name: str
    messages: int = 0
    decisions: Counter[str] = field(default_factory=Counter)
    by_category: dict[str, Counter[str]] = field(default_factory=dict)
    urgent: int = 0
    misuse: Counter[str] = field(default_factory=Counter)
    wrong_path: int = 0
    with_path: int = 0
    sure: int = 0
    failed: int = 0


def last_month(messages: Sequence[Masked]) -> tuple[str, list[Masked]]:
    """The newest month that is in the export, and its messages; all of them without dates."""
    newest = max((message.month for message in messages), default="")
    return newest, [message for message in messages if message.month == newest]


async def replay(
    name: str,
    messages: Sequence[Masked],
    catalogue: Catalogue,
    *,
    catalogue_dir: Path | None,
    endpoint: str,
    say: Callable[[str], None],
) -> Month:
    """Screen every message by a catalogue and count.

    Args:
        name: Of the month.
        messages: Masked.
        catalogue: The draft, or the one that is in use.
        catalogue_dir: Where it stands; None for a draft.
        endpoint: "local", "aws", "configured", or an address.
        say: Shown to whoever waits.

    Raises:
        FatalError: The endpoint cannot be used.
    """
    month = Month(name)
    ids = {category.id: category.id for category in catalogue.categories}
    measured = Measured(catalogue, ids, temporary=catalogue_dir is None)
    paths = {path.id: path.category for path in catalogue.paths}
    with model_at(
        endpoint, measured, catalogue_dir=catalogue_dir, model_id=None, concurrency=_CONCURRENCY, say=say
    ) as model:
        screening = Screening(measured, model)
        gate = asyncio.Semaphore(_CONCURRENCY)

        async def one(message: Masked) -> None:
            async with gate:
                label = paths.get(message.asked.path or "")
                _count(month, await screening.ask(Question(message.text, label)), catalogue, chosen=label is not None)

        await asyncio.gather(*(one(message) for message in messages))
    return month


def _count(month: Month, screened: Screened, catalogue: Catalogue, *, chosen: bool) -> None:
    verdict = screened.verdict
    month.messages += 1
    month.decisions[verdict.decision.value] += 1
    own = month.by_category.setdefault(verdict.category or GENERIC_CATEGORY, Counter())
    own["messages"] += 1
    month.failed += screened.failed
    if verdict.urgent:
        month.urgent += 1
        own["urgent"] += 1
    if verdict.misuse is not Misuse.NONE:
        month.misuse[verdict.misuse.value] += 1
        own["misuse"] += 1
    month.with_path += chosen
    month.wrong_path += chosen and (verdict.matches_chosen_path is False)
    simple = verdict.category and verdict.decision in {Decision.PASS, Decision.AUTOMATE} and not verdict.urgent
    if simple and verdict.confidence >= catalogue.thresholds.automate_confidence:
        month.sure += 1
        own["sure"] += 1
