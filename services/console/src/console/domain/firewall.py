"""What the firewall decided: the button beside what the text asks, misuse, redirects, judgements."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from console.domain.spans import (
    Answer,
    Query,
    Span,
    buckets,
    counted,
    counts,
    percentiles,
    percentiles_of,
    share,
    terms,
    total,
    value_of,
    within,
    yes_or_no,
)

_COLUMNS: Final = 24


def searches(span: Span, now: datetime) -> list[Query]:
    """What the page asks for."""
    since = span.since(now)
    verdicts = within(since, topic="support.verdicts")
    return [
        counted(
            verdicts,
            matrix=terms("chosen_path", 20, asked=terms("category", 30)),
            misuse=terms("misuse"),
            decisions=terms("decision"),
            languages=terms(
                "language", 20, decisions=terms("decision"), misuse=terms("misuse"), speed=percentiles("elapsed_ms")
            ),
            speed=percentiles("elapsed_ms"),
            screened=yes_or_no("screened"),
        ),
        counted(
            within(since, topic="support.verdicts", decision="redirect"),
            conversations=_conversations(),
            again={"filter": {"range": {"redirect_count": {"gte": 2}}}, "aggs": {"conversations": _conversations()}},
        ),
        counted(within(since, topic="support.feedback"), labels=terms("label"), should_be=terms("should_be", 10)),
    ]


def board(answers: Sequence[Answer]) -> dict[str, Any]:
    """What the page shows."""
    verdicts, redirects, feedback = answers
    labels = counts(feedback, "labels")
    judged = labels.get("ok", 0) + labels.get("wrong_path", 0)
    p50, p95 = percentiles_of(verdicts["aggregations"], "speed")
    return {
        "verdicts": total(verdicts),
        "decisions": counts(verdicts, "decisions"),
        "matrix": matrix(verdicts),
        "misuse": {
            name: count for name, count in counts(verdicts, "misuse").items() if name not in ("none", "unknown")
        },
        "languages": [_language(bucket) for bucket in buckets(verdicts, "languages")],
        "speed_p50_ms": p50,
        "speed_p95_ms": p95,
        "unscreened": counts(verdicts, "screened").get("false", 0),
        "redirected": total(redirects),
        "redirects": outcomes(redirects),
        "judged": judged,
        "wrong": labels.get("wrong_path", 0),
        "false_alarms": share(labels.get("wrong_path", 0), judged),
        "should_be": {name: count for name, count in counts(feedback, "should_be").items() if name != "unknown"},
    }


def matrix(answer: Answer) -> dict[str, Any]:
    """Chosen paths against what was asked, the most frequent first; shares are of the row."""
    rows = [
        (str(bucket["key"]), {str(cell["key"]): cell["doc_count"] for cell in bucket["asked"]["buckets"]})
        for bucket in buckets(answer, "matrix")
    ]
    sums: dict[str, int] = {}
    for _, cells in rows:
        for name, count in cells.items():
            sums[name] = sums.get(name, 0) + count
    columns = sorted(sums, key=lambda name: -sums[name])[:_COLUMNS]
    shown = []
    for path, cells in rows:
        whole = sum(cells.values())
        shown.append(
            {
                "path": path,
                "total": whole,
                "cells": [
                    {"count": cells.get(name, 0), "level": _level(cells.get(name, 0), whole)} for name in columns
                ],
            }
        )
    return {"columns": columns, "rows": shown}


def _level(count: int, whole: int) -> int:
    """Shade of a cell, 0 to 5."""
    return 0 if not count else min(5, 1 + int(5 * count / whole)) if whole else 0


def _language(bucket: dict[str, Any]) -> dict[str, Any]:
    decisions = {cell["key"]: cell["doc_count"] for cell in bucket["decisions"]["buckets"]}
    misuse = {cell["key"]: cell["doc_count"] for cell in bucket["misuse"]["buckets"]}
    return {
        "language": bucket["key"],
        "count": bucket["doc_count"],
        "decisions": decisions,
        "misuse": sum(count for name, count in misuse.items() if name not in ("none", "unknown")),
        "bypass": misuse.get("bypass", 0),
        "p95_ms": percentiles_of(bucket, "speed")[1],
    }


def outcomes(answer: Answer) -> dict[str, int]:
    """How often conversations were redirected: once may have helped, twice did not."""
    figures = answer["aggregations"]
    again = round(value_of(figures["again"], "conversations"))
    return {"once": max(0, round(value_of(figures, "conversations")) - again), "twice or more": again}


def _conversations() -> Query:
    return {"cardinality": {"field": "conversation_id", "precision_threshold": 3_000}}
