"""`floodgate ingest` and `floodgate intercom`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer
from floodgate.catalogue import CatalogueError
from floodgate.catalogue.opening import open_catalogue
from floodgate.cli.durations import parse_duration
from floodgate.intercom import IntercomClient
from floodgate.settings import CatalogueSettings, load
from keyflow.errors import FatalError, RetryableError
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from ingest.adapters.opensearch_timeline import OpenSearchTimeline
from ingest.adapters.s3_objects import S3Objects
from ingest.bootstrap import Adapters, Environment, make_adapters, make_reconciler, utc_now
from ingest.doctor import Check, Level, examine
from ingest.domain.errors import DocumentError
from ingest.domain.intercom_parts import CHANNEL as INTERCOM
from ingest.domain.s3_notices import parse_s3_uri
from ingest.edge import EdgeWriter
from ingest.files import FileBatches
from ingest.intake import MAX_SHOWN_ERRORS, Intake, LineIntake

T = TypeVar("T")
_COLOURS: Final = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red"}

app = typer.Typer(no_args_is_help=True, help="Bring conversations and finished interactions in.")
intercom = typer.Typer(no_args_is_help=True, help="Check and reconcile the Intercom workspace.")
_errors = Console(stderr=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@app.callback()
def ingest_group() -> None:
    """Bring conversations and finished interactions in from files and S3."""


@intercom.callback()
def intercom_group() -> None:
    """Check how the Intercom workspace is set up; find what its webhooks missed."""


@app.command("file")
def ingest_file(
    path: Annotated[Path, typer.Argument(help="JSON Lines: conversations, or interactions with `turns`; gzip too.")],
    rate: Annotated[float | None, typer.Option(min=0.01, help="Lines a second; else as fast as Kafka takes.")] = None,
    as_json: AsJson = False,
) -> None:
    """Read a file; exit 1 when a line went to the dead letters."""

    async def job(adapters: Adapters) -> Intake:
        with _progress(path) as told:
            batches = FileBatches(path, rate, told).batches()
            return await _line_intake(adapters, "file").take_all(batches, f"file:{path.name}")

    _report(_with_adapters(job), str(path), as_json)


@app.command("s3")
def ingest_s3(
    uri: Annotated[str, typer.Argument(help="s3://bucket/key, or s3://bucket/prefix/ for all below it.")],
    as_json: AsJson = False,
) -> None:
    """Read finished interactions that are in S3 already; exit 1 when one went to the dead letters."""
    try:
        target = parse_s3_uri(uri)
    except DocumentError as error:
        raise typer.BadParameter(str(error)) from error

    async def job(adapters: Adapters) -> Intake:
        objects = S3Objects(adapters.threads)
        intake = _line_intake(adapters, "s3")
        total = Intake()
        async for found in objects.keys(target):
            if found.key.endswith("/"):
                continue
            taken = await intake.take_all(objects.batches(found), found.uri)
            _errors.print(f"{found.uri}: {taken.interactions} interactions, {taken.dead_letters} dead letters")
            total.add(taken, found.uri)
        if total.documents == 0:
            raise FatalError(f"{uri}: no object is there")
        return total

    _report(_with_adapters(job), uri, as_json)


@intercom.command("doctor")
def intercom_doctor(as_json: AsJson = False) -> None:
    """Check token, region, bot admin, teams, attributes, buttons, tags and webhooks; only reads."""
    checks = asyncio.run(_examine())
    if as_json:
        typer.echo(json.dumps([asdict(check) for check in checks], ensure_ascii=False, indent=2))
    else:
        _print_checks(checks)
    if any(check.level is Level.FAIL for check in checks):
        raise typer.Exit(1)


@intercom.command("reconcile")
def intercom_reconcile(
    since: Annotated[str, typer.Option(help="How far back: 30m, 2h, 3d.")] = "2h",
    as_json: AsJson = False,
) -> None:
    """Find what webhooks missed and write it as the same events."""
    lookback = parse_duration(since)
    environment = Environment.load()

    async def job(adapters: Adapters) -> dict[str, Any]:
        await adapters.resolve_bot_admin()
        reconciler = make_reconciler(environment, adapters)
        if reconciler is None:
            raise FatalError("Intercom is not set up: set FLOODGATE_INTERCOM_TOKEN")
        return vars(await reconciler.reconcile(utc_now() - lookback))

    found = _with_adapters(job)
    if as_json:
        typer.echo(json.dumps(found))
    else:
        typer.echo(
            f"{found['conversations']} conversations changed, {found['events']} events in them, "
            f"{found['missed']} missed and written now, {found['failed']} conversations unreadable"
        )
    if found["failed"]:
        raise typer.Exit(1)


def _with_adapters(job: Callable[[Adapters], Awaitable[T]]) -> T:
    """Runs a job with the adapters of the environment, closed afterwards."""

    async def run() -> T:
        adapters = make_adapters(Environment.load())
        try:
            await adapters.prepare_writing()
            return await job(adapters)
        except RetryableError as error:
            # Here nobody tries again by himself: ids stay the same, so the person may.
            raise FatalError(
                f"{error}; run the same command again, what is written already is the same event"
            ) from error
        finally:
            await adapters.close()

    return asyncio.run(run())


def _line_intake(adapters: Adapters, source: str) -> LineIntake:
    return LineIntake(
        EdgeWriter(adapters.sink, source),
        adapters.pseudonyms,
        adapters.clock,
        source=source,
        takes_conversations=source == "file",
    )


async def _examine() -> list[Check]:
    environment = Environment.load()
    if environment.intercom is None:
        raise FatalError("Intercom is not set up: set FLOODGATE_INTERCOM_TOKEN and FLOODGATE_INTERCOM_CLIENT_SECRET")
    try:
        catalogue = open_catalogue(load(CatalogueSettings)).catalogue
    except CatalogueError as error:
        raise FatalError(f"catalogue: {error}") from error
    timeline = OpenSearchTimeline(environment.opensearch)
    try:
        async with IntercomClient(environment.intercom) as client:
            return await examine(
                client,
                environment.intercom,
                catalogue,
                button_paths=environment.ingest.button_paths,
                wanted_attributes=(environment.ingest.language_attribute, environment.ingest.country_attribute),
                last_seen=lambda: timeline.newest(INTERCOM),
                now=utc_now(),
            )
    finally:
        await timeline.aclose()


@contextmanager
def _progress(path: Path) -> Iterator[Callable[[int], None]]:
    """A bar on standard error, only on a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=_errors, disable=not _errors.is_terminal, transient=True) as bar:
        task = bar.add_task(path.name, total=path.stat().st_size if path.is_file() else None)
        yield lambda done_bytes: bar.update(task, completed=done_bytes)


def _report(intake: Intake, name: str, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"source": name, **asdict(intake)}, ensure_ascii=False))
    else:
        for number, reason in intake.errors:
            place = f"line {number}" if number > 0 else "the rest"
            _errors.print(f"{name}: {place}: {reason}", style="red", highlight=False, markup=False)
        if intake.dead_letters > MAX_SHOWN_ERRORS:
            _errors.print(f"{name}: … and {intake.dead_letters - MAX_SHOWN_ERRORS} more", style="red")
        typer.echo(
            f"{name}: {intake.lines} lines: {intake.interactions} interactions, {intake.conversations} conversations "
            f"with {intake.messages} messages, {intake.dead_letters} dead letters"
        )
    if intake.dead_letters:
        raise typer.Exit(1)


def _print_checks(checks: Sequence[Check]) -> None:
    table = Table("check", "", "found", "remedy")
    for check in checks:
        colour = _COLOURS[check.level]
        table.add_row(check.name, f"[{colour}]{check.level}[/]", escape(check.found), escape(check.remedy))
    Console().print(table)
