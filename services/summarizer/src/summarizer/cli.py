"""`floodgate features`: the feature group and its records."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from floodgate.json_lines import json_objects
from floodgate.settings import load
from keyflow.errors import FatalError
from rich.console import Console
from rich.table import Table

from summarizer.adapters.parquet_offline_store import ParquetOfflineStore, write_table
from summarizer.adapters.sagemaker_feature_group import SageMakerFeatureGroup
from summarizer.adapters.sagemaker_feature_store import SageMakerFeatureStore
from summarizer.domain.drift import shifts
from summarizer.domain.features import feature_definitions, typed_values
from summarizer.domain.offline import as_of, offline_row, parsed
from summarizer.ledger_cli import ledger
from summarizer.recompute_cli import recompute
from summarizer.settings import FeatureStoreSettings
from summarizer.sources import summaries
from summarizer.uplift_cli import uplift

app = typer.Typer(help="Feature records of finished interactions.", no_args_is_help=True)

app.command()(ledger)
app.command()(recompute)
app.command()(uplift)

_LABEL_SHAPE = '{"contact_id": "…", "at": "2026-11-20T10:00:00Z", "label": 1}'
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@app.command()
def get(
    interaction_id: Annotated[UUID, typer.Argument(help="Id of the interaction.")],
    as_json: AsJson = False,
) -> None:
    """Shows the newest feature record of one interaction."""
    settings = load(FeatureStoreSettings)
    found = SageMakerFeatureStore(settings).get(str(interaction_id))
    if found is None:
        raise FatalError(f"{settings.group} has no record of {interaction_id}: not finished yet, or a dead letter")
    values = typed_values(found)
    if as_json:
        typer.echo(json.dumps(values, ensure_ascii=False))
        return
    table = Table("feature", "value", title=settings.group)
    for name, value in values.items():
        table.add_row(name, str(value))
    Console().print(table)


@app.command()
def setup(as_json: AsJson = False) -> None:
    """Declares the feature group, or adds the features that it lacks; safe to repeat."""
    settings = load(FeatureStoreSettings)
    outcome = SageMakerFeatureGroup(settings).declare()
    features = len(feature_definitions())
    if as_json:
        typer.echo(json.dumps({"group": settings.group, "outcome": outcome, "features": features}))
    else:
        typer.echo(f"feature group {settings.group}: {outcome} ({features} features)")


@app.command("list")
def list_features(as_json: AsJson = False) -> None:
    """Lists the features with their types and what they mean."""
    features = feature_definitions()
    if as_json:
        typer.echo(json.dumps([{"name": f.name, "type": f.kind, "description": f.description} for f in features]))
        return
    table = Table("feature", "type", "meaning")
    for feature in features:
        table.add_row(feature.name, feature.kind, feature.description)
    Console().print(table)


@app.command()
def export(
    to: Annotated[Path, typer.Option(help="Folder of the offline store; made where it is not there.")],
    labels: Annotated[
        Path | None, typer.Option(help='{"interaction_id" or "contact_id", "at", …} rows to join as of their moments.')
    ] = None,
    key: Annotated[str, typer.Option(help="What labels are joined by: interaction_id or contact_id.")] = "contact_id",
    out: Annotated[Path | None, typer.Option(help="File for the joined rows (Parquet).")] = None,
) -> None:
    """Writes committed feature records as Parquet with the offline store's columns, under hourly partitions.

    Repeating it changes nothing. With --labels it also joins, for every label, what was known at its moment.
    """
    if labels is not None and (out is None or key not in {"interaction_id", "contact_id"}):
        raise typer.BadParameter("name a file with --out, and interaction_id or contact_id with --key")
    now = datetime.now(UTC)
    rows = [
        offline_row(record, invoked_at=datetime.fromtimestamp(at_ms / 1000, UTC), written_at=now)
        for record, at_ms in summaries()
    ]
    store = ParquetOfflineStore(to)
    kept, partitions = store.write(rows)
    typer.echo(f"{to}: {kept} rows in {partitions} hourly partitions, from {len(rows)} records")
    if labels is not None and out is not None:
        joined = as_of(store.rows(), [row for _, row in json_objects((labels,), _LABEL_SHAPE)], key)
        write_table(joined, out)
        found = sum("summary" in row for row in joined)
        typer.echo(f"{out}: {len(joined)} labels, {found} of them with features known at their moment")


@app.command()
def drift(
    since: Annotated[str, typer.Option(help="Begin of the window that is looked at (ISO 8601).")],
    reference_days: Annotated[float, typer.Option(min=0, help="Days before it that it is compared with.")] = 28.0,
    as_json: AsJson = False,
) -> None:
    """Compares every feature's distribution per language and prompt version with a reference; exit 1 when one moved."""
    begin = parsed(since)
    records = [record for record, _ in summaries()]
    before = [r for r in records if begin - timedelta(days=reference_days) <= r.event_time < begin]
    found = shifts(before, [r for r in records if r.event_time >= begin])
    moved = [shift for shift in found if shift.alarms]
    if as_json:
        names = ("language", "prompt", "feature", "index", "before", "now", "alarms")
        typer.echo(json.dumps([{name: getattr(shift, name) for name in names} for shift in found]))
    else:
        table = Table("language", "prompt", "feature", "index", "before", "now")
        for shift in moved or found[:10]:
            table.add_row(shift.language, shift.prompt, shift.feature, f"{shift.index:.3f}", str(shift.before),
                          str(shift.now))  # fmt: skip
        Console().print(table)
        typer.echo(f"{len(moved)} of {len(found)} distributions moved")
    if moved:
        raise typer.Exit(1)
