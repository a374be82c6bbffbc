"""What workflows did: how far cases came, why they were handed over, the graph with counts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from console.domain.spans import Answer, Query, Span, buckets, counted, counts, sources, terms, total, within

_KIND_BY_STEP: Final = {"act": "acts", "resolve": "ends", "hand_over": "hands", "ask": "asks", "confirm": "asks"}
_WIDTH: Final = 176
_HEIGHT: Final = 42
_GAP_X: Final = 22
_GAP_Y: Final = 34
_MARGIN: Final = 12


def searches(span: Span, now: datetime) -> list[Query]:
    """What the page asks for, beside `pending`, which is never kept."""
    since = span.since(now)
    cases: Query = {"cardinality": {"field": "conversation_id", "precision_threshold": 1000}}
    steps = terms("step", 40, cases=cases)
    return [
        counted(
            within(since, topic="support.replies"),
            workflows=terms(
                "versions.workflow", 30, steps=steps, cases=cases, resolved={**_resolved(), "aggs": {"cases": cases}}
            ),
            actions={"terms": {"field": "actions", "size": 40}},
        ),
        counted(
            within(since, topic="support.escalations"),
            reasons=terms("reason_code", 30),
            sources=terms("source"),
            teams=terms("team"),
        ),
        counted(
            within(since, topic="support.verdicts", decision="automate"), workflows=terms("workflow", 30, cases=cases)
        ),
    ]


def pending() -> Query:
    """Proposals, the newest record of each first: it says how the proposal stands."""
    query = {"bool": {"filter": [{"term": {"topic": "support.proposals"}}, {"term": {"mode": "propose"}}]}}
    return {"size": 100, "query": query, "collapse": {"field": "proposal_id"}, "sort": [{"at": "desc"}]}


def waiting(found: Sequence[Mapping[str, Any]], now: datetime) -> list[dict[str, Any]]:
    """Proposals that wait for a person and have not expired, the oldest first."""
    shown = []
    for source in found:
        record = json.loads(source["record"])
        expires = record.get("expires_at")
        if source.get("status") == "pending" and (not expires or datetime.fromisoformat(expires) > now):
            names = ("proposal_id", "conversation_id", "workflow", "action", "amount_cents", "category", "language")
            shown.append({"at": source["at"], "expires_at": expires, **{name: record.get(name) for name in names}})
    return sorted(shown, key=lambda one: str(one["at"]))


def _resolved() -> Query:
    return {"filter": {"term": {"resolved": True}}}


def board(answers: Sequence[Answer], workflows: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """What the page shows."""
    replies, handed, automated, approvals = answers
    rows = [_row(bucket) for bucket in buckets(replies, "workflows") if bucket["key"] != "unknown"]
    spoke: dict[str, dict[str, int]] = {}
    for row in rows:
        steps = spoke.setdefault(row["workflow"], {})
        for name, count in row["steps"].items():
            steps[name] = steps.get(name, 0) + count
    drawings = {name: drawing(workflows.get(name), steps) for name, steps in spoke.items()}
    return {
        "replies": total(replies),
        "automated": total(automated),
        "workflows": sorted(rows, key=lambda row: -row["cases"]),
        "drawings": {name: drawn for name, drawn in drawings.items() if drawn is not None},
        "actions": {name.replace(":", ": "): count for name, count in counts(replies, "actions").items()},
        "reasons": counts(handed, "reasons"),
        "handed": total(handed),
        "teams": counts(handed, "teams"),
        "approvals": waiting(sources(approvals), now),
    }


def _row(bucket: Mapping[str, Any]) -> dict[str, Any]:
    version = str(bucket["key"])
    workflow = version.partition("@")[0]
    cases = int(bucket["cases"]["value"])
    return {
        "version": version,
        "workflow": workflow,
        "cases": cases,
        "resolved": int(bucket["resolved"]["cases"]["value"]),
        "steps": {str(step["key"]): int(step["cases"]["value"]) for step in bucket["steps"]["buckets"]},
    }


def drawing(workflow: Any, counted_steps: Mapping[str, int]) -> dict[str, Any] | None:
    """A workflow's steps as boxes in layers, with how many cases spoke there; None of what cannot be drawn."""
    if not isinstance(workflow, Mapping) or not isinstance(workflow.get("steps"), Mapping) or not workflow["steps"]:
        return None
    steps: Mapping[str, Any] = workflow["steps"]
    start = str(workflow.get("start", next(iter(steps))))
    layers = _layers(steps, start)
    places = {name: (_x(column), _y(row)) for row, names in enumerate(layers) for column, name in enumerate(names)}
    edges = [
        _edge(places[name], places[target])
        for name in places
        for target in _targets(steps[name], steps)
        if target in places
    ]
    boxes = [
        {
            "x": x,
            "y": y,
            "name": name,
            "kind": _KIND_BY_STEP.get(_do(steps[name]), "plain"),
            "do": _do(steps[name]),
            "count": counted_steps.get(name, 0),
        }
        for name, (x, y) in places.items()
    ]
    return {
        "width": max(x for x, _ in places.values()) + _WIDTH + _MARGIN,
        "height": max(y for _, y in places.values()) + _HEIGHT + _MARGIN,
        "box_width": _WIDTH,
        "box_height": _HEIGHT,
        "edges": edges,
        "boxes": boxes,
        "title": str(workflow.get("title", "")),
    }


def _do(step: Any) -> str:
    return str(step.get("do", "")) if isinstance(step, Mapping) else ""


def _x(column: int) -> int:
    return _MARGIN + column * (_WIDTH + _GAP_X)


def _y(row: int) -> int:
    return _MARGIN + row * (_HEIGHT + _GAP_Y)


def _layers(steps: Mapping[str, Any], start: str) -> list[list[str]]:
    """Steps by how many steps the shortest way to them takes."""
    depths = {start: 0} if start in steps else {}
    waiting = list(depths)
    for name in waiting:
        for target in _targets(steps[name], steps):
            if target not in depths:
                depths[target] = depths[name] + 1
                waiting.append(target)
    layers: list[list[str]] = [[] for _ in range(max(depths.values(), default=0) + 1)]
    for name, depth in depths.items():
        layers[depth].append(name)
    return layers


def _targets(step: Any, steps: Mapping[str, Any]) -> Iterator[str]:
    """The steps that a step names anywhere but in its values and words."""
    if not isinstance(step, Mapping) or _do(step) in ("hand_over", "resolve"):
        return
    for name, value in step.items():
        if name in ("values", "say", "with", "choices", "slot", "call", "save_as", "do"):
            continue
        if isinstance(value, str) and value in steps:
            yield value
        elif isinstance(value, Mapping):
            yield from _targets(value, steps)
        elif isinstance(value, list):
            for part in value:
                yield from _targets(part, steps)


def _edge(source: tuple[int, int], target: tuple[int, int]) -> str:
    x1, y1, x2, y2 = source[0] + _WIDTH // 2, source[1] + _HEIGHT, target[0] + _WIDTH // 2, target[1]
    if y2 < y1:  # back or beside: around the right
        x1, y1, x2, y2 = source[0] + _WIDTH, source[1] + _HEIGHT // 2, target[0] + _WIDTH, target[1] + _HEIGHT // 2
        return f"M{x1} {y1}C{x1 + 22} {y1} {x2 + 22} {y2} {x2} {y2}"
    bend = (y2 - y1) // 2
    return f"M{x1} {y1}C{x1} {y1 + bend} {x2} {y2 - bend} {x2} {y2}"
