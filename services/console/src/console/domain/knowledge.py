"""What is known, how fresh it is, what it was used for, and what was not found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

from floodgate.catalogue import Catalogue

from console.domain.spans import Answer, Query, Span, buckets, counted, counts, newest, sources, terms, within

_OVERDUE: Final = timedelta(hours=49)
"""It runs daily; one that is missed is none yet."""


def searches(span: Span, now: datetime) -> list[Query]:
    """What the page asks for."""
    since = span.since(now)
    used = {"terms": {"field": "articles", "size": 60}}
    without: Query = within(since, topic="support.verdicts")
    without["bool"]["must_not"] = [{"exists": {"field": "articles"}}]
    audit = within(now - timedelta(days=30), topic="support.audit", target="catalogue")
    return [
        counted(within(since, topic=("support.verdicts", "support.replies")), used=used),
        counted(without, categories=terms("category", 12, languages=terms("language"))),
        newest({**without}, 10),
        newest(audit, 8),
    ]


def board(answers: Sequence[Answer], catalogue: Catalogue | None, today: date) -> dict[str, Any]:
    """What the page shows."""
    used, without, examples, releases = answers
    uses = counts(used, "used")
    articles = [] if catalogue is None else [_article(catalogue, article, uses, today) for article in _names(catalogue)]
    return {
        "articles": articles,
        "stale": [article for article in articles if article["stale"]],
        "catalogue_version": catalogue.version if catalogue else "",
        "languages": list(catalogue.languages) if catalogue else [],
        "without_count": sum(bucket["doc_count"] for bucket in buckets(without, "categories")),
        "without": [
            {
                "category": bucket["key"],
                "count": bucket["doc_count"],
                "languages": {cell["key"]: cell["doc_count"] for cell in bucket["languages"]["buckets"]},
            }
            for bucket in buckets(without, "categories")
        ],
        "examples": sources(examples),
        "releases": sources(releases),
        "sources": [] if catalogue is None else [source.model_dump(mode="json") for source in catalogue.sources],
    }


def _names(catalogue: Catalogue) -> list[str]:
    return sorted({article.id for article in catalogue.articles})


def _article(catalogue: Catalogue, name: str, uses: dict[str, int], today: date) -> dict[str, Any]:
    versions = [article for article in catalogue.articles if article.id == name]
    review = min(article.review_by for article in versions)
    own = next((article for article in versions if article.language == catalogue.default_language), versions[0])
    return {
        "id": name,
        "title": own.title,
        "owner": own.owner,
        "languages": sorted(article.language for article in versions),
        "missing": sorted(set(catalogue.languages) - {article.language for article in versions}),
        "review_by": review.isoformat(),
        "stale": review <= today,
        "soon": review <= today + timedelta(days=30),
        "uses": uses.get(name, 0),
    }


def synced(notes: Mapping[str, Mapping[str, Any]], now: datetime) -> dict[str, Any] | None:
    """What the page shows of the last runs of the knowledge job; None before the first."""
    last, changed = notes.get("last"), notes.get("changed")
    if last is None:
        return None
    age = now - datetime.fromisoformat(last["at"])
    sources = [{**source, "refused_count": sum(source["refused"].values())} for source in last["sources"]]
    return {
        "at": last["at"],
        "seconds": age.total_seconds(),
        "overdue": age > _OVERDUE,
        "outcome": last["outcome"],
        "error": last["error"],
        "passages": last.get("passages"),
        "contradictions": last.get("contradictions", 0),
        "sources": sources,
        "not_read": [source["source_id"] for source in sources if source["outcome"] != "pulled"],
        "failed": sum(source["refused_count"] for source in sources),
        "changed": None if changed is None else _changed(changed),
    }


def _changed(note: Mapping[str, Any]) -> dict[str, Any]:
    parts = [(name, note[name], note[f"{name}_count"] - len(note[name])) for name in ("added", "changed", "removed")]
    return {
        "at": note["at"],
        "version": note["version"],
        "parts": [{"name": name, "articles": names, "more": more} for name, names, more in parts if names],
    }
