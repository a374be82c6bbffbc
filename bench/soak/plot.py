"""The samples as one SVG: a panel for each measure, a line for each service. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

Series = Mapping[str, Sequence[Sequence[tuple[float, float]]]]
"""Lives of each service, each its (seconds, value) points."""
_COLOURS: Final = ("#4269d0", "#e8950c", "#d0352f", "#3a9e8f", "#7c5cbf", "#8a6d3b")
_TITLES: Final = {"rss_mib": "memory, MiB", "files": "open files", "threads": "threads", "tasks": "asyncio tasks"}
_WIDTH, _HEIGHT, _LEFT, _TOP, _GAP = 720, 150, 60, 40, 40


def svg(panels: Mapping[str, Series], faults: Sequence[tuple[float, str]], title: str) -> str:
    """The picture's text."""
    names = sorted({name for series in panels.values() for name in series})
    colours = {name: _COLOURS[place % len(_COLOURS)] for place, name in enumerate(names)}
    end = max((p[0] for s in panels.values() for lives in s.values() for life in lives for p in life), default=1.0)
    height = _TOP + len(panels) * (_HEIGHT + _GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH + _LEFT + 20} {height}" '
        'font-family="sans-serif" font-size="11">',
        f'<rect width="100%" height="100%" fill="white"/><text x="{_LEFT}" y="16">{escape(title)}</text>',
    ]
    for place, name in enumerate(names):
        parts.append(f'<text x="{_LEFT + place * 110}" y="32" fill="{colours[name]}">{escape(name)}</text>')
    for place, (measure, series) in enumerate(panels.items()):
        parts += _panel(measure, series, colours, faults, end=end, top=_TOP + 10 + place * (_HEIGHT + _GAP))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(
    measure: str,
    series: Series,
    colours: Mapping[str, str],
    faults: Sequence[tuple[float, str]],
    *,
    end: float,
    top: float,
) -> list[str]:
    most = max((p[1] for lives in series.values() for life in lives for p in life), default=1.0) * 1.05 or 1.0

    def x(seconds: float) -> str:
        return f"{_LEFT + seconds / end * _WIDTH:.1f}"

    def y(value: float) -> str:
        return f"{top + _HEIGHT - value / most * _HEIGHT:.1f}"

    parts = [
        f'<text x="{_LEFT}" y="{top - 3}">{_TITLES[measure]}</text>',
        f'<text x="{_LEFT - 4}" y="{top + 10}" text-anchor="end">{most:.0f}</text>',
        f'<text x="{_LEFT + _WIDTH}" y="{top + _HEIGHT + 14}" text-anchor="end">{end / 60:.0f} min</text>',
        f'<rect x="{_LEFT}" y="{top}" width="{_WIDTH}" height="{_HEIGHT}" fill="none" stroke="#999"/>',
    ]
    for at, what in faults:
        parts.append(
            f'<line x1="{x(at)}" x2="{x(at)}" y1="{top}" y2="{top + _HEIGHT}" stroke="#ccc">'
            f"<title>{escape(what)}</title></line>"
        )
    for name, lives in series.items():
        for life in lives:
            points = " ".join(f"{x(at)},{y(value)}" for at, value in life)
            parts.append(f'<polyline points="{points}" fill="none" stroke="{colours[name]}" stroke-width="1.5"/>')
    return parts
