"""Small drawings, made on the server: no script, no inline style, colours by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from markupsafe import Markup, escape

_WIDTH: Final = 240
_HEIGHT: Final = 48
_ROW: Final = 24


def sparkline(values: Sequence[float], label: str) -> Markup:
    """A line over time; its name says the last value and the highest."""
    top = max(values, default=0.0)
    if not values or top <= 0:
        return Markup('<p class="quiet">Nothing in this time.</p>')
    step = _WIDTH / max(1, len(values) - 1)
    points = [
        f"{place * step:.1f},{_HEIGHT - 3 - value / top * (_HEIGHT - 8):.1f}" for place, value in enumerate(values)
    ]
    area = f"0,{_HEIGHT} {' '.join(points)} {_WIDTH},{_HEIGHT}"
    said = f"{label}: {values[-1]:g} now, at most {top:g}"
    return Markup(
        '<svg class="spark" viewBox="0 0 {w} {h}" preserveAspectRatio="none" role="img" aria-label="{said}">'
        '<polygon class="area" points="{area}"/><polyline class="line" points="{line}"/></svg>'
    ).format(w=_WIDTH, h=_HEIGHT, said=said, area=area, line=" ".join(points))


def stacked(parts: Mapping[str, float], label: str) -> Markup:
    """One bar of shares, each with a class named after it."""
    total = sum(parts.values())
    if total <= 0:
        return Markup('<p class="quiet">Nothing in this time.</p>')
    said = ", ".join(f"{name} {value / total:.0%}" for name, value in parts.items() if value)
    cells, place = [], 0.0
    for name, value in parts.items():
        width = 100 * value / total
        cells.append(
            Markup('<rect class="fill-{name}" x="{x}" y="0" width="{w}" height="10"/>').format(
                name=_class(name), x=f"{place:.2f}", w=f"{width:.2f}"
            )
        )
        place += width
    return Markup(
        '<svg class="stack" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label="{said}">'
        "{cells}</svg>"
    ).format(said=f"{label}: {said}", cells=Markup("").join(cells))


def bar(share: float) -> Markup:
    """A bar beside a number that says the same, and so without a name."""
    width = f"{100 * min(1.0, max(0.0, share)):.1f}"
    return Markup(
        '<svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true" focusable="false">'
        '<rect class="track" width="100" height="6"/><rect class="level" width="{}" height="6"/></svg>'
    ).format(width)


def _class(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in str(escape(name)).lower())
