"""`floodgate features recompute`: a period's records under today's prompt and calibration."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from statistics import mean
from typing import Annotated, Final

import typer
from floodgate.catalogue.opening import open_catalogue
from floodgate.committed import CommittedRecords
from floodgate.events import Interaction
from floodgate.events.serde import AvroSerde
from floodgate.service import EventProducer
from floodgate.settings import CatalogueSettings, KafkaSettings, RegistrySettings, load
from keyflow.kafka_io import ORIGIN_TOPIC_HEADER
from rich.console import Console
from rich.progress import Progress

from summarizer.domain.calibration import set_version
from summarizer.domain.extraction import summarize_prompt
from summarizer.domain.offline import parsed
from summarizer.domain.recompute import recomputations, sets_of
from summarizer.sources import REMEDY, summaries

INTERACTIONS: Final = "support.interactions"
REDRIVE: Final = "support.summarizer.redrive"


def recompute(
    since: Annotated[str, typer.Option("--from", help="First moment at which interactions ended (ISO 8601).")],
    until: Annotated[str, typer.Option("--to", help="First moment that is not part of the period.")],
    per_second: Annotated[float, typer.Option(min=0.1, help="At most so many a second: live traffic goes on.")] = 20.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count, and say what it may cost.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Has a period's interactions summarized again, by the running service, where their records are of another set.

    A new record takes the old one's place in the online store; the offline store keeps both, told apart by
    feature_set_version. What came through already is not asked again, so the command may be repeated.
    """
    catalogue = open_catalogue(load(CatalogueSettings)).catalogue
    prompt = summarize_prompt(catalogue)
    wanted = set_version(f"{prompt.name}@{prompt.version}", catalogue.calibration)
    begin, end = parsed(since), parsed(until)
    read = CommittedRecords(REMEDY, "features")
    # Interactions arrive after they ended.
    arrived = (record for _, _, record in read.of(INTERACTIONS, since_ms=int(begin.timestamp() * 1000)))
    records = [record for record, _ in summaries()]
    asked = recomputations(
        (one for one in arrived if isinstance(one, Interaction)), sets_of(records), begin, end, wanted
    )
    each = mean([record.usage.cost_usd for record in records]) if records else 0.0
    if not dry_run:
        asyncio.run(_send(asked, per_second))
    said = {
        "feature_set_version": wanted,
        "interactions": len(asked),
        "sent": 0 if dry_run else len(asked),
        "unreadable": read.unreadable,
        "estimated_usd": round(each * len(asked), 4),
    }
    typer.echo(json.dumps(said) if as_json else _line(said, dry_run=dry_run))


def _line(said: dict[str, object], *, dry_run: bool) -> str:
    what = "would go" if dry_run else "went"
    return (
        f"{said['interactions']} interactions {what} to the summarizer for {said['feature_set_version']}, "
        f"at about ${said['estimated_usd']}; repeating it asks nothing twice"
    )


async def _send(interactions: Sequence[Interaction], per_second: float) -> None:
    serde = AvroSerde(load(RegistrySettings))
    producer = EventProducer(load(KafkaSettings), serde)
    headers = ((ORIGIN_TOPIC_HEADER, INTERACTIONS.encode()),)
    began = time.monotonic()
    try:
        with Progress(console=Console(stderr=True)) as progress:
            bar = progress.add_task("recompute", total=len(interactions))
            for number, one in enumerate(interactions):
                await asyncio.sleep(max(began + number / per_second - time.monotonic(), 0.0))
                value = serde.encode(INTERACTIONS, one)
                await producer.send_bytes(REDRIVE, str(one.interaction_id).encode(), value, headers)
                progress.advance(bar)
    finally:
        await producer.close()
