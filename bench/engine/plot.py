"""One picture of the throughputs, drawn by hand: bars, and the number of records out of order beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import escape

from bench.engine.report import Table
from bench.engine.roster import OURS
from bench.engine.workloads import Row

_WIDTH: Final = 860
_LEFT: Final = 190
_BAR: Final = 420
_LINE: Final = 22
_OURS: Final = "#1f6f5c"
_OTHERS: Final = "#9aa5b1"
_FAULTY: Final = "#c2553d"


def svg(tables: Sequence[Table]) -> str:
    """A panel of bars for each workload that has a throughput to compare."""
    shapes: list[str] = []
    y = 30
    for table in tables:
        rows = [row for row in table.rows if row.get("records_per_second") and row["ratio_to_ideal"] is not None]
        if rows:
            shapes.append(_text(20, y, table.title, bold=True))
            y += _LINE
            widest = max(*(row["ratio_to_ideal"] for row in rows), 1.0)
            for row in sorted(rows, key=lambda row: -row["ratio_to_ideal"]):
                shapes += _bar(row, y, _BAR / widest)
                y += _LINE
            y += _LINE
    legend = "bar: share of the ideal (overhead: of the tight loop); red: records out of order, lost or double"
    shapes.append(_text(20, y, legend))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{y + 20}" font-family="sans-serif">'
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *shapes, "</svg>", ""])


def _bar(row: Row, y: int, scale: float) -> list[str]:
    width = max(row["ratio_to_ideal"] * scale, 1)
    faults = sum(row[name] or 0 for name in ("order_violations", "duplicates", "lost"))
    colour = _OURS if row["contender"] == OURS else _FAULTY if faults else _OTHERS
    figure = f"{row['ratio_to_ideal']:.1%} · {row['records_per_second']:,.0f}/s"
    if row["order_violations"]:
        figure += f" · {row['order_violations']:,} out of order"
    return [
        _text(_LEFT - 8, y, row["contender"], end=True),
        f'<rect x="{_LEFT}" y="{y - 13}" width="{width:.1f}" height="16" fill="{colour}"/>',
        _text(round(_LEFT + width + 6), y, figure),
    ]


def _text(x: int, y: int, text: str, *, bold: bool = False, end: bool = False) -> str:
    style = ' font-weight="bold"' if bold else ""
    anchor = ' text-anchor="end"' if end else ""
    return f'<text x="{x}" y="{y}" font-size="12"{style}{anchor}>{escape(text)}</text>'
