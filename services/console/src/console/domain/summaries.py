"""The feature records: valid, fast, cheap, complete, and of the same mix as before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from console.domain.spans import (
    Answer,
    Query,
    Span,
    counted,
    counts,
    over_time,
    percentiles,
    percentiles_of,
    series,
    share,
    sources,
    terms,
    total,
    total_of,
    value_of,
    within,
    yes_or_no,
)

_LEDGER_AT_MOST: Final = 1000
_DRIFTING: Final = ("sentiment", "primary_topic", "intent", "resolution_status", "language")


def searches(span: Span, now: datetime) -> list[Query]:
    """What the page asks for."""
    since, half = span.since(now), now - span.length / 2
    summaries = within(since, topic="support.summaries")
    mixes = {name: terms(name) for name in _DRIFTING}
    earlier: Query = {"bool": {"filter": [*summaries["bool"]["filter"], {"range": {"at": {"lt": half.isoformat()}}}]}}
    sums = ("cost_usd", "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens")
    return [
        counted(
            summaries,
            repaired=yes_or_no("repaired"),
            speed=percentiles("latency_ms"),
            models=terms("model"),
            prompts=terms("versions.prompt"),
            line=over_time(span, now),
            **mixes,
            **{name: total_of(name) for name in sums},
        ),
        counted(earlier, **mixes),
        counted(within(half, topic="support.summaries"), **mixes),
        counted(
            within(since, topic="support.dead-letters", service=("summarizer", "summarizer-store")),
            states=terms("state"),
        ),
        {
            "size": _LEDGER_AT_MOST,
            "track_total_hits": True,
            # By when they came in: a file dropped today may be of last month.
            "query": {
                "bool": {
                    "filter": [
                        {"term": {"topic": "support.interactions"}},
                        {"range": {"written_at": {"gte": round(since.timestamp() * 1000)}}},
                    ]
                }
            },
            "_source": False,
            "docvalue_fields": ["interaction_id"],
            "sort": [{"written_at": "desc"}],
        },
    ]


def board(answers: Sequence[Answer]) -> dict[str, Any]:
    """What the page shows."""
    found, earlier, later, letters, interactions = answers
    figures = found["aggregations"]
    count = total(found)
    repaired = counts(found, "repaired").get("true", 0)
    p50, p95 = percentiles_of(figures, "speed")
    fresh, cached = value_of(figures, "input_tokens"), value_of(figures, "cache_read_tokens")
    return {
        "count": count,
        "repaired": repaired,
        "validity": share(count - repaired, count),
        "p50_ms": p50,
        "p95_ms": p95,
        "cost_usd": value_of(figures, "cost_usd"),
        "cost_each_usd": share(value_of(figures, "cost_usd"), count),
        "cache_share": share(cached, fresh + cached + value_of(figures, "cache_write_tokens")),
        "line": series(found, "line"),
        "models": counts(found, "models"),
        "prompts": counts(found, "prompts"),
        "mixes": {name: counts(found, name) for name in _DRIFTING},
        "drift": {name: distance(counts(earlier, name), counts(later, name)) for name in _DRIFTING},
        "letters": counts(letters, "states"),
        "interactions": total(interactions),
    }


def interaction_ids(answers: Sequence[Answer]) -> list[str]:
    """The newest interactions, whose feature records are looked for."""
    return [found["interaction_id"] for found in sources(answers[4])]


def distance(before: Mapping[str, int], after: Mapping[str, int]) -> float | None:
    """How far two mixes are apart, 0 to 1 (total variation); None where one of them is empty."""
    all_before, all_after = sum(before.values()), sum(after.values())
    if not all_before or not all_after:
        return None
    names = {*before, *after}
    return sum(abs(before.get(name, 0) / all_before - after.get(name, 0) / all_after) for name in names) / 2


def covered(interaction_ids: Sequence[str]) -> Query:
    """Which of these interactions have a feature record."""
    filters = [{"term": {"topic": "support.summaries"}}, {"terms": {"interaction_id": list(interaction_ids)}}]
    return {
        "size": _LEDGER_AT_MOST,
        "query": {"bool": {"filter": filters}},
        "_source": False,
        "docvalue_fields": ["interaction_id"],
    }


def completeness(interaction_ids: Sequence[str], answer: Answer) -> dict[str, Any]:
    """Which interactions have none yet."""
    have = {found["interaction_id"] for found in sources(answer)}
    wanted = dict.fromkeys(interaction_ids)
    missing = [name for name in wanted if name not in have]
    return {
        "looked_at": len(wanted),
        "complete": share(len(wanted) - len(missing), len(wanted)),
        "missing": missing[:10],
        "missing_count": len(missing),
    }
