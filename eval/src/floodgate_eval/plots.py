"""Plots as inline SVG: no script, no font and no address from outside. Colours come from the page's style sheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

_SIZE: Final = 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 14, 14, 38
_BAR_HEIGHT: Final = 22
_LABEL_WIDTH: Final = 58
_BAR_WIDTH: Final = 250
_VALUE_WIDTH: Final = 150
_TICKS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
_MOST_LABEL_CHARS: Final = 30


def reliability_plot(
    bins: Sequence[Mapping[str, Any]], *, said: str = "stated confidence", meant: str = "right"
) -> str:
    """What was said against what it was worth; the larger the dot, the more rows."""
    most = max((one["n"] for one in bins), default=1)
    dots = [
        f'<circle class="dot" cx="{_x(one["confidence"]):.1f}" cy="{_y(one["accuracy"]):.1f}" '
        f'r="{3 + 8 * (one["n"] / most) ** 0.5:.1f}"><title>{said} {one["confidence"]:.2f}, {meant} '
        f"{one['accuracy']:.2f}, {one['n']} rows</title></circle>"
        for one in bins
    ]
    line = " ".join(f"{_x(one['confidence']):.1f},{_y(one['accuracy']):.1f}" for one in bins)
    inside = f'<polyline class="trend" points="{line}"/>{"".join(dots)}'
    return _square(inside, said, meant, "Reliability: the dots should lie on the diagonal")


def roc_plot(points: Sequence[Sequence[float]]) -> str:
    """Recall against false alarms, with the share of false alarms on a root scale, where operating points lie."""
    line = " ".join(f"{_x(x**0.5):.1f},{_y(y):.1f}" for x, y in points)
    area = f"{_x(0):.1f},{_y(0):.1f} {line} {_x(1):.1f},{_y(0):.1f}"
    marks = "".join(
        f'<line class="mark" x1="{_x(rate**0.5):.1f}" x2="{_x(rate**0.5):.1f}" y1="{_y(0):.1f}" y2="{_y(1):.1f}"/>'
        f'<text class="mark-label" x="{_x(rate**0.5) + 3:.1f}" y="{_y(0.04):.1f}">{rate:.0%}</text>'
        for rate in (0.01, 0.05)
    )
    inside = f'<polygon class="area" points="{area}"/>{marks}<polyline class="curve" points="{line}"/>'
    label = "ROC: recall over the share of false alarms"
    return _square(
        inside, "false alarms (root scale)", "recall", label, ticks=(0.0, 0.01, 0.05, 0.2, 0.5, 1.0), root=True
    )


def bars(rows: Sequence[tuple[str, float, Sequence[float], int]], what: str) -> str:
    """One bar per language with its interval.

    Args:
        rows: (label, value, interval, rows).
        what: The figure's name, for those who do not see the plot.
    """
    height = _BAR_HEIGHT * len(rows) + 8
    width = _LABEL_WIDTH + _BAR_WIDTH + _VALUE_WIDTH
    drawn = []
    for number, (label, value, (low, high), n) in enumerate(rows):
        top = 4 + number * _BAR_HEIGHT
        middle = top + _BAR_HEIGHT / 2
        box = f'y="{top + 4}" height="{_BAR_HEIGHT - 8}" rx="3"'
        length, start, end = (_BAR_WIDTH * min(max(one, 0.0), 1.0) for one in (value, low, high))
        drawn.append(
            f'<text class="name" x="{_LABEL_WIDTH - 8}" y="{middle + 4:.1f}">{escape(label)}</text>'
            f'<rect class="track" x="{_LABEL_WIDTH}" width="{_BAR_WIDTH}" {box}/>'
            f'<rect class="bar" x="{_LABEL_WIDTH}" width="{length:.1f}" {box}/>'
            f'<line class="whisker" x1="{_LABEL_WIDTH + start:.1f}" x2="{_LABEL_WIDTH + end:.1f}" '
            f'y1="{middle:.1f}" y2="{middle:.1f}"/>'
            f'<text class="value" x="{_LABEL_WIDTH + _BAR_WIDTH + 10}" y="{middle + 4:.1f}">{value:.3f}'
            f'<tspan class="faint"> of {n}</tspan></text>'
        )
    return _svg(width, height, "".join(drawn), f"{what} by language")


def confusion_plot(pairs: Sequence[Mapping[str, Any]]) -> str:
    """The mistakes made most often, as a matrix of the labels that take part."""
    worst = list(pairs)[:8]
    truths = list(dict.fromkeys(str(pair["truth"]) for pair in worst))
    given = list(dict.fromkeys(str(pair["predicted"]) for pair in worst))
    cell, left, top = 34, 16 + _width(truths), 24 + round(0.75 * _width(given))
    width, height = left + cell * len(given) + round(0.75 * _width(given)), top + cell * len(truths) + 12
    most = max((pair["n"] for pair in worst), default=1)
    drawn = [
        f'<text class="name" x="{left - 8}" y="{top + cell * row + 21}">{escape(_short(truth))}</text>'
        for row, truth in enumerate(truths)
    ]
    drawn += [
        f'<text class="column" transform="translate({left + cell * column + 20},{top - 8}) rotate(-45)">'
        f"{escape(_short(label))}</text>"
        for column, label in enumerate(given)
    ]
    drawn += [
        f'<rect class="cell" x="{left + cell * column + 1}" y="{top + cell * row + 1}" width="{cell - 2}" '
        f'height="{cell - 2}" rx="3"/>'
        for row in range(len(truths))
        for column in range(len(given))
    ]
    for pair in worst:
        row, column = truths.index(str(pair["truth"])), given.index(str(pair["predicted"]))
        x, y = left + cell * column, top + cell * row
        drawn.append(
            f'<rect class="hit" style="opacity:{0.25 + 0.75 * pair["n"] / most:.2f}" x="{x + 1}" y="{y + 1}" '
            f'width="{cell - 2}" height="{cell - 2}" rx="3"><title>{escape(str(pair["truth"]))} taken for '
            f"{escape(str(pair['predicted']))}: {pair['n']} rows, {pair['share']:.0%} of it</title></rect>"
            f'<text class="count" x="{x + cell / 2}" y="{y + cell / 2 + 4}">{pair["n"]}</text>'
        )
    return _svg(width, height, "".join(drawn), "Worst confusions: truth in rows, answer in columns")


def _width(labels: Sequence[str]) -> int:
    """About what the longest label takes."""
    return max((round(6.4 * len(_short(label))) for label in labels), default=0)


def _short(label: str) -> str:
    return label if len(label) <= _MOST_LABEL_CHARS else f"{label[: _MOST_LABEL_CHARS - 1]}…"


def _square(
    inside: str, across: str, up: str, label: str, *, ticks: Sequence[float] = _TICKS, root: bool = False
) -> str:
    side = _SIZE + _LEFT + _RIGHT
    grid = []
    for tick in ticks:
        x = _x(tick**0.5 if root else tick)
        named = f"{tick:g}"
        grid.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{_y(0):.1f}" y2="{_y(1):.1f}"/>')
        grid.append(f'<text class="tick" x="{x:.1f}" y="{_y(0) + 14:.1f}" text-anchor="middle">{named}</text>')
    for tick in _TICKS:
        grid.append(f'<line class="grid" x1="{_x(0):.1f}" x2="{_x(1):.1f}" y1="{_y(tick):.1f}" y2="{_y(tick):.1f}"/>')
        grid.append(f'<text class="tick" x="{_x(0) - 6:.1f}" y="{_y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>')
    diagonal = [_x(0), _y(0), _x(1), _y(1)]
    if root:
        steps = [number / 20 for number in range(21)]
        chance = " ".join(f"{_x(step):.1f},{_y(step**2):.1f}" for step in steps)
        grid.append(f'<polyline class="chance" points="{chance}"/>')
    else:
        x1, y1, x2, y2 = diagonal
        grid.append(f'<line class="chance" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>')
    names = (
        f'<text class="axis" x="{_x(0.5):.1f}" y="{_y(0) + 31:.1f}" text-anchor="middle">{across}</text>'
        f'<text class="axis" transform="translate(11,{_y(0.5):.1f}) rotate(-90)" text-anchor="middle">{up}</text>'
    )
    return _svg(side, _SIZE + _TOP + _BOTTOM, "".join(grid) + inside + names, label)


def _svg(width: float, height: float, inside: str, label: str) -> str:
    return (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}" role="img" '
        f'aria-label="{escape(label)}">{inside}</svg>'
    )


def _x(share: float) -> float:
    return _LEFT + _SIZE * share


def _y(share: float) -> float:
    return _TOP + _SIZE * (1.0 - share)
