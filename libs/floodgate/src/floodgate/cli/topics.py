"""`floodgate topics`: the declared topics and their deploy step."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from floodgate.admin import apply_topics
from floodgate.events.topics import topics
from floodgate.settings import KafkaSettings, load

app = typer.Typer(help="Kafka topics as schemas/topics.yaml declares them.", no_args_is_help=True)


@app.command("list")
def list_topics(as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """Show the declared topics."""
    if as_json:
        typer.echo(json.dumps([asdict(topic) for topic in topics().values()], indent=2))
        return
    table = Table("topic", "record", "key", "partitions", "keeps", "written by", "read by")
    for topic in topics().values():
        keeps = "newest per key" if topic.retention_days is None else f"{topic.retention_days} days"
        table.add_row(
            topic.name,
            topic.record or "bytes",
            topic.key,
            str(topic.partitions),
            keeps,
            ", ".join(topic.writers),
            ", ".join(topic.readers),
        )
    Console().print(table)


@app.command()
def apply(
    replication: Annotated[int, typer.Option(help="Replicas of each new topic.", min=1)] = 1,
) -> None:
    """Create the topics that are missing; refuse when a partition count differs."""
    applied = apply_topics(load(KafkaSettings), replication=replication)
    typer.echo(f"{len(applied.created)} created, {len(applied.unchanged)} unchanged")
