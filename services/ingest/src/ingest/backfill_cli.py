"""`floodgate backfill`: old interactions, beside live traffic."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from floodgate.bedrock import BedrockSettings, ModelPrice, PriceTable
from floodgate.settings import load
from keyflow.errors import FatalError, RetryableError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from ingest.adapters.backfill_sources import Bucket, Folder
from ingest.adapters.kafka_backlog import KafkaBacklog
from ingest.adapters.s3_objects import S3Objects
from ingest.backfill import Backfill, End, Progress, Source, StandingFile
from ingest.bootstrap import Adapters, Environment, make_adapters
from ingest.domain.backfill import Estimate, Pace, Standing
from ingest.domain.errors import DocumentError
from ingest.domain.s3_notices import parse_s3_uri
from ingest.edge import EdgeWriter
from ingest.intake import LineIntake

AT_THE_BUDGET: Final = 3
"""Exit code of a run that stopped at its budget."""
_TELL_SECONDS: Final = 15.0
_errors = Console(stderr=True)


def backfill(
    where: Annotated[str, typer.Argument(help="s3://bucket/prefix, a folder, or a file: finished interactions.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Go on after the estimate without asking.")] = False,
    budget: Annotated[float | None, typer.Option(min=0, help="USD (estimated) at which it stops; exit code 3.")] = None,
    rate: Annotated[float, typer.Option(min=0.1, help="Lines a second at most.")] = 200.0,
    max_backlog: Annotated[int, typer.Option(min=1, help="Interactions that may wait for the summarizer.")] = 200,
    state: Annotated[Path | None, typer.Option(help="Where its place is kept; by default one file a source.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Bring old interactions in, slowly enough that live traffic keeps its latency; show first what it may cost.

    Run again, it goes on where it stopped. A line that cannot be read is a dead letter (exit code 1).
    """
    bedrock = load(BedrockSettings)
    price = PriceTable.load(bedrock.price_file).price(bedrock.model_id)
    asyncio.run(_Command(where, state, as_json).run(yes, budget, Pace(max_backlog, rate), price))


class _Command:
    def __init__(self, where: str, state: Path | None, as_json: bool) -> None:
        # One name for one source, from whichever folder the command is run.
        self._where = where if where.startswith("s3://") else str(Path(where).resolve())
        self._state = state or _state_file(self._where)
        self._as_json = as_json

    async def run(self, yes: bool, budget: float | None, pace: Pace, price: ModelPrice) -> None:
        environment = Environment.load()
        adapters = make_adapters(environment)
        backlog = KafkaBacklog(environment.kafka)
        try:
            await adapters.prepare_writing()
            with self._telling() as tell:
                job = Backfill(
                    self._source(adapters), self._intake(adapters), backlog, StandingFile(self._state, self._where),
                    pace=pace, price=price, budget_usd=budget, tell=tell.chunk,
                )  # fmt: skip
                found = await job.estimated()
                self._confirm(found, yes)
                tell.begin(found)
                end, standing = await job.run(_stopping())
        except RetryableError as error:
            raise FatalError(f"{error}; run the same command again, it goes on where it stopped") from error
        finally:
            backlog.close()
            await adapters.close()
        self._report(end, standing)

    def _source(self, adapters: Adapters) -> Source:
        if not self._where.startswith("s3://"):
            return Folder(Path(self._where))
        try:
            return Bucket(S3Objects(adapters.threads), parse_s3_uri(self._where))
        except DocumentError as error:
            raise typer.BadParameter(str(error)) from error

    def _intake(self, adapters: Adapters) -> LineIntake:
        source = "s3" if self._where.startswith("s3://") else "file"
        writer = EdgeWriter(adapters.sink, source)
        return LineIntake(writer, adapters.pseudonyms, adapters.clock, source=source, takes_conversations=False)

    def _confirm(self, found: Estimate, yes: bool) -> None:
        shown = (
            f"{found.documents} documents, {found.size_bytes / 1e6:,.1f} MB, about {found.lines:,} interactions: "
            f"about {found.usd:,.2f} USD online, about half of that by batch inference"
        )
        _errors.print(shown, highlight=False)
        if yes or not found.documents:
            return
        if not _errors.is_terminal or self._as_json:
            if self._as_json:
                typer.echo(json.dumps({"estimate": asdict(found)}))
            raise FatalError("say --yes to go on")
        typer.confirm("Go on?", abort=True, err=True)

    @contextmanager
    def _telling(self) -> Iterator[_Teller]:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        bar = Bar(*columns, TimeRemainingColumn(), console=_errors, disable=not _errors.is_terminal, transient=True)
        with bar:
            yield _Teller(bar)

    def _report(self, end: End, standing: Standing) -> None:
        if self._as_json:
            typer.echo(json.dumps({"end": end, "state": str(self._state), **standing.report()}))
        else:
            typer.echo(
                f"{end}: {standing.interactions:,} interactions, {standing.dead_letters} dead letters, "
                f"{len(standing.done)} documents done, about {standing.usd:,.4f} USD; place kept in {self._state}"
            )
        if end is End.BUDGET:
            raise typer.Exit(AT_THE_BUDGET)
        if standing.dead_letters or end is End.STOPPED:
            raise typer.Exit(1)


class _Teller:
    """A bar on a terminal, a line now and then elsewhere."""

    def __init__(self, bar: Bar) -> None:
        self._bar = bar
        self._lines = self._before = 0
        self._task: Any = None
        self._began = self._told = time.monotonic()

    def begin(self, found: Estimate) -> None:
        self._lines = found.lines
        self._task = self._bar.add_task("backfill", total=found.lines)
        self._began = self._told = time.monotonic()
        self._before = -1

    def chunk(self, progress: Progress) -> None:
        written = progress.standing.interactions + progress.standing.dead_letters
        if self._before < 0:
            self._before = written
        now, fresh = time.monotonic(), written - self._before
        text = f"{progress.per_second:.0f}/s, {progress.backlog} waiting"
        self._bar.update(self._task, completed=fresh, description=text)
        if self._bar.disable and now - self._told > _TELL_SECONDS:
            self._told = now
            left_seconds = max(self._lines - fresh, 0) * (now - self._began) / max(fresh, 1)
            _errors.print(f"{fresh:,} of about {self._lines:,}, {text}, {left_seconds / 60:.0f} min left")


def _stopping() -> asyncio.Event:
    """Set by SIGINT and SIGTERM: the chunk that is under way is written, and its place kept."""
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    return stop


def _state_file(where: str) -> Path:
    folder = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return folder / "floodgate" / f"backfill-{hashlib.sha256(where.encode()).hexdigest()[:12]}.json"
