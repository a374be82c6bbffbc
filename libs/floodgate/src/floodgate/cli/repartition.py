"""`floodgate topics repartition`: another number of partitions for all topics that share one."""

from __future__ import annotations

import json
import time
from typing import Annotated

import typer
from keyflow.errors import FatalError
from rich.console import Console
from rich.table import Table

from floodgate.events.topics import topics
from floodgate.repartition import Facts, subjects_of
from floodgate.repartition_kafka import Repartition
from floodgate.settings import KafkaSettings, load

_LOOK_EVERY_SECONDS = 2.0


def repartition(
    *,
    partitions: Annotated[
        int | None, typer.Option(min=2, help="How many each topic gets; by default FLOODGATE_KAFKA_PARTITIONS.")
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Do it; without, only what would be done is shown.")] = False,
    wait: Annotated[
        float, typer.Option(min=0, help="Wait so many seconds until everything is read and stopped.")
    ] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Give all topics that share a partition count another, with state and offsets.

    Close the edge, let everything be read, stop every service, apply, then start with FLOODGATE_KAFKA_PARTITIONS set
    to the new number. Refuses while anything is unfinished. Killed half-way, say the same again.
    """
    settings = load(KafkaSettings)
    target = partitions or settings.partitions
    if target is None:
        raise FatalError("say --partitions, or set FLOODGATE_KAFKA_PARTITIONS")
    change = Repartition(settings, subjects_of(topics().values()), target)
    facts = _settled(change, wait)
    if apply and not facts.done:
        facts = change.apply(lambda line: None if as_json else typer.echo(line))
    if as_json:
        typer.echo(json.dumps(facts.told(), indent=2))
    else:
        _show(facts)
    if facts.problems() and not facts.done:
        raise typer.Exit(1)


def _settled(change: Repartition, wait_seconds: float) -> Facts:
    """How things stand once nothing is in the way, or when the time is up."""
    deadline = time.monotonic() + wait_seconds
    while (facts := change.look()).problems() and time.monotonic() < deadline:
        typer.echo(f"waiting: {'; '.join(facts.problems())}", err=True)
        time.sleep(_LOOK_EVERY_SECONDS)
    return facts


def _show(facts: Facts) -> None:
    console = Console(soft_wrap=True)
    if facts.done:
        console.print(f"every topic has {facts.target} partitions, and every key stands in its own")
        return
    table = Table("topic", "has", "gets", "keys that move", box=None)
    for name, count in sorted(facts.counts.items()):
        moves = facts.misplaced.get(name)
        table.add_row(name, str(count), str(facts.target), "" if moves is None else str(moves))
    console.print(table)
    for problem in facts.problems():
        console.print(f"in the way: {problem}", markup=False, highlight=False)
    if not facts.problems():
        console.print("nothing is in the way: say the same with --apply")
