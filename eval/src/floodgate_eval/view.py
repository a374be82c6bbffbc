"""A result on a terminal, in short: on standard error, so that standard output stays JSON."""

from __future__ import annotations

from typing import Any, Final

from rich.console import Console
from rich.table import Table

_MOST_COLUMNS: Final = 5


def show(result: dict[str, Any]) -> None:
    """Print the figures with their intervals, then the first of them by language where there are several."""
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    intervals = result["confidence_intervals"]
    console.print(f"\n[bold]{result['task']}[/]: {result['n']} rows, {result['model'] or 'no model asked'}")
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, (low, high) in intervals.items():
        table.add_row(name, _cell(result[name]), f"[dim]{low:.3f} to {high:.3f}[/]")
    console.print(table)
    if len(result["by_language"]) > 1:
        console.print(_by_language(result, list(intervals)[:_MOST_COLUMNS]))
    console.print(_in_words(result))


def _by_language(result: dict[str, Any], names: list[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("")
    table.add_column("rows", justify="right")
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for language, found in result["by_language"].items():
        table.add_row(language, str(found["n"]), *[_cell(found.get(name)) for name in names])
    return table


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _in_words(result: dict[str, Any]) -> str:
    latency = result["latency_ms"]
    said = [f"{result['rows_per_second']} rows/s"] if result["rows_per_second"] else []
    if latency["call"]:
        said.append(f"call p50 {latency['call']['p50']:.1f} ms, p95 {latency['call']['p95']:.1f} ms")
    if latency["call_alone"]:
        said.append(f"alone p50 {latency['call_alone']['p50']:.1f} ms, p95 {latency['call_alone']['p95']:.1f} ms")
    if latency["own_work"]:
        own, cpu = latency["own_work"], latency["own_work_cpu"]
        clock = f"own work p50 {own['p50']:.2f} ms, p95 {own['p95']:.2f} ms"
        said.append(f"{clock} (CPU {cpu['p50']:.2f}, {cpu['p95']:.2f})")
    said.append(f"{result['cost_usd']:.4f} USD at list price")
    if result["agreement"] is not None:
        said.append(f"agreement over {result['repeats']} repeats {result['agreement']:.3f}")
    if result["failed"]:
        said.append(f"{result['failed']} without a valid answer")
    return "; ".join(said)
