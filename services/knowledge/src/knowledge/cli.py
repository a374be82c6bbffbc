"""`floodgate knowledge`: sync, search and status."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated, Any

import typer
from floodgate.catalogue.opening import active_version
from floodgate.knowledge import Example, Passage
from floodgate.settings import CatalogueSettings, load
from floodgate.telemetry import configure_logging, one_line
from keyflow.errors import KeyflowError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from knowledge.bootstrap import Knowledge, build
from knowledge.domain.noted import failed, finished
from knowledge.printing import STEPS, print_found, print_report, print_sources
from knowledge.pulling import Pull, SourceReport
from knowledge.schedule import parse_interval, repeat
from knowledge.sync import Progress as Report
from knowledge.sync import SyncReport

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
    *,
    force: Annotated[bool, typer.Option(help="Build again although nothing changed.")] = False,
    dry_run: Annotated[bool, typer.Option(help="Only say what would change.")] = False,
    no_pull: Annotated[bool, typer.Option("--no-pull", help="Use what the sources gave last.")] = False,
    accept_removals: Annotated[
        bool, typer.Option(help="Let more than half of a source's documents vanish at once.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Read the declared sources and bring S3 and OpenSearch to where they and the catalogue are."""
    with _wired() as knowledge, _progress(hidden=as_json) as progress:
        sources, report = _sync(
            knowledge, progress, force=force, dry_run=dry_run, pull=not no_pull, accept_removals=accept_removals
        )
    if as_json:
        typer.echo(json.dumps(_as_json(sources, report), ensure_ascii=False, indent=2))
    else:
        print_sources(sources)
        print_report(report)


@app.command()
def schedule(
    every: Annotated[str, typer.Option(help="How often: 24h, 90m, 1d.")] = "24h",
) -> None:
    """Sync now, at every interval and seconds after a publish or rollback of the catalogue, until Ctrl-C or SIGTERM."""
    interval_seconds = parse_interval(every)
    settings = load(CatalogueSettings)

    def once() -> None:
        with _wired() as knowledge:
            _sync(knowledge, lambda *_: None)

    repeat(once, interval_seconds, version=active_version(settings), look_seconds=settings.poll_seconds)


@app.command()
def sources(as_json: AsJson = False) -> None:
    """Read the declared sources and say what would be kept, refused, stale or contradictory; changes nothing."""
    with _wired() as knowledge:
        catalogue = knowledge.load_catalogue()
        pull = knowledge.puller.pull(catalogue.sources, dry_run=True)
        report = asyncio.run(knowledge.sync.run(pull.into(catalogue), lambda *_: None, dry_run=True))
    if as_json:
        typer.echo(json.dumps(_as_json(pull.reports, report), ensure_ascii=False, indent=2))
    else:
        print_sources(pull.reports, every=True)
        print_report(report)


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
        print_found(found)


@app.command()
def status(as_json: AsJson = False) -> None:
    """Show which version is published, which one is searched, and whether the catalogue has moved on."""
    with _wired() as knowledge:
        catalogue = knowledge.load_catalogue()
        current = knowledge.store.current()
        indices = knowledge.index.describe()
        pull = knowledge.puller.last(catalogue.sources)
        plan = asyncio.run(knowledge.sync.run(pull.into(catalogue), lambda *_: None, dry_run=True))
    up_to_date = plan.outcome == "unchanged"
    if as_json:
        published = current.model_dump(mode="json", exclude={"articles", "examples"}) if current else None
        document = {
            "up_to_date": up_to_date,
            "published": published,
            "indices": indices,
            "next": plan.version,
            "sources": [report.model_dump(mode="json") for report in pull.reports],
            "contradictions": len(plan.contradictions),
            "stale": len(plan.stale),
        }
        typer.echo(json.dumps(document, indent=2))
        return
    table = Table("what", "state", title="Knowledge", title_justify="left")
    described = f"{current.version}, of {current.made_at:%Y-%m-%d %H:%M} UTC" if current else "nothing yet"
    table.add_row("published in S3", described)
    for alias, entry in indices.items():
        table.add_row(alias, f"{entry['index']}, {entry['documents']} documents")
    table.add_row("catalogue", catalogue.version)
    for report in pull.reports:
        table.add_row(f"source {report.source_id}", f"{report.documents} documents, {len(report.stale)} stale")
    table.add_row("to look at", f"{len(plan.contradictions)} contradictions, {len(plan.stale)} reviews due")
    table.add_row("up to date", "yes" if up_to_date else "no: run `floodgate knowledge sync`")
    Console().print(table)


@contextmanager
def _progress(*, hidden: bool) -> Iterator[Report]:
    """Bars on a terminal, a line per step elsewhere."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=hidden or not console.is_terminal) as bars:
        tasks = {step: bars.add_task(label, total=None, visible=False) for step, label in STEPS.items()}

        def report(step: str, done: int, total: int) -> None:
            bars.update(tasks[step], completed=done, total=total, visible=total > 0)
            if not hidden and not console.is_terminal and done == total and total > 0:
                console.print(f"{STEPS[step]}: {done} of {total}")

        yield report


def _sync(
    knowledge: Knowledge,
    progress: Report,
    *,
    force: bool = False,
    dry_run: bool = False,
    pull: bool = True,
    accept_removals: bool = False,
) -> tuple[Sequence[SourceReport], SyncReport]:
    try:
        reports, report = _synced(
            knowledge, progress, force=force, dry_run=dry_run, pull=pull, accept_removals=accept_removals
        )
    except KeyflowError as error:
        if not dry_run:
            knowledge.notes.keep(failed(knowledge.now(), one_line(error)))
        raise
    if not dry_run:
        sources = [source.model_dump(mode="json") for source in reports]
        knowledge.notes.keep(finished(knowledge.now(), report.model_dump(mode="json"), report.changes, sources))
    return reports, report


def _synced(
    knowledge: Knowledge, progress: Report, *, force: bool, dry_run: bool, pull: bool, accept_removals: bool
) -> tuple[Sequence[SourceReport], SyncReport]:
    catalogue = knowledge.load_catalogue()
    if pull:
        found: Pull = knowledge.puller.pull(catalogue.sources, accept_removals=accept_removals, dry_run=dry_run)
    else:
        found = knowledge.puller.last(catalogue.sources)
    report = asyncio.run(knowledge.sync.run(found.into(catalogue), progress, force=force, dry_run=dry_run))
    return found.reports, report


def _as_json(sources: Sequence[SourceReport], report: SyncReport) -> dict[str, Any]:
    return {**report.model_dump(mode="json"), "sources": [source.model_dump(mode="json") for source in sources]}


if __name__ == "__main__":
    app()
