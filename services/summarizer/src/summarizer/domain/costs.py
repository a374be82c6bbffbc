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
    """Costs by `language`, `prompt`, `cache` (read, written, none) or `model`."""
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


def has_drifted(now_usd: float, reference_usd: float, tolerance: float) -> bool:
    """Whether an interaction costs more than before by more than a share."""
    return reference_usd > 0 and now_usd > reference_usd * (1 + tolerance)
