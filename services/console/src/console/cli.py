"""`floodgate console`: the projection from the command line."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Annotated

import typer
from floodgate.events.serde import AvroSerde
from floodgate.settings import KafkaSettings, OpenSearchSettings, RegistrySettings, load
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from console.adapters.kafka_projector import rebuild
from console.adapters.opensearch_projection import OpenSearchProjection
from console.settings import ConsoleSettings

app = typer.Typer(help="The operators' web page: `floodgate run console` serves it.", no_args_is_help=True)
_errors = Console(stderr=True)


@app.callback()
def root() -> None:
    """The operators' web page: `floodgate run console` serves it."""


@app.command("rebuild")
def rebuild_command(as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """Build the console's projection anew from the topics; the old one serves until the new one is whole."""
    settings, kafka = load(ConsoleSettings), load(KafkaSettings)
    columns = (TextColumn("records read"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=_errors) as shown:
        task = shown.add_task("rebuild", total=None)

        async def run() -> tuple[str, int]:
            projection = OpenSearchProjection(load(OpenSearchSettings), settings.index)
            try:
                return await rebuild(
                    kafka,
                    AvroSerde(load(RegistrySettings)),
                    projection,
                    keep=timedelta(days=settings.keep_days),
                    progress=lambda read, total: shown.update(task, completed=read, total=total),
                )
            finally:
                await projection.aclose()

        index, written = asyncio.run(run())
    if as_json:
        typer.echo(json.dumps({"index": index, "records": written}))
    else:
        typer.echo(f"{written} records in {index}; a running console takes it over within 5 s")
