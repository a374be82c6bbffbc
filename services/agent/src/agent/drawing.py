"""Draws a workflow as SVG: steps in layers from the start, actions and endings told apart by colour."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Final

from agent.domain.model import Step, Workflow, edges

_WIDTH: Final = 210
_HEIGHT: Final = 46
_GAP_X: Final = 34
_GAP_Y: Final = 54
_MARGIN: Final = 24
_COLOURS: Final[Mapping[str, str]] = {
    "ask": "#dbeafe",
    "confirm": "#bfdbfe",
    "act": "#fecaca",
    "look_up": "#e5e7eb",
    "branch": "#fef9c3",
    "set": "#f3f4f6",
    "say": "#ecfeff",
    "answer": "#ecfeff",
    "hand_over": "#fed7aa",
    "resolve": "#bbf7d0",
}
_STYLE: Final = (
    "text{font:12px system-ui,sans-serif;fill:#111827}.k{font-size:10px;fill:#4b5563}"
    ".l{font-size:9px;fill:#374151;paint-order:stroke;stroke:#fff;stroke-width:3px}"
    "path{fill:none;stroke:#6b7280;stroke-width:1.2}.b{stroke-dasharray:4 3;stroke:#9ca3af}"
)


def draw(workflow: Workflow) -> str:
    """The drawing. The same workflow always gives the same one."""
    places = _places(workflow)
    width = max(x for x, _ in places.values()) + _WIDTH + _MARGIN
    height = max(y for _, y in places.values()) + _HEIGHT + _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f"<title>{escape(workflow.title)} ({escape(workflow.reference)})</title><style>{_STYLE}</style>",
        '<defs><marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" style="fill:#6b7280;stroke:none"/></marker></defs>',
    ]
    for name, step in workflow.steps.items():
        parts += [_edge(places, name, label, target) for label, target in edges(step)]
    parts += [_box(places[name], name, step, start=name == workflow.start) for name, step in workflow.steps.items()]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _places(workflow: Workflow) -> dict[str, tuple[int, int]]:
    layers: dict[int, list[str]] = {}
    for name, depth in _depths(workflow).items():
        layers.setdefault(depth, []).append(name)
    return {
        name: (_MARGIN + place * (_WIDTH + _GAP_X), _MARGIN + depth * (_HEIGHT + _GAP_Y))
        for depth, names in layers.items()
        for place, name in enumerate(names)
    }


def _depths(workflow: Workflow) -> dict[str, int]:
    """How many steps the shortest way to each step takes."""
    depths = {workflow.start: 0}
    waiting = [workflow.start]
    for name in waiting:
        for _, target in edges(workflow.steps[name]):
            if target not in depths:
                depths[target] = depths[name] + 1
                waiting.append(target)
    return depths


def _edge(places: Mapping[str, tuple[int, int]], name: str, label: str, target: str) -> str:
    (x1, y1), (x2, y2) = places[name], places[target]
    back = y2 <= y1
    start = (x1 + _WIDTH // 2, y1 + (0 if back else _HEIGHT))
    end = (x2 + _WIDTH // 2, y2 + (_HEIGHT if back else 0))
    if y2 == y1:
        end = (x2 + _WIDTH // 2, y2)
    bend = 40 if not back else -40
    curve = f"M{start[0]} {start[1]}C{start[0]} {start[1] + bend} {end[0]} {end[1] - bend} {end[0]} {end[1]}"
    middle = ((start[0] * 2 + end[0]) // 3, (start[1] * 2 + end[1]) // 3 + 4)
    kind = ' class="b"' if back else ""
    text = f'<text class="l" x="{middle[0]}" y="{middle[1]}" text-anchor="middle">{escape(label)}</text>'
    return f'<path{kind} d="{curve}" marker-end="url(#a)"/>{text}'


def _box(place: tuple[int, int], name: str, step: Step, *, start: bool) -> str:
    x, y = place
    call = getattr(step, "call", "") or getattr(step, "reason", "")
    told = f"{step.do} {call}".strip()
    border = "#111827" if start else "#9ca3af"
    return (
        f'<rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="7" fill="{_COLOURS.get(step.do, "#fff")}"'
        f' stroke="{border}"/><text x="{x + 10}" y="{y + 20}">{escape(name)}</text>'
        f'<text class="k" x="{x + 10}" y="{y + 36}">{escape(told)}</text>'
    )
