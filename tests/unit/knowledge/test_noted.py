"""What people are shown of the runs of the knowledge job."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from console.domain import knowledge
from knowledge.domain.manifest import Changes
from knowledge.domain.noted import failed, finished

NOW = datetime(2026, 3, 9, 12, 0, tzinfo=UTC)
SOURCE: dict[str, Any] = {
    "source_id": "wiki",
    "outcome": "kept",
    "documents": 4,
    "refused": {"too long": 2, "no title": 1},
    "examples": [],
    "stale": [{"article": "old"}],
    "error": "the wiki does not answer",
}


def report(outcome: str) -> dict[str, Any]:
    named = {"version": "v2", "catalogue_version": "c1", "passages": 7, "examples": 9, "contradictions": [{}]}
    return {"outcome": outcome, **named}


def test_the_console_shows_when_it_ran_what_changed_and_what_failed() -> None:
    changes = Changes(articles_added=tuple(f"en/a{number}" for number in range(60)), articles_changed=("nl/b",))
    shown = knowledge.synced(finished(NOW, report("synced"), changes, [SOURCE]), NOW + timedelta(hours=50))
    assert shown is not None
    assert (shown["outcome"], shown["seconds"], shown["overdue"]) == ("synced", 180_000.0, True)
    assert (shown["failed"], shown["not_read"], shown["contradictions"]) == (3, ["wiki"], 1)
    added, changed = shown["changed"]["parts"]
    assert (len(added["articles"]), added["more"], changed["articles"], changed["more"]) == (50, 10, ["nl/b"], 0)


def test_a_run_without_changes_keeps_what_changed_last() -> None:
    notes = {**finished(NOW, report("synced"), Changes(articles_removed=("en/a",)), [])}
    notes |= finished(NOW + timedelta(days=1), report("unchanged"), Changes(), [])
    shown = knowledge.synced(notes, NOW + timedelta(days=1))
    assert shown is not None
    assert (shown["outcome"], shown["seconds"], shown["overdue"]) == ("unchanged", 0.0, False)
    assert shown["changed"]["at"] == NOW.isoformat()


def test_a_run_that_broke_off_says_why_and_before_the_first_there_is_none() -> None:
    shown = knowledge.synced(failed(NOW, "S3 is busy"), NOW)
    assert shown is not None
    assert (shown["outcome"], shown["error"], shown["changed"]) == ("failed", "S3 is busy", None)
    assert knowledge.synced({}, NOW) is None
