"""`floodgate features ledger`: does a record or a dead letter stand against everything that came in?"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import boto3
import typer
from floodgate.committed import CommittedRecords
from floodgate.telemetry import gauge, get_logger
from keyflow.errors import FatalError
from rich.console import Console
from rich.table import Table

from summarizer.domain.ledger import Entry, Ledger, without_outcome
from summarizer.sources import REMEDY

log = get_logger(__name__)

_TOPICS: Final = ("support.interactions", "support.summaries", "support.dead-letters")
_GAP: Final = gauge("floodgate_ledger_gap", "Interactions and objects of which nothing came in time.", ("what",))


def ledger(
    hours: Annotated[float, typer.Option(min=0.1, help="How far back.")] = 48.0,
    grace_seconds: Annotated[float, typer.Option(min=0, help="How long an interaction may take.")] = 180.0,
    s3: Annotated[str | None, typer.Option(help="s3://bucket/prefix of the drops: objects count as well.")] = None,
    watch_seconds: Annotated[float | None, typer.Option(min=1, help="Look again and again; a gap is an alert.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Reconciles interactions and dropped objects with records and dead letters, per hour and source.

    Exit code 1 when something is missing. With --watch-seconds 60 a gap is logged as an error (`ledger.gap`) and shown
    in the metric within the grace and one look: under five minutes by default.
    """
    while True:
        gap = _look(hours, grace_seconds, s3, as_json=as_json)
        if watch_seconds is None:
            raise typer.Exit(1 if gap else 0)
        time.sleep(watch_seconds)


def _look(hours: float, grace_seconds: float, s3: str | None, *, as_json: bool) -> bool:
    now = datetime.now(UTC)
    begin = now - timedelta(hours=hours)
    books = Ledger()
    records = CommittedRecords(REMEDY, "ledger")
    for topic in _TOPICS:
        for message, key, value in records.of(topic, since_ms=int(begin.timestamp() * 1000)):
            books.take(key, value, int(message.timestamp()[1]))
    if records.unreadable:
        log.warning("ledger.unreadable", records=records.unreadable)
    now_ms = int(now.timestamp() * 1000)
    entries = books.entries(now_ms, grace_seconds)
    late = books.late(now_ms, grace_seconds)
    dropped = _objects(s3, begin) if s3 else ()
    lost = without_outcome(dropped, books, now - timedelta(seconds=grace_seconds))
    _GAP.labels("interactions").set(sum(entry.late for entry in entries))
    _GAP.labels("objects").set(len(lost))
    if late or lost:
        log.error("ledger.gap", interactions=sum(entry.late for entry in entries), oldest=late[:3], objects=lost[:3])
    _show(entries, late, lost, as_json=as_json)
    return bool(late or lost)


def _objects(address: str, begin: datetime) -> Iterator[tuple[str, datetime]]:
    """Objects written since a moment.

    Raises:
        FatalError: It is no address of S3.
    """
    bucket, _, prefix = address.removeprefix("s3://").partition("/")
    if not address.startswith("s3://") or not bucket:
        raise FatalError(f"{address}: say s3://bucket/prefix")
    for page in boto3.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for found in page.get("Contents", ()):
            if found["LastModified"] >= begin:
                yield f"s3://{bucket}/{found['Key']}", found["LastModified"]


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
