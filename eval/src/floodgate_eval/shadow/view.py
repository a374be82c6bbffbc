"""A comparison on a terminal: what matters most first."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

_PIPED_WIDTH: Final = 140
_GROUPS: Final = ("by_category", "by_language", "by_country")
_MOST_GROUPS: Final = 12
_MOST_EXAMPLES: Final = 12


def show(found: Mapping[str, Any], failing: Sequence[str] = ()) -> None:
    """Print it; `failing` are the conditions that it breaks."""
    width = None if sys.stdout.isatty() else _PIPED_WIDTH
    console = Console(width=width, soft_wrap=True, highlight=False)
    console.print(f"\n[bold]shadow {found['service']}[/]: {escape('; '.join(found['changes']))}")
    for line in headlines(found):
        console.print(escape(line))
    console.print(_marks(found["marks"]))
    console.print(_matrix(found["matrix"]))
    for name in _GROUPS:
        table = _groups(name, found[name])
        if table is not None:
            console.print(table)
    for change in found["examples"][:_MOST_EXAMPLES]:
        console.print(f"\n[bold]{escape(change['change'])}[/], {times(change['n'])}")
        for shown in change["shown"]:
            console.print(_example(shown))
    for condition in failing:
        console.print(f"[bold red]fails:[/] {escape(condition)}")


def headlines(found: Mapping[str, Any]) -> list[str]:
    """The comparison in a few sentences."""
    low, high = found["decided_otherwise_share"]["interval"]
    share = found["decided_otherwise_share"]["value"]
    against = "the live version, run again" if found["baseline"] == "rerun" else "what the live version recorded"
    lines = [
        f"{found['from']} to {found['to']}: {found['n']} decisions in {found['conversations']} conversations against "
        f"{against}",
        f"{found['decided_otherwise']} would be decided otherwise ({share:.1%}; 95 % {low:.1%} to {high:.1%}), "
        f"{found['changed']} differ in anything{_listed(found['facts'])}",
        f"cost {_usd(found, 'before')} -> {_usd(found, 'after')} for {found['model_calls']['before']:.0f} and "
        f"{found['model_calls']['after']:.0f} calls at list price; model p50/p95 {_ms(found, 'before')} -> "
        f"{_ms(found, 'after')}",
    ]
    if found["noise"] is not None:
        noise = found["noise"]
        lines.append(
            f"noise: today the live version itself decides {noise['decided_otherwise']} of {noise['n']} otherwise "
            f"than it did ({noise['share']['value']:.1%}): search in memory, the model, the shop"
        )
    if found["follows"]["n"]:
        lines.append(
            f"not counted: {found['follows']['n']} records after a conversation had gone another way, since what the "
            "customer wrote there answers the live version"
        )
    if found["failed"]["before"] or found["failed"]["after"]:
        failed = found["failed"]
        lines.append(f"no valid answer of the model: {failed['before']:.0f} before, {failed['after']:.0f} after")
    if found["unrecorded"]:
        lines.append(f"{found['unrecorded']} records have no recorded decision of a model")
    if found["unreadable"]:
        lines.append(f"{found['unreadable']} records could not be read: see `floodgate dlq list`")
    if found["stopped"]:
        lines.append(f"stopped early, so the figures are over what was done: {found['stopped']}")
    return lines


def times(count: int) -> str:
    """How often."""
    return "once" if count == 1 else f"{count} times"


def _listed(facts: Mapping[str, int]) -> str:
    return f" ({', '.join(f'{name} {count}' for name, count in facts.items())})" if facts else ""


def _usd(found: Mapping[str, Any], side: str) -> str:
    return f"${found['cost_usd'][side]:.4f}"


def _ms(found: Mapping[str, Any], side: str) -> str:
    latency = found["latency_ms"][side]
    return "-" if latency is None else f"{latency['p50']}/{latency['p95']} ms"


def _marks(marks: Mapping[str, Mapping[str, int]]) -> Table:
    table = _table("", "before", "after", "lost", "gained")
    for name, counts in marks.items():
        style = "bold red" if name == "urgent" and counts["lost"] else ""
        table.add_row(name, *(str(counts[column]) for column in ("before", "after", "lost", "gained")), style=style)
    return table


def _matrix(matrix: Mapping[str, Mapping[str, int]]) -> Table:
    labels = list(dict.fromkeys(label for row in matrix.values() for label in row))
    table = _table("live \\ candidate", *(escape(label) for label in labels))
    for before, row in matrix.items():
        cells = (str(row[label]) if row[label] else "·" for label in labels)
        table.add_row(escape(before), *cells)
    return table


def _groups(name: str, groups: Mapping[str, Mapping[str, Any]]) -> Table | None:
    changed = sorted(
        ((group, of) for group, of in groups.items() if of["changed"]), key=lambda pair: -pair[1]["decided_otherwise"]
    )
    if not changed:
        return None
    table = _table(name.replace("_", " "), "decisions", "otherwise", "share", "95 %", "net")
    for group, of in changed[:_MOST_GROUPS]:
        share = of["decided_otherwise_share"]
        low, high = share["interval"]
        net = ", ".join(f"{count:+d} {mark}" for mark, count in of["moved"].items())
        table.add_row(
            group, str(of["n"]), str(of["decided_otherwise"]), f"{share['value']:.1%}", f"{low:.1%} to {high:.1%}",
            escape(net),
        )  # fmt: skip
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 or column == "net" else "right", no_wrap=True)
    return table


def _example(shown: Mapping[str, Any]) -> str:
    place = "  ".join(part for part in (shown["language"], shown["country"], shown["path"], shown["text"]) if part)
    lines = [f"  {shown['conversation_id']}  {shown['event_id']}", f"    {place}"]
    for name, (old, new) in shown["differs"].items():
        lines.append(f"    {name}: {old or '-'} -> {new or '-'}")
    for side in ("before", "after"):
        of = shown[side]
        said = " ".join(part for part in (of["decision"] + ":", of["explanation"], of.get("said", "")) if part)
        lines.append(f"    {side:6} {said}" + (f" ({of['failed']})" if of.get("failed") else ""))
    return escape("\n".join(lines))
