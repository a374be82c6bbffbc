"""What `floodgate knowledge` prints for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import typer
from floodgate.knowledge import Example, Passage
from rich.console import Console
from rich.table import Table

from knowledge.pulling import SourceReport
from knowledge.sync import SyncReport

STEPS: Final = {
    "embed": "Embedding new texts",
    "publish": "Writing to S3",
    "index": "Filling new indices",
}
_MAX_LISTED: Final = 12


def print_sources(reports: Sequence[SourceReport], *, every: bool = False) -> None:
    """What became of each source.

    Args:
        reports: One per source.
        every: Name the refused documents too.
    """
    console = Console(soft_wrap=True)
    for report in reports:
        refused = ", ".join(f"{count} × {reason}" for reason, count in sorted(report.refused.items()))
        line = f"source {report.source_id}: {report.outcome}, {report.documents} documents"
        console.print(f"{line}{f'; refused: {refused}' if refused else ''}", markup=False, highlight=False)
        if report.error:
            console.print(f"  {report.error}", style="red", markup=False, highlight=False)
        for item in report.examples if every else ():
            console.print(f"  refused: {item.key} ({item.reason})", markup=False, highlight=False)
        for old in report.stale[:_MAX_LISTED]:
            console.print(f"  stale: {old.article} ({old.reason})", style="yellow", markup=False, highlight=False)


def _print_findings(console: Console, report: SyncReport) -> None:
    for item in report.contradictions[:_MAX_LISTED]:
        console.print(f"contradiction ({item.kind}: {item.values[0]} against {item.values[1]})", style="yellow")
        for name, sentence in zip(item.articles, item.sentences, strict=True):
            console.print(f"  {name}: {sentence}", markup=False, highlight=False)
    if len(report.contradictions) > _MAX_LISTED:
        console.print(f"… and {len(report.contradictions) - _MAX_LISTED} contradictions more: --json lists them all")
    for old in report.stale[:_MAX_LISTED]:
        console.print(f"stale: {old.article} ({old.reason})", style="yellow", markup=False, highlight=False)


def print_report(report: SyncReport) -> None:
    """What a sync did, and what a person should look at."""
    console = Console()
    changes = report.changes
    for label, names in (
        ("added", changes.articles_added),
        ("changed", changes.articles_changed),
        ("removed", changes.articles_removed),
    ):
        if names:
            more = f" and {len(names) - _MAX_LISTED} more" if len(names) > _MAX_LISTED else ""
            console.print(f"articles {label}: {', '.join(names[:_MAX_LISTED])}{more}", highlight=False)
    if changes.examples_added or changes.examples_removed:
        console.print(f"examples: {changes.examples_added} added, {changes.examples_removed} removed")
    head = {
        "unchanged": "Nothing to do",
        "planned": "A sync would bring",
        "synced": "Now searched",
    }[report.outcome]
    console.print(
        f"{head}: version {report.version} (catalogue {report.catalogue_version}), "
        f"{report.passages} passages and {report.examples} examples.",
        style="green",
        highlight=False,
    )
    if report.outcome == "synced":
        console.print(
            f"{report.embedded} texts embedded, {report.reused} vectors reused, "
            f"{report.objects_written} objects written, {len(report.indices_removed)} old indices removed."
        )
    _print_findings(console, report)


def print_found(found: Sequence[Passage | Example]) -> None:
    """What was found, best first."""
    if not found:
        typer.echo("nothing found")
        return
    table = Table("score", "where", "text")
    for item in found:
        where = item.chunk_id if isinstance(item, Passage) else f"{item.category} ({item.language})"
        text = f"{item.title}\n{item.text}" if isinstance(item, Passage) else item.text
        table.add_row(f"{item.score:.4f}", where, text)
    Console().print(table)
