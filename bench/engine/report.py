"""What comes out: a Markdown table for each workload, and all figures as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from bench.engine.roster import ROSTER
from bench.engine.workloads import Row

Cell = tuple[str, str, str]

_COLUMNS: Final[tuple[Cell, ...]] = (
    ("contender", "contender", "s"),
    ("guarantee", "guarantee", "s"),
    ("records", "records", ",d"),
    ("records_per_second", "records/s", ",.0f"),
    ("ratio_to_ideal", "of ideal", ".1%"),
    ("order_violations", "order violations", ",d"),
    ("duplicates", "duplicates", ",d"),
    ("lost", "lost", ",d"),
    ("cpu_seconds_per_1000", "CPU s/1,000", ".3f"),
    ("peak_rss_mb", "peak RSS MB", ".0f"),
)
_LATENCY_COLUMNS: Final[tuple[Cell, ...]] = (
    *_COLUMNS[:3],
    ("p50_ms", "p50 ms", ".1f"),
    ("p99_ms", "p99 ms", ".1f"),
    ("cores", "cores", ".3f"),
    ("idle_cores", "cores idle", ".3f"),
    *_COLUMNS[5:],
)


@dataclass
class Table:
    """One workload's rows, growing."""

    name: str
    title: str
    rows: list[Row] = field(default_factory=list)

    def markdown(self) -> str:
        """With its title as a line above it, and what did not run below it."""
        columns = _LATENCY_COLUMNS if any("p50_ms" in row for row in self.rows) else _COLUMNS
        lines = [
            f"**{self.title}**\n",
            "| " + " | ".join(title for _, title, _ in columns) + " |",
            "|" + "---|" * len(columns),
            *("| " + " | ".join(_cell(row, name, form) for name, _, form in columns) + " |" for row in self.rows),
        ]
        absent = [f"{row['contender']}: not run: {row['not_run']}" for row in self.rows if "not_run" in row]
        return "\n".join([*lines, *(["", *(f"- {line}" for line in absent)] if absent else []), ""])


def _cell(row: Row, name: str, form: str) -> str:
    value = row.get(name)
    if value is None:
        return "–"
    cut_off = name == "records" and value < row.get("of_records", 0)
    return format(value, form) + (f" of {row['of_records']:,}" if cut_off else "")


def figures(tables: Sequence[Table], about: dict[str, Any]) -> dict[str, Any]:
    """Everything, for `JSON=path`: by workload and contender."""
    took_part = {row["contender"] for table in tables for row in table.rows}
    return {
        "about": about,
        "settings": {peer.name: peer.settings for peer in ROSTER if peer.name in took_part},
        "workloads": {
            table.name: {
                "title": table.title,
                "contenders": {row["contender"]: _rounded(row) for row in table.rows},
            }
            for table in tables
        },
    }


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return value
