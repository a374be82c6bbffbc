"""What feature records cost: broken down by what was used, step by step from a naive set-up, and a month ahead."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from floodgate.bedrock.prices import ModelPrice
from floodgate.events import Summary

# A naive set-up asks once for each: summary, sentiment and satisfaction, topic and intent, resolution and urgency.
NAIVE_CALLS: Final = 4
# Bedrock keeps a prefix for five minutes after its last use.
CACHE_TTL_SECONDS: Final = 300.0
_SECONDS_A_MONTH: Final = 30.44 * 86_400
_DAY_MS: Final = 86_400_000
_LEAST_SPAN_MS: Final = 3_600_000
_FEWEST: Final = 50


@dataclass(frozen=True, slots=True)
class Size:
    """Tokens of one interaction's call."""

    fixed: int
    varying: int
    output: int


@dataclass(frozen=True, slots=True)
class Steps:
    """US dollars an interaction, each step with all before it.

    Attributes:
        caching: Without a saving where the model keeps no prefix as short as ours.
        caching_saves: Share of the price of one concise call.
    """

    naive: float
    prompt: float
    caching: float
    batch: float
    caching_saves: float


@dataclass(frozen=True, slots=True)
class Spent:
    """Costs of some records under one heading."""

    records: int
    usd: float
    input_tokens: int
    output_tokens: int
    cached_tokens: int

    @property
    def usd_each(self) -> float:
        """Mean of a record."""
        return self.usd / self.records if self.records else 0.0


def steps(sizes: Sequence[Size], price: ModelPrice, *, per_month: float) -> Steps:
    """The waterfall of one model: four calls, one call, its prefix cached, in batches.

    Args:
        sizes: Of the interactions that are measured.
        price: Of the model.
        per_month: Interactions a month; how often a prefix expires between two of them depends on it.
    """
    count = max(len(sizes), 1)

    def mean(fixed: float, varying: float, output: float) -> float:
        return (fixed * price.input + varying * price.input + output * price.output) / 1e6

    fixed = sum(size.fixed for size in sizes) / count
    varying = sum(size.varying for size in sizes) / count
    output = sum(size.output for size in sizes) / count
    prompt = mean(fixed, varying, output)
    naive = NAIVE_CALLS * mean(fixed, varying, output / NAIVE_CALLS)
    cached = prompt
    if price.cache_minimum is not None and fixed >= price.cache_minimum:
        misses = min(1.0, _SECONDS_A_MONTH / CACHE_TTL_SECONDS / max(per_month, 1.0))
        write = price.input if price.cache_write is None else price.cache_write
        read = price.input if price.cache_read is None else price.cache_read
        cached = mean(0, varying, output) + fixed * (misses * write + (1 - misses) * read) / 1e6
    # Batch inference is charged in full but for its factor: it reads no cache.
    return Steps(
        naive,
        prompt,
        min(cached, prompt),
        prompt * price.batch_factor,
        1 - min(cached, prompt) / prompt if prompt else 0.0,
    )


def breakdown(records: Iterable[Summary], by: str) -> dict[str, Spent]:
    """Costs by `language`, `prompt`, `cache` (read, written, none), `mode` (online, batch) or `model`."""
    groups: dict[str, list[Summary]] = {}
    for record in records:
        groups.setdefault(_heading(record, by), []).append(record)
    return {name: _spent(found) for name, found in sorted(groups.items())}


def _heading(record: Summary, by: str) -> str:
    if by == "language":
        return record.language
    if by == "prompt":
        return record.versions.prompt
    if by == "model":
        return record.usage.model_id
    if by == "mode":
        return record.usage.mode
    usage = record.usage
    return "read" if usage.cache_read_tokens else "written" if usage.cache_write_tokens else "none"


def _spent(records: Sequence[Summary]) -> Spent:
    usages = [record.usage for record in records]
    return Spent(
        len(records),
        sum(usage.cost_usd for usage in usages),
        sum(usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens for usage in usages),
        sum(usage.output_tokens for usage in usages),
        sum(usage.cache_read_tokens for usage in usages),
    )


@dataclass(frozen=True, slots=True)
class Outlook:
    """What records cost of late, before, and a month ahead.

    Attributes:
        usd_each_before: Of the reference window; None where it has too few records to compare with.
        per_month: Records a month, at the rate of late unless it was given.
    """

    records: int
    usd_each: float
    usd_each_before: float | None
    per_month: float

    @property
    def usd_a_month(self) -> float:
        """The forecast."""
        return self.usd_each * self.per_month


def outlook(
    records: Iterable[tuple[Summary, int]],
    *,
    now_ms: int,
    days: float,
    reference_days: float,
    per_month: float | None = None,
) -> Outlook:
    """The last days against those before them.

    Args:
        records: Each with the time (ms) at which it was written.
        now_ms: When it is asked.
        days: The window that is looked at.
        reference_days: The one before it.
        per_month: Records a month; None: as many as the window's rate makes.
    """
    begin_ms = now_ms - days * _DAY_MS
    late = [(record.usage.cost_usd, at_ms) for record, at_ms in records if at_ms >= begin_ms - reference_days * _DAY_MS]
    now = [entry for entry in late if entry[1] >= begin_ms]
    before = [usd for usd, at_ms in late if at_ms < begin_ms]
    if per_month is None:
        # A topic younger than the window tells the rate of the time that it covers, of an hour at least.
        span_ms = now_ms - min((at_ms for _, at_ms in now), default=now_ms)
        seen_ms = days * _DAY_MS if before else max(span_ms, _LEAST_SPAN_MS)
        per_month = len(now) * _SECONDS_A_MONTH * 1000 / seen_ms
    usd_each = sum(usd for usd, _ in now) / len(now) if now else 0.0
    return Outlook(len(now), usd_each, sum(before) / len(before) if len(before) >= _FEWEST else None, per_month)


def has_drifted(now_usd: float, reference_usd: float, tolerance: float) -> bool:
    """Whether an interaction costs more than before by more than a share."""
    return reference_usd > 0 and now_usd > reference_usd * (1 + tolerance)
