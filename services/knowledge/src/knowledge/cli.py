"""`floodgate knowledge`: sync, search and status."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated, Final

import typer
from floodgate.knowledge import Example, Passage
from floodgate.telemetry import configure_logging
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from knowledge.bootstrap import Knowledge, build
from knowledge.sync import Progress as Report
from knowledge.sync import SyncReport

_STEPS: Final = {
    "embed": "Embedding new texts",
    "publish": "Writing to S3",
    "index": "Filling new indices",
}
_MAX_LISTED: Final = 12

app = typer.Typer(help="Curated knowledge and examples: from the catalogue to S3 to OpenSearch.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@contextmanager
def _wired() -> Iterator[Knowledge]:
    configure_logging("knowledge")
    knowledge = build()
    try:
        yield knowledge
    finally:
        knowledge.close()


@app.command()
def sync(
    force: Annotated[bool, typer.Option(help="Build again although nothing changed.")] = False,
    dry_run: Annotated[bool, typer.Option(help="Only say what would change.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring S3 and OpenSearch to where the catalogue is; nothing to do when they are there already."""
    with _wired() as knowledge, _progress(hidden=as_json) as progress:
        catalogue = knowledge.load_catalogue()
        report = asyncio.run(knowledge.sync.run(catalogue, progress, force=force, dry_run=dry_run))
    if as_json:
        typer.echo(report.model_dump_json(indent=2))
    else:
        _print_report(report)


@app.command()
def search(
    query: Annotated[str, typer.Argument(help="What a customer could have written.")],
    *,
    language: Annotated[str, typer.Option("--language", "-l", help="ISO 639-1 code.")] = "en",
    country: Annotated[str | None, typer.Option("--country", "-c", help="ISO 3166-1 alpha-2 code.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=20)] = 3,
    examples: Annotated[bool, typer.Option("--examples", help="Search the examples of categories instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what the services would find for a text."""
    with _wired() as knowledge:
        found: Sequence[Passage | Example]
        if examples:
            found = asyncio.run(knowledge.retriever.examples(query, language=language, limit=limit))
        else:
            found = asyncio.run(knowledge.retriever.passages(query, language=language, country=country, limit=limit))
    if as_json:
        typer.echo(json.dumps([asdict(item) for item in found], ensure_ascii=False, indent=2))
    else:
        _print_found(found)


@app.command()
def status(as_json: AsJson = False) -> None:
    """Show which version is published, which one is searched, and whether the catalogue has moved on."""
    with _wired() as knowledge:
        catalogue = knowledge.load_catalogue()
        current = knowledge.store.current()
        indices = knowledge.index.describe()
        plan = asyncio.run(knowledge.sync.run(catalogue, lambda *_: None, dry_run=True))
    up_to_date = plan.outcome == "unchanged"
    if as_json:
        published = current.model_dump(mode="json", exclude={"articles", "examples"}) if current else None
        document = {"up_to_date": up_to_date, "published": published, "indices": indices, "next": plan.version}
        typer.echo(json.dumps(document, indent=2))
        return
    table = Table("what", "state", title="Knowledge", title_justify="left")
    described = f"{current.version}, of {current.made_at:%Y-%m-%d %H:%M} UTC" if current else "nothing yet"
    table.add_row("published in S3", described)
    for alias, entry in indices.items():
        table.add_row(alias, f"{entry['index']}, {entry['documents']} documents")
    table.add_row("catalogue", catalogue.version)
    table.add_row("up to date", "yes" if up_to_date else "no: run `floodgate knowledge sync`")
    Console().print(table)


@contextmanager
def _progress(*, hidden: bool) -> Iterator[Report]:
    """Bars on a terminal, a line per step elsewhere."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=hidden or not console.is_terminal) as bars:
        tasks = {step: bars.add_task(label, total=None, visible=False) for step, label in _STEPS.items()}

        def report(step: str, done: int, total: int) -> None:
            bars.update(tasks[step], completed=done, total=total, visible=total > 0)
            if not hidden and not console.is_terminal and done == total and total > 0:
                console.print(f"{_STEPS[step]}: {done} of {total}")

        yield report


def _print_report(report: SyncReport) -> None:
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


def _print_found(found: Sequence[Passage | Example]) -> None:
    if not found:
        typer.echo("nothing found")
        return
    table = Table("score", "where", "text")
    for item in found:
        where = item.chunk_id if isinstance(item, Passage) else f"{item.category} ({item.language})"
        text = f"{item.title}\n{item.text}" if isinstance(item, Passage) else item.text
        table.add_row(f"{item.score:.4f}", where, text)
    Console().print(table)


if __name__ == "__main__":
    app()
