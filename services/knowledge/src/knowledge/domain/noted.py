"""What is kept of a run for people to see: the last one, and the last one that changed something."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from knowledge.domain.manifest import Changes

_MOST_NAMES: Final = 50

Notes = dict[str, dict[str, Any]]
"""By name, `last` or `changed`: what is to be kept under it."""


def finished(at: datetime, report: Mapping[str, Any], changes: Changes, sources: Sequence[Mapping[str, Any]]) -> Notes:
    """The notes of a run that came to its end.

    Args:
        at: When it did.
        report: Its report, as JSON types.
        changes: What it brought.
        sources: The report of each source, as JSON types.
    """
    named = ("outcome", "version", "catalogue_version", "passages", "examples")
    last = {
        "at": at.isoformat(),
        **{name: report[name] for name in named},
        "contradictions": len(report["contradictions"]),
        "sources": [{**source, "stale": len(source["stale"])} for source in sources],
        "error": "",
    }
    if report["outcome"] != "synced":
        return {"last": last}
    parts = {"added": changes.articles_added, "changed": changes.articles_changed, "removed": changes.articles_removed}
    counts = {f"{name}_count": len(articles) for name, articles in parts.items()}
    lists = {name: list(articles[:_MOST_NAMES]) for name, articles in parts.items()}
    return {"last": last, "changed": {"at": at.isoformat(), "version": report["version"], **lists, **counts}}


def failed(at: datetime, error: str) -> Notes:
    """The notes of a run that broke off; what is searched is what it was."""
    return {"last": {"at": at.isoformat(), "outcome": "failed", "error": error, "sources": []}}
