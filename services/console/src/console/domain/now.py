"""The first page: what flows, what waits, what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from console.domain.spans import (
    SPANS,
    Answer,
    Query,
    Span,
    buckets,
    costing,
    counted,
    counts,
    members_alone,
    newest,
    over_time,
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

DECISIONS: Final = ("pass", "redirect", "automate", "escalate", "quarantine", "unknown")
_FIGURES: Final = {
    "verdicts": "Verdicts",
    "verdicts.urgent": "Urgent",
    "verdicts.wrong_path": "Wrong path",
    "verdicts.unscreened": "Without a model",
    "replies.resolved": "Resolved",
    "escalations": "Handed over",
    "summaries": "Feature records",
    "dead_letters": "Dead letters",
}
_RECENT: Final = timedelta(minutes=5)
_URGENT_AT_MOST: Final = 200


def searches(span: Span, now: datetime) -> list[Query]:
    """What the page asks for."""
    since, hour = span.since(now), now - timedelta(hours=1)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    wrote = {"cardinality": {"field": "conversation_id", "precision_threshold": 1000}}
    return [
        counted(
            within(since, topic="support.messages", kind="user_message"),
            line=over_time(span, now),
            conversations=wrote,
            languages=terms("language"),
        ),
        counted(within(now - _RECENT), topics=terms("topic")),
        counted(within(since, topic="support.verdicts"), decisions=terms("decision"), screened=yes_or_no("screened")),
        counted(within(since, topic="support.replies", resolved=True), conversations=wrote),
        counted(
            costing(midnight),
            cost=total_of("cost_usd"),
            topics=terms("topic", cost=total_of("cost_usd")),
        ),
        members_alone(
            newest(within(now - timedelta(days=7), topic="support.escalations", urgent=True), _URGENT_AT_MOST),
            "conversation_id",
            "at",
        ),
        counted(within(since, topic="support.dead-letters", state="open"), services=terms("service")),
        newest(
            {
                "bool": {
                    "filter": [
                        *within(since, topic="support.metrics")["bool"]["filter"],
                        {"exists": {"field": "alert"}},
                    ]
                }
            },
            8,
        ),
        counted(
            within(midnight, topic="support.metrics", window_seconds=60),
            figures={"terms": {"field": "name", "size": 60}, "aggs": {"sum": total_of("value")}},
            last={"max": {"field": "at"}},
            hour={
                "filter": {
                    "bool": {"filter": [{"range": {"at": {"gte": hour.isoformat()}}}, {"term": {"name": "verdicts"}}]}
                },
                "aggs": {"line": {**over_time(SPANS["1h"], now), "aggs": {"sum": total_of("value")}}},
            },
        ),
    ]


def taken(conversation_ids: Sequence[str]) -> Query:
    """Since when urgent cases are in a person's hands, or closed."""
    kinds = {"topic": "support.messages", "kind": ("human_joined", "closed"), "conversation_id": list(conversation_ids)}
    query = within(datetime.fromisoformat("1970-01-01T00:00:00+00:00"), **kinds)
    return members_alone(newest(query, 1000), "conversation_id", "at")


def board(span: Span, answers: Sequence[Answer], budget_usd: float | None) -> dict[str, Any]:
    """What the page shows."""
    messages, recent, verdicts, resolved, cost, urgent, letters, alerts, windows = answers
    conversations = value_of(messages["aggregations"], "conversations")
    cases = value_of(resolved["aggregations"], "conversations")
    decisions = counts(verdicts, "decisions")
    spent = value_of(cost["aggregations"], "cost")
    per_topic = counts(recent, "topics")
    return {
        "messages": total(messages),
        "conversations": conversations,
        "line": series(messages, "line"),
        "languages": counts(messages, "languages"),
        "rates": {name: count / (_RECENT.total_seconds() / 60) for name, count in per_topic.items()},
        "decisions": {name: decisions.get(name, 0) for name in DECISIONS if name != "unknown" or decisions.get(name)},
        "verdicts": total(verdicts),
        "unscreened": counts(verdicts, "screened").get("false", 0),
        "resolved": cases,
        "automation_rate": share(cases, conversations),
        "cost_today": spent,
        "cost_by": {bucket["key"]: value_of(bucket, "cost") for bucket in buckets(cost, "topics")},
        "budget": budget_usd,
        "budget_share": None if budget_usd is None else spent / budget_usd,
        "urgent": sources(urgent),
        "open_letters": total(letters),
        "letters_by": counts(letters, "services"),
        "alerts": sources(alerts),
        "windows": _windows(windows),
    }


def _windows(answer: Answer) -> dict[str, Any]:
    """What pulse counted today, minute by minute; nothing where it has written nothing."""
    figures = {str(bucket["key"]): value_of(bucket, "sum") for bucket in buckets(answer, "figures")}
    line = [value_of(bucket, "sum") for bucket in answer["aggregations"]["hour"]["line"]["buckets"]]
    shown = {title: figures[name] for name, title in _FIGURES.items() if name in figures}
    return {"figures": shown, "line": line, "last": answer["aggregations"]["last"].get("value_as_string")}


def waiting(
    urgent: Sequence[Mapping[str, Any]], taken_up: Sequence[Mapping[str, Any]], now: datetime
) -> dict[str, Any]:
    """Urgent cases that no person has taken and that are not closed, the oldest first."""
    since: dict[str, datetime] = {}
    for event in taken_up:
        moment = datetime.fromisoformat(event["at"])
        since[event["conversation_id"]] = max(moment, since.get(event["conversation_id"], moment))
    open_cases: dict[str, datetime] = {}
    for case in urgent:
        name, moment = case["conversation_id"], datetime.fromisoformat(case["at"])
        if name not in since or since[name] < moment:
            open_cases[name] = min(moment, open_cases.get(name, moment))
    waited = sorted(((now - moment).total_seconds(), name) for name, moment in open_cases.items())[::-1]
    cases = [{"conversation_id": name, "seconds": max(0.0, seconds)} for seconds, name in waited]
    return {"cases": cases[:8], "count": len(cases), "oldest_seconds": cases[0]["seconds"] if cases else None}


def flow(rates: Mapping[str, float], lags: Mapping[str, int | None]) -> list[dict[str, Any]]:
    """The services in the order of the data, each with what it writes and what waits before it."""
    rows = (
        ("ingest", ("support.messages", "support.interactions")),
        ("firewall", ("support.verdicts",)),
        ("agent", ("support.replies",)),
        ("delivery", ()),
        ("summarizer", ("support.summaries",)),
    )
    return [
        {
            "name": name,
            "rate": sum(rates.get(topic, 0.0) for topic in topics),
            "writes": bool(topics),
            "lag": lags.get(name),
        }
        for name, topics in rows
    ]
