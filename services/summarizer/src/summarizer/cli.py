"""`floodgate features`: the feature group and its records."""

from __future__ import annotations

import json
from typing import Annotated
from uuid import UUID

import typer
from floodgate.settings import load
from keyflow.errors import FatalError
from rich.console import Console
from rich.table import Table

from summarizer.adapters.sagemaker_feature_group import SageMakerFeatureGroup
from summarizer.adapters.sagemaker_feature_store import SageMakerFeatureStore
from summarizer.domain.features import feature_definitions, typed_values
from summarizer.settings import FeatureStoreSettings

app = typer.Typer(help="Feature records of finished interactions.", no_args_is_help=True)

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
