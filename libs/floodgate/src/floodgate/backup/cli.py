"""`floodgate backup`: what only the cluster and the registry hold, kept elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from keyflow.errors import FatalError

from floodgate.backup.archive import Archive, Cut, Manifest
from floodgate.backup.kafka_source import Backup
from floodgate.backup.kafka_target import Restore
from floodgate.backup.registry import ConfluentRegistry
from floodgate.backup.verifying import problems, without_schema
from floodgate.catalogue.location import open_blobs
from floodgate.events.topics import topics
from floodgate.settings import KafkaSettings, RegistrySettings, load

app = typer.Typer(
    help="Keep topics, group offsets and schemas elsewhere; restore them onto an empty cluster.", no_args_is_help=True
)
Where = Annotated[str, typer.Argument(help="A folder or s3://bucket/prefix.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


@app.command()
def create(
    target: Where,
    *,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for a quiet moment.")] = 60.0,
    as_json: AsJson = False,
) -> None:
    """Take a backup. Killed half-way, say the same again.

    Needs one moment in which no service commits: on a busy site stop them until the cut is taken.
    """
    archive = _archive(target)
    registry = ConfluentRegistry(load(RegistrySettings))
    backup = Backup(load(KafkaSettings), registry, list(topics().values()), archive, _teller(as_json))
    backup.create(wait)
    _show(*archive.opened(), as_json=as_json)


@app.command()
def restore(
    source: Where,
    *,
    replication: Annotated[int, typer.Option(min=1, help="Replicas of each topic.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Restore a backup onto an empty cluster, before any service runs. Killed half-way, say the same again."""
    registry = ConfluentRegistry(load(RegistrySettings))
    archive = _archive(source)
    tell = _teller(as_json)
    done = Restore(load(KafkaSettings), registry, archive, replication=replication, tell=tell).run()
    if as_json:
        typer.echo(json.dumps(asdict(done), indent=2))
    else:
        typer.echo(f"{done.records} records in {done.topics} topics, {done.groups} groups; now run `floodgate setup`")


@app.command()
def verify(source: Where, *, as_json: AsJson = False) -> None:
    """Read a backup wholly: checksums, offsets, and whether every schema is there. Needs no Kafka."""
    archive = _archive(source)
    cut, manifest = archive.opened()
    found = problems(archive, cut, manifest, _teller(as_json))
    more: dict[str, Any] = {} if found else {"records_without_schema": without_schema(archive, cut, manifest)}
    _show(cut, manifest, as_json=as_json, problems=found, **more)
    if found:
        raise FatalError(f"{len(found)} problems: {'; '.join(found[:5])}")


def _archive(where: str) -> Archive:
    return Archive(open_blobs(where))


def _teller(as_json: bool) -> Callable[[str], None]:
    return lambda line: None if as_json else typer.echo(line, err=True)


def _show(cut: Cut, manifest: Manifest, *, as_json: bool, **more: Any) -> None:
    at = datetime.fromtimestamp(cut.at_ms / 1000, UTC).isoformat(timespec="seconds")
    facts: dict[str, Any] = {
        "id": cut.id,
        "cut_at": at,
        "topics": len(cut.topics),
        "records": manifest.records,
        "chunks": len(manifest.chunks),
        "groups": len(cut.groups),
        "schemas": len(cut.schemas),
        **more,
    }
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
    else:
        typer.echo(", ".join(f"{name} {value}" for name, value in facts.items()))
