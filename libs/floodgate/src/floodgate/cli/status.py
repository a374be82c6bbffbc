"""`floodgate status`: what each service does just now."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

import httpx
import typer
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from rich.table import Table

from floodgate.events.times import now_ms
from floodgate.group_status import GroupStatus, group_statuses
from floodgate.settings import KafkaSettings, load

_FIGURES = {
    "keyflow_oldest_unfinished_seconds": "oldest_seconds",
    "keyflow_stalled_seconds": "stalled_seconds",
    "keyflow_in_flight": "in_flight",
    "keyflow_outage": "outage",
}


def status(
    metrics: Annotated[
        list[str] | None,
        typer.Option(
            "--metrics", metavar="URL", envvar="FLOODGATE_METRICS_URLS",
            help="A service's /metrics address, for its breaker and health; may be given more than once.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:  # fmt: skip
    """Show each service: whether it runs, what is left to do, and how long the oldest of it waits.

    Exit code 1 when a service that has committed before is not running, or one of the addresses does not answer.
    """
    groups = group_statuses(load(KafkaSettings), now_ms())
    processors, silent = scraped(metrics or [])
    if as_json:
        told = [{**asdict(group), "running": group.running, **processors.get(group.service, {})} for group in groups]
        typer.echo(json.dumps({"services": told, "silent": silent}, indent=2))
    else:
        console = Console(soft_wrap=True)
        if not groups:
            console.print("No service has committed anything yet: start them with `floodgate run --all`.")
        else:
            console.print(_table(groups, processors))
        for url in silent:
            console.print(f"{url} does not answer", markup=False, highlight=False)
    if silent or not all(group.running for group in groups):
        raise typer.Exit(1)


def scraped(urls: Sequence[str]) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Figures by processor, and the addresses that do not answer."""
    processors: dict[str, dict[str, Any]] = {}
    silent = []
    for url in urls:
        try:
            answer = httpx.get(url, timeout=5.0)
            answer.raise_for_status()
        except httpx.HTTPError:
            silent.append(url)
            continue
        for name, figures in figures_of(answer.text).items():
            processors.setdefault(name, {}).update(figures)
    return processors, silent


def figures_of(text: str) -> dict[str, dict[str, Any]]:
    """What a /metrics page says of each processor."""
    found: dict[str, dict[str, Any]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            processor = sample.labels.get("processor")
            if processor is None:
                continue
            figures = found.setdefault(processor, {})
            if sample.name in _FIGURES:
                figures[_FIGURES[sample.name]] = sample.value
            elif sample.name == "keyflow_breaker" and sample.value:
                figures["breaker"] = sample.labels["state"]
    return found


def _table(groups: Sequence[GroupStatus], processors: dict[str, dict[str, Any]]) -> Table:
    table = Table("service", "state", "processes", "left", "oldest", "breaker", "most left in")
    for group in groups:
        figures = processors.get(group.service, {})
        most = max(group.lag.items(), key=lambda entry: entry[1], default=("", 0))
        table.add_row(
            group.service,
            group.state.lower() if group.running else f"[red]{group.state.lower()}[/]",
            str(group.members),
            str(sum(group.lag.values())),
            f"{group.oldest_seconds:.0f} s" if group.oldest_seconds else "",
            str(figures.get("breaker", "")),
            most[0] if most[1] else "",
        )
    return table
