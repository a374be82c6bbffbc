"""One run of one task: rows in, the services' own answers, a result with every figure out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

import numpy as np
from floodgate.bedrock import ModelClient, Usage
from numpy.typing import NDArray

from floodgate_eval import scores
from floodgate_eval.catalogues import Measured
from floodgate_eval.feature_columns import feature_columns
from floodgate_eval.masking import COUNTED_KINDS, Masked, covered, mask, overlaps
from floodgate_eval.metrics import agreement
from floodgate_eval.rouge import rouge_1, rouge_l, unsupported_facts
from floodgate_eval.rows import (
    OUT_OF_SCOPE,
    FeaturesRow,
    InjectionRow,
    IntentRow,
    MatchRow,
    PrivacyRow,
    Row,
    SentimentRow,
    SummaryRow,
    Task,
    TurnRow,
    UrgencyRow,
)
from floodgate_eval.running import Progress, Run, run_rows
from floodgate_eval.sampling import sample
from floodgate_eval.screening import OwnWork, Question, Screened, Screening
from floodgate_eval.summarizing import Conversation, Summarized, Summarizing

Columns = dict[str, NDArray[Any]]
Answer = Screened | Summarized | Masked

_OWN_WORK_ROWS: Final = 200
_REPEATED_ROWS: Final = 50
_ALONE_ROWS: Final = 50


@dataclass(frozen=True, slots=True)
class Plan:
    """How a run is made.

    Attributes:
        repeats: How often a sample of the rows is asked, to see whether the answers agree.
        declared: The rows' `lang` is given as the language that the channel declares.
        free: Calls cost nothing, so that some more may be made for the clock's sake.
    """

    concurrency: int = 8
    repeats: int = 1
    declared: bool = False
    quiet: bool = False
    free: bool = False


@dataclass(slots=True)
class Asked:
    """What came of the rows.

    Attributes:
        repeated: For a sample of rows what each repeat answered.
        own_work: The firewall's own work per message, without the model.
        alone: Ids of the rows that were asked with nothing else under way; only where calls are free.
    """

    run: Run[Row, Answer]
    repeated: list[list[str]] = field(default_factory=list)
    own_work: OwnWork = field(default_factory=OwnWork)
    alone: frozenset[int] = frozenset()

    @property
    def usages(self) -> list[Usage]:
        """Of every call that brought an answer."""
        return [a.usage for _, a in self.run.done if not isinstance(a, Masked) and a.usage is not None]

    @property
    def call_seconds(self) -> list[float]:
        """Per message of the crowd, repair included."""
        return self._seconds(alone=False)

    @property
    def alone_seconds(self) -> list[float]:
        """Per message asked alone."""
        return self._seconds(alone=True)

    @property
    def rows_per_second(self) -> float | None:
        """Of the crowd."""
        count = len(self.run.done) - len(self.alone)
        return count / self.run.seconds if count > 0 and self.run.seconds else None

    def _seconds(self, *, alone: bool) -> list[float]:
        return [
            answer.call_seconds
            for row, answer in self.run.done
            if not isinstance(answer, Masked) and answer.call_seconds > 0 and (id(row) in self.alone) is alone
        ]

    @property
    def failed(self) -> int:
        """Rows without a valid answer."""
        return sum(not isinstance(a, Masked) and a.failed for _, a in self.run.done)

    @property
    def failures(self) -> dict[str, int]:
        """The same by reason; no reason quotes a text."""
        return dict(Counter(a.error for _, a in self.run.done if not isinstance(a, Masked) and a.failed))

    @property
    def agreement(self) -> float | None:
        """See `metrics.agreement`."""
        return agreement(self.repeated)


async def ask(task: Task, rows: Sequence[Row], measured: Measured, model: ModelClient, plan: Plan) -> Asked:
    """Have every row answered.

    Raises:
        FatalError: Credentials, access or the model do not allow the calls.
    """
    screening = Screening(measured, model)
    screening.languages.warm_up()
    handle = _handler(task, screening, Summarizing(measured, model), plan)
    alone = await _alone(rows, handle) if plan.free and task is not Task.PRIVACY else {}

    async def once(row: Row) -> Answer:
        return alone[id(row)] if id(row) in alone else await handle(row)

    progress = Progress(task.value, len(rows), quiet=plan.quiet)
    asked = Asked(await run_rows(list(rows), once, concurrency=plan.concurrency, progress=progress))
    asked.alone = frozenset(alone)
    if plan.repeats > 1 and task is not Task.PRIVACY and not asked.run.stopped:
        await _repeat(asked, handle, plan)
    pairs = [(row, answer) for row, answer in asked.run.done if isinstance(answer, Screened)]
    if pairs:
        chosen = [(_question(row, plan), answer) for row, answer in sample(pairs, _OWN_WORK_ROWS)]
        asked.own_work = await screening.own_work(chosen)
    return asked


async def _alone(rows: Sequence[Row], handle: Callable[[Row], Awaitable[Answer]]) -> dict[int, Answer]:
    """Some rows one after the other, before the crowd: what was asked before may be remembered somewhere."""
    return {id(row): await handle(row) for row in sample(rows, min(_ALONE_ROWS, len(rows) // 4))}


async def _repeat(asked: Asked, handle: Callable[[Row], Awaitable[Answer]], plan: Plan) -> None:
    chosen = sample(asked.run.done, _REPEATED_ROWS)
    again = [row for row, _ in chosen for _ in range(plan.repeats - 1)]
    progress = Progress("repeats", len(again), quiet=plan.quiet)
    more = await run_rows(again, handle, concurrency=plan.concurrency, progress=progress)
    if more.stopped:
        asked.run.stopped = more.stopped
        return
    step = plan.repeats - 1
    for number, (_, first) in enumerate(chosen):
        later = [answer for _, answer in more.done[number * step : (number + 1) * step]]
        asked.repeated.append([_key(first), *map(_key, later)])


def _key(answer: Answer) -> str:
    return "" if isinstance(answer, Masked) else answer.key


def _handler(
    task: Task, screening: Screening, summarizing: Summarizing, plan: Plan
) -> Callable[[Row], Awaitable[Answer]]:
    async def masked(row: Row) -> Answer:
        return mask(screening, cast(PrivacyRow, row), _declared(row, plan))

    async def screened(row: Row) -> Answer:
        return await screening.ask(_question(row, plan))

    async def summarized(row: Row) -> Answer:
        return await summarizing.ask(_conversation(row, plan))

    if task is Task.PRIVACY:
        return masked
    return summarized if task in {Task.SENTIMENT, Task.SUMMARY, Task.FEATURES} else screened


def _declared(row: Row, plan: Plan) -> str | None:
    return row.lang[:2].lower() if plan.declared and row.lang else None


def _question(row: Row, plan: Plan) -> Question:
    label = row.chosen_category if isinstance(row, (MatchRow, UrgencyRow)) else None
    return Question(row.words, label, row.country, _declared(row, plan))


def _conversation(row: Row, plan: Plan) -> Conversation:
    if isinstance(row, FeaturesRow):  # the language that a drop declares is part of it
        return Conversation(row.turns, row.country, row.language, row.chosen_path)
    turns = row.turns if isinstance(row, SummaryRow) else (TurnRow(role="customer", text=row.words),)
    return Conversation(turns, row.country, _declared(row, plan))


def columns_of(task: Task, done: Sequence[tuple[Row, Answer]]) -> Columns:
    """What the figures are made of, one value per row."""
    rows = [_COLUMNS[task](row, answer) for row, answer in done]
    names = list(rows[0]) if rows else []
    columns = {name: np.asarray([row[name] for row in rows]) for name in names}
    columns["group"] = np.asarray([row.group for row, _ in done], dtype=object)
    return columns


def _intent(row: Row, answer: Answer) -> Mapping[str, Hashable]:
    row, answer = cast(IntentRow, row), cast(Screened, answer)
    right = answer.category == row.intent
    # The confidence is the category's: it says nothing about a verdict that none fits.
    has_category = answer.answer is not None and answer.category != OUT_OF_SCOPE
    stated = answer.verdict.confidence if has_category else float("nan")
    return {
        "truth": row.intent,
        "predicted": answer.category,
        "scope": scores.in_scope(answer),
        "stated": stated,
        "stated_right": right,
    }


def _match(row: Row, answer: Answer) -> Mapping[str, Hashable]:
    row, answer = cast(MatchRow, row), cast(Screened, answer)
    score = scores.mismatch(answer)
    return {
        "positive": not row.match,
        "flagged": answer.caught_mismatch,
        "score": score,
        "stated": 1.0 - score,
        "stated_right": row.match,
        "truth": row.chosen_category if row.match else f"not {row.chosen_category}",
        "predicted": answer.category,
    }


def _injection(row: Row, answer: Answer) -> Mapping[str, Hashable]:
    row, answer = cast(InjectionRow, row), cast(Screened, answer)
    score = scores.injection(answer)
    attack = bool(row.label)
    return {
        "positive": attack,
        "flagged": answer.caught_injection,
        "quarantined": answer.quarantined,
        "score": score,
        "stated": score,
        "stated_right": attack,
        "truth": "attack" if attack else "ordinary",
        "predicted": answer.verdict.misuse.value,
    }


def _urgency(row: Row, answer: Answer) -> Mapping[str, Hashable]:
    row, answer = cast(UrgencyRow, row), cast(Screened, answer)
    return {
        "positive": row.urgent,
        "flagged": answer.verdict.urgent,
        "score": scores.urgency(answer),
        "truth": (row.kind or "urgent") if row.urgent else "not urgent",
        "predicted": ", ".join(answer.verdict.urgency_reasons) if answer.verdict.urgent else "not urgent",
    }


def _sentiment(row: Row, answer: Answer) -> Mapping[str, Hashable]:
    row, answer = cast(SentimentRow, row), cast(Summarized, answer)
    predicted = answer.summary.sentiment.value if answer.summary else "no answer"
    return {"truth": row.sentiment, "predicted": predicted}


def _privacy(row: Row, answer: Answer) -> Mapping[str, Hashable]:
    row, answer = cast(PrivacyRow, row), cast(Masked, answer)
    marked = {span.kind for span in row.spans}
    found = [one for one in answer.ranges if one.kind in COUNTED_KINDS or one.kind in marked]
    right = [one for one in found if any(overlaps(one, span.start, span.end) for span in row.spans)]
    hidden = [span for span in row.spans if covered(span.start, span.end, row.text, answer.ranges)]
    missed = [span.kind for span in row.spans if span not in hidden]
    return {
        "gold": len(row.spans),
        "gold_masked": len(hidden),
        "found": len(found),
        "found_right": len(right),
        "restored": answer.restored,
        "truth": ", ".join(sorted(missed)) or "nothing",
        "predicted": ", ".join(sorted(one.kind for one in found if one not in right)) or "nothing",
    }


def _summary(row: Row, answer: Answer) -> Mapping[str, Hashable]:
    row, answer = cast(SummaryRow, row), cast(Summarized, answer)
    said = answer.summary.summary if answer.summary else ""
    language = answer.summary.language if answer.summary else None
    return {
        "rouge1": rouge_1(said, row.reference_summaries),
        "rougeL": rouge_l(said, row.reference_summaries),
        "unsupported": len(unsupported_facts(said, row.words, language)),
    }


_COLUMNS: Final[Mapping[Task, Callable[[Row, Answer], Mapping[str, Hashable]]]] = {
    Task.INTENT: _intent,
    Task.MATCH: _match,
    Task.INJECTION: _injection,
    Task.URGENCY: _urgency,
    Task.SENTIMENT: _sentiment,
    Task.PRIVACY: _privacy,
    Task.SUMMARY: _summary,
    Task.FEATURES: lambda row, answer: feature_columns(cast(FeaturesRow, row), cast(Summarized, answer).summary),
}
