"""`floodgate features ledger`: does a record or a dead letter stand against everything that came in?"""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import Annotated

import typer
from floodgate.committed import CommittedRecords
from rich.console import Console
from rich.table import Table

from summarizer.domain.ledger import Entry, Grace
from summarizer.ledger_watch import LedgerWatch, objects_since
from summarizer.sources import REMEDY


def ledger(
    *,
    hours: Annotated[float, typer.Option(min=0.1, help="How far back.")] = 48.0,
    grace_seconds: Annotated[float, typer.Option(min=0, help="How long an interaction may take online.")] = 180.0,
    batch_grace_hours: Annotated[float, typer.Option(min=0, help="The same for batch inference.")] = 26.0,
    s3: Annotated[str | None, typer.Option(help="s3://bucket/prefix of the drops: objects count as well.")] = None,
    watch_seconds: Annotated[float | None, typer.Option(min=1, help="Look again and again; a gap is an alert.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Reconciles interactions and dropped objects with records and dead letters, per hour and source.

    Exit code 1 when something is missing. With --watch-seconds 60 a gap is logged as an error (`ledger.gap`) and shown
    in the metric within the grace and one look: under five minutes by default. `floodgate run summarizer-ledger` does
    the same as a service.
    """
    watch = LedgerWatch(
        CommittedRecords(REMEDY, "ledger"),
        hours=hours,
        grace=Grace(grace_seconds, batch_grace_hours * 3600),
        drops=objects_since(s3),
    )
    while True:
        found = watch.look()
        _show(found.entries, found.late, found.lost, as_json=as_json)
        if watch_seconds is None:
            raise typer.Exit(1 if found.is_gap else 0)
        time.sleep(watch_seconds)


def _show(entries: list[Entry], late: list[str], lost: list[str], *, as_json: bool) -> None:
    if as_json:
        rows = [{**asdict(entry), "hour": entry.hour.isoformat()} for entry in entries]
        typer.echo(json.dumps({"hours": rows, "late": late, "objects_without_outcome": lost}))
        return
    table = Table("hour (UTC)", "source", "in", "records", "dead letters", "repeated", "open", "late", "refused lines")
    for entry in entries:
        table.add_row(
            f"{entry.hour:%Y-%m-%d %H}", entry.source,
            *(str(n) for n in (entry.interactions, entry.records, entry.dead_letters, entry.repeated, entry.open,
                               entry.late, entry.refused)),
        )  # fmt: skip
    Console().print(table)
    for identifier in late:
        typer.echo(f"nothing came of interaction {identifier}")
    for address in lost:
        typer.echo(f"nothing came of {address}")
