"""`floodgate features uplift`: what the features add to a model of something people know later."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer
from floodgate.json_lines import json_objects
from keyflow.errors import FatalError
from rich.console import Console
from rich.table import Table

from summarizer.adapters.parquet_offline_store import ParquetOfflineStore
from summarizer.domain.offline import as_of
from summarizer.domain.uplift import SEED, Estimate, Uplift
from summarizer.domain.uplift import uplift as uplift_of

SHAPE: Final = '{"contact_id": "…", "at": "2026-11-20T10:00:00Z", "label": 1, "tenure_months": 14}'


def uplift(
    labels: Annotated[Path, typer.Option(help=f"What came of people, and what else is known of them: {SHAPE}")],
    features: Annotated[Path, typer.Option(help="Folder that `floodgate features export --to` wrote.")],
    key: Annotated[str, typer.Option(help="What labels are joined by: contact_id or interaction_id.")] = "contact_id",
    seed: Annotated[int, typer.Option(help="Of folds and resamples.")] = SEED,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """A model's AUC with and without our features, with 95 % intervals, and how many labels it took.

    Other members of a label than its key, "at" and "label" are what is known without us. Each label is joined with what
    was known at its moment, and nothing later.
    """
    if key not in {"interaction_id", "contact_id"}:
        raise typer.BadParameter("say interaction_id or contact_id", param_hint="--key")
    try:
        joined = as_of(ParquetOfflineStore(features).rows(), [row for _, row in json_objects((labels,), SHAPE)], key)
        found = uplift_of(joined, seed=seed)
    except ValueError as error:
        raise FatalError(f"{labels}: {error}; write one JSON object per line: {SHAPE}") from error
    if as_json:
        typer.echo(json.dumps(asdict(found)))
    else:
        _show(found)


def _show(found: Uplift) -> None:
    console = Console(soft_wrap=True)
    console.print(f"{found.labels} labels, {found.positive} of them 1; {found.known} have a feature record")
    table = Table("", "AUC", "95 % interval")
    without = f"without ours ({', '.join(n.removeprefix('label_') for n in found.own_columns) or 'nothing known'})"
    for name, one in ((without, found.without), ("with ours", found.with_ours), ("gain", found.gain)):
        table.add_row(name, f"{one.value:.3f}", _interval(one))
    console.print(table)
    curve = Table("labels learned from", "without ours", "with ours")
    for count, own, both in found.curve:
        curve.add_row(str(count), f"{own:.3f}", f"{both:.3f}")
    console.print(curve)
    reached = "no number of these labels" if found.labels_needed is None else f"{found.labels_needed} labels"
    console.print(f"with ours, {reached} bring what all bring without")


def _interval(one: Estimate) -> str:
    return f"{one.low:.3f} to {one.high:.3f}"
