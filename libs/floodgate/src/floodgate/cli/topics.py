"""`floodgate topics`: the declared topics and their deploy step."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer
from keyflow.errors import FatalError
from rich.console import Console
from rich.table import Table

from floodgate.admin import apply_topics
from floodgate.cli.conversation import audit_unmasking
from floodgate.cli.repartition import repartition
from floodgate.events.serde import AvroSerde
from floodgate.events.topics import topics
from floodgate.settings import KafkaSettings, RegistrySettings, load
from floodgate.timeline import Seen, TopicReader, shown
from floodgate.timeline.hops import trace_id

app = typer.Typer(help="Kafka topics as schemas/topics.yaml declares them.", no_args_is_help=True)
app.command()(repartition)


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


@app.command()
def tail(
    topic: Annotated[str, typer.Argument(help="support.verdicts, say; `support.` may be left out.")],
    *,
    last: Annotated[int, typer.Option("--last", "-n", min=0, help="Start so many offsets before each end.")] = 10,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")] = False,
    key: Annotated[str | None, typer.Option(help="Only records of this key.")] = None,
    unmask: Annotated[
        bool, typer.Option("--unmask", help="Show texts as they stand. This is written to support.audit.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Show the newest records of a topic, decoded; texts are masked."""
    name = topic if topic in topics() else f"support.{topic}"
    if name not in topics():
        raise FatalError(f"{topic} is not declared: see `floodgate topics list`")
    settings, serde = load(KafkaSettings), AvroSerde(load(RegistrySettings))
    if unmask:
        audit_unmasking(settings, serde, f"topic {name}", reason)
    console = Console(soft_wrap=True)
    found = TopicReader(settings, serde).tail(name, last, follow=follow)
    for seen in found if follow else sorted(found, key=lambda seen: (seen.timestamp_ms, seen.partition, seen.offset)):
        if key is not None and seen.key != key:
            continue
        if as_json:
            typer.echo(json.dumps(_told(seen, unmask=unmask), ensure_ascii=False))
        else:
            console.print(_line(seen, unmask=unmask), markup=False, highlight=False)


def _told(seen: Seen, *, unmask: bool) -> dict[str, object]:
    record = None if seen.value is None else shown(seen.value, unmask=unmask)
    place = {"topic": seen.topic, "partition": seen.partition, "offset": seen.offset}
    facts = {**place, "timestamp_ms": seen.timestamp_ms, "key": seen.key, "bytes": seen.size_bytes}
    return {**facts, "trace_id": trace_id(seen.headers), "record": record, "problem": seen.problem}


def _line(seen: Seen, *, unmask: bool) -> str:
    at = datetime.fromtimestamp(seen.timestamp_ms / 1000, UTC).strftime("%H:%M:%S.%f")[:-3]
    head = f"{at} {seen.partition}/{seen.offset} {seen.key}"
    if seen.value is None:
        return f"{head} {seen.problem or f'{seen.size_bytes} bytes'}"
    return f"{head} {json.dumps(shown(seen.value, unmask=unmask), ensure_ascii=False)}"
