"""`floodgate workflows evidence`: what speaks for automation of each category, against its written bar."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from floodgate.catalogue.models import Catalogue, Category
from floodgate.committed import CommittedRecords
from floodgate.events.serde import AvroSerde
from floodgate.mode_switch import read_modes
from floodgate.modes import Modes
from floodgate.service import EventProducer
from floodgate.settings import KafkaSettings, RegistrySettings, load
from rich.console import Console
from rich.table import Table

from agent.bar_watch import TOPICS, fall_back, since_of
from agent.domain.evidence import Evidence, EvidenceBook, Share
from agent.opening import Directory, open_catalogue


def evidence(
    category: Annotated[str, typer.Argument(help="One category.  [default: every one with a workflow]")] = "",
    *,
    enforce: Annotated[
        bool, typer.Option("--enforce", help="Limit a category whose bar is broken to shadow, now.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    catalogue_dir: Directory = None,
) -> None:
    """Show agreement, reopened and wrong-path rates of each category, and whether its bar is shown or broken."""
    catalogue, now = open_catalogue(catalogue_dir), datetime.now(UTC)
    chosen = [c for c in catalogue.categories if c.workflow and category in {"", c.id}]
    if not chosen:
        raise typer.BadParameter(f"there is no category {category!r} with a workflow")
    modes, book = read_modes(), read_book(catalogue, now)
    found = {one.id: book.of(one.id, since=since_of(one, modes, now), now=now) for one in chosen}
    if as_json:
        typer.echo(json.dumps([_told(one, found[one.id], modes) for one in chosen], ensure_ascii=False, indent=2))
    else:
        _print(chosen, found, modes)
    if enforce:
        _enforce(catalogue, modes, book, now)


def read_book(catalogue: Catalogue, now: datetime) -> EvidenceBook:
    """Everything that happened in the widest window of the catalogue's bars.

    Raises:
        FatalError: Kafka cannot be read.
    """
    book, days = EvidenceBook(), max(category.bar.window_days for category in catalogue.categories)
    since_ms = int((now - timedelta(days=days)).timestamp() * 1000)
    source = CommittedRecords("run `floodgate setup`", "evidence")
    for topic in TOPICS:
        book.take(record for _, _, record in source.of(topic, since_ms=since_ms))
    return book


def _enforce(catalogue: Catalogue, modes: Modes, book: EvidenceBook, now: datetime) -> None:
    async def act() -> None:
        producer = EventProducer(load(KafkaSettings), AvroSerde(load(RegistrySettings)))
        try:
            changes = await fall_back(catalogue, modes, book, producer, now)
        finally:
            await producer.close()
        for change in changes:
            typer.echo(f"{change.target} is limited to shadow ({change.reason})", err=True)

    asyncio.run(act())


def _print(chosen: list[Category], found: dict[str, Evidence], modes: Modes) -> None:
    console = Console(soft_wrap=True)
    table = Table("category", "holds", "approved", "reopened in 7 days", "wrong path", "shadow", "bar")
    for one in chosen:
        counted = found[one.id]
        shares = [_short(share) for share in (counted.agreement, counted.reopened, counted.wrong_path)]
        standing = counted.standing(one.bar).value
        table.add_row(one.id, modes.automation(one).value, *shares, str(counted.computed), standing)
    console.print(table)
    for one in chosen:
        counted = found[one.id]
        lacks = counted.broken(one.bar) or [f"needs {what}" for what in counted.missing(one.bar)]
        if lacks:
            console.print(f"{one.id}: {'; '.join(lacks)}", markup=False, highlight=False)


def _short(share: Share) -> str:
    return f"{share.hits} of {share.n} ({share.hits / share.n:.0%})" if share.n else "-"


def _told(one: Category, counted: Evidence, modes: Modes) -> dict[str, Any]:
    return {
        "category": one.id,
        "workflow": one.workflow,
        "catalogue": one.automation.value,
        "holds": modes.automation(one).value,
        "standing": counted.standing(one.bar).value,
        "broken": counted.broken(one.bar),
        "missing": counted.missing(one.bar),
        "agreement": _share(counted.agreement),
        "reopened": _share(counted.reopened),
        "reopened_ripe": _share(counted.reopened_ripe),
        "wrong_path": _share(counted.wrong_path),
        "computed_in_shadow": counted.computed,
        "handed_over": dict(counted.handed_over),
        "bar": one.bar.model_dump(),
    }


def _share(share: Share) -> dict[str, Any]:
    low, high = share.interval
    return {"hits": share.hits, "n": share.n, "low": round(low, 4), "high": round(high, 4)}
