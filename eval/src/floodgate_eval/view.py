"""A result on a terminal, in short: on standard error, so that standard output stays JSON."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table


def show(result: dict[str, Any]) -> None:
    """Print the figures with their intervals, by language where there are several."""
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    intervals = result["confidence_intervals"]
    table = Table(
        title=f"{result['task']}: {result['n']} rows, {result['model'] or 'no model asked'}", title_justify="left"
    )
    languages = result["by_language"] if len(result["by_language"]) > 1 else {}
    table.add_column("figure")
    table.add_column("all", justify="right")
    table.add_column("95 %", justify="right")
    for language, found in languages.items():
        table.add_column(f"{language} ({found['n']})", justify="right")
    for name, (low, high) in intervals.items():
        cells = [_cell(found.get(name)) for found in languages.values()]
        table.add_row(name, _cell(result[name]), f"{low:.3f} to {high:.3f}", *cells)
    console.print(table)
    console.print(_in_words(result))


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _in_words(result: dict[str, Any]) -> str:
    latency = result["latency_ms"]
    said = [f"{result['rows_per_second']} rows/s"]
    if latency["call"]:
        said.append(f"call p50 {latency['call']['p50']:.1f} ms, p95 {latency['call']['p95']:.1f} ms")
    if latency["call_alone"]:
        said.append(f"alone p50 {latency['call_alone']['p50']:.1f} ms, p95 {latency['call_alone']['p95']:.1f} ms")
    if latency["own_work"]:
        own, cpu = latency["own_work"], latency["own_work_cpu"]
        said.append(
            f"own work p50 {own['p50']:.2f} ms, p95 {own['p95']:.2f} ms (CPU {cpu['p50']:.2f}, {cpu['p95']:.2f})"
        )
    said.append(f"{result['cost_usd']:.4f} USD at list price")
    if result["agreement"] is not None:
        said.append(f"agreement over {result['repeats']} repeats {result['agreement']:.3f}")
    if result["failed"]:
        said.append(f"{result['failed']} without a valid answer")
    return "; ".join(said)
