"""`floodgate size`: processes, partitions and cost of a load, by a simulation."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from floodgate.bedrock.prices import PriceTable
from floodgate.sizing import STAGES, Load, Sized, partitions_for, size

_INTERACTION_SHARE = next(stage.share for stage in STAGES if stage.name == "summarizer")


def size_command(
    *,
    messages_per_month: Annotated[float, typer.Option(min=1, help="On average.")] = 30_000,
    peak_factor: Annotated[float, typer.Option(min=1, help="The busiest minutes over the average.")] = 5.0,
    in_flight: Annotated[int, typer.Option(min=1, help="FLOODGATE_KAFKA_MAX_IN_FLIGHT.")] = 256,
    model: Annotated[str, typer.Option(help="Whose price; FLOODGATE_BEDROCK_MODEL_ID.")] = "eu.amazon.nova-lite-v1:0",
    input_tokens: Annotated[int, typer.Option(min=0, help="Of a call, on average.")] = 1_500,
    output_tokens: Annotated[int, typer.Option(min=0, help="Of a call, on average.")] = 150,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show what each service needs at the peak, and what the model costs in a month.

    Latencies and processor times behind it, and what of them is measured: docs/sizing.md.
    """
    load = Load(messages_per_month, peak_factor, in_flight)
    sized = size(load)
    partitions = partitions_for(max(each.processes for each in sized))
    call_usd = PriceTable.load().price(model).cost_usd(input_tokens, output_tokens)
    model_usd = call_usd * messages_per_month * (1 + _INTERACTION_SHARE)
    if as_json:
        told = {
            "messages_per_second_at_peak": load.peak_rate,
            "partitions": partitions,
            "services": [asdict(each) for each in sized],
            "model_usd_per_month": model_usd,
        }
        typer.echo(json.dumps(told, indent=2))
        return
    console = Console(soft_wrap=True)
    console.print(f"{load.peak_rate:,.2f} messages a second at the peak; {partitions} partitions")
    console.print(_table(sized))
    console.print(
        f"model: ${model_usd:,.2f} a month, ${call_usd:.6f} a call of {input_tokens} + {output_tokens} tokens"
    )


def _table(sized: tuple[Sized, ...]) -> Table:
    table = Table("service", "records/s", "processes", "cores", "in flight", "waits p50 s", "p99 s", box=None)
    for each in sized:
        table.add_row(
            each.stage, f"{each.rate:,.2f}", str(each.processes), f"{each.cores:.3f}", str(each.in_flight),
            f"{each.wait_p50_seconds:.2f}", f"{each.wait_p99_seconds:.2f}",
        )  # fmt: skip
    return table
