"""Times that pages look back over, and the pieces that all searches are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

Query = dict[str, Any]
Answer = Mapping[str, Any]

_MANY: Final = 60


@dataclass(frozen=True, slots=True)
class Span:
    """A time to look back over.

    Attributes:
        name: In the address.
        title: As it is shown.
        length: How long.
        bucket: Width of a point in a line over time.
    """

    name: str
    title: str
    length: timedelta
    bucket: timedelta

    def since(self, now: datetime) -> datetime:
        """Where it begins."""
        return now - self.length


SPANS: Final = {
    span.name: span
    for span in (
        Span("1h", "Last hour", timedelta(hours=1), timedelta(minutes=1)),
        Span("24h", "Last 24 hours", timedelta(days=1), timedelta(minutes=30)),
        Span("7d", "Last 7 days", timedelta(days=7), timedelta(hours=4)),
        Span("30d", "Last 30 days", timedelta(days=30), timedelta(hours=16)),
    )
}
DEFAULT_SPAN: Final = SPANS["24h"]


def within(since: datetime, **members: str | int | Sequence[str]) -> Query:
    """A filter: newer than `since`, and each member one of its values."""
    filters: list[Query] = [{"range": {"at": {"gte": since.isoformat()}}}]
    for name, value in members.items():
        filters.append({"term": {name: value}} if isinstance(value, str | int) else {"terms": {name: list(value)}})
    return {"bool": {"filter": filters}}


def costing(since: datetime) -> Query:
    """Records whose cost adds up: a hand-over by the firewall repeats what its verdict cost."""
    found = within(since, topic=("support.verdicts", "support.replies", "support.escalations", "support.summaries"))
    repeated = {"bool": {"filter": [{"term": {"topic": "support.escalations"}}, {"term": {"source": "firewall"}}]}}
    found["bool"]["must_not"] = [repeated]
    return found


def counted(query: Query, **aggregations: Query) -> Query:
    """A search for figures alone."""
    return {"size": 0, "track_total_hits": True, "query": query, "aggs": aggregations}


def newest(query: Query, size: int) -> Query:
    """A search for the newest documents."""
    return {"size": size, "track_total_hits": True, "query": query, "sort": [{"at": "desc"}, {"event_id": "asc"}]}


def terms(field: str, size: int = _MANY, **below: Query) -> Query:
    """How many per value of a member; what has none is counted as unknown."""
    found: Query = {"terms": {"field": field, "size": size, "missing": "unknown"}}
    return {**found, "aggs": below} if below else found


def yes_or_no(field: str) -> Query:
    """How many of each; what says neither is not counted."""
    return {"terms": {"field": field}}


def total_of(field: str) -> Query:
    """The sum of a member."""
    return {"sum": {"field": field}}


def percentiles(field: str) -> Query:
    """Median and 95th percentile."""
    return {"percentiles": {"field": field, "percents": [50, 95]}}


def over_time(span: Span, now: datetime, field: str = "at") -> Query:
    """How many per bucket, also where there are none."""
    since = span.since(now)
    bounds = {"min": round(since.timestamp() * 1000), "max": round(now.timestamp() * 1000)}
    return {
        "date_histogram": {
            "field": field,
            "fixed_interval": f"{round(span.bucket.total_seconds())}s",
            "min_doc_count": 0,
            "extended_bounds": bounds,
        }
    }


def total(answer: Answer) -> int:
    """How many documents a search found."""
    return int(answer["hits"]["total"]["value"])


def buckets(answer: Answer, name: str) -> list[dict[str, Any]]:
    """An aggregation's buckets."""
    found: list[dict[str, Any]] = answer["aggregations"][name]["buckets"]
    return found


def counts(answer: Answer, name: str) -> dict[str, int]:
    """An aggregation's counts by value."""
    return {str(bucket.get("key_as_string", bucket["key"])): bucket["doc_count"] for bucket in buckets(answer, name)}


def series(answer: Answer, name: str) -> list[float]:
    """A line over time."""
    return [float(bucket["doc_count"]) for bucket in buckets(answer, name)]


def value_of(holder: Mapping[str, Any], name: str) -> float:
    """A single figure; 0 where nothing was counted."""
    return float(holder[name].get("value") or 0.0)


def percentiles_of(holder: Mapping[str, Any], name: str) -> tuple[float | None, float | None]:
    """Median and 95th percentile; None where nothing was counted."""
    values = holder[name]["values"]
    return _number(values.get("50.0")), _number(values.get("95.0"))


def _number(value: Any) -> float | None:
    return None if value in (None, "NaN") else float(value)


def members_alone(query: Query, *names: str) -> Query:
    """The same search for a few members of each document: ten thousand whole ones would take seconds to read."""
    wanted = [{"field": name, "format": "strict_date_time"} if name == "at" else {"field": name} for name in names]
    return {**query, "_source": False, "docvalue_fields": wanted}


def sources(answer: Answer) -> list[dict[str, Any]]:
    """The documents that a search found, or the members of them that it asked for."""
    return [_source(hit) for hit in answer["hits"]["hits"]]


def _source(hit: Mapping[str, Any]) -> dict[str, Any]:
    if "_source" in hit:
        return dict(hit["_source"])
    return {name: values[0] for name, values in hit.get("fields", {}).items()}


def share(part: float, whole: float) -> float | None:
    """A share; None of nothing."""
    return part / whole if whole else None
