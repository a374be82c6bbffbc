"""A comparison as one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any, Final

from floodgate_eval.shadow.view import headlines, times

_NOTHING: Final = "·"


class Changed(int):
    """A count of what would not be as it was."""


def write_page(path: Path, found: Mapping[str, Any], failing: Sequence[str] = ()) -> None:
    """Write the report of a comparison, with the conditions that it breaks."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(found, failing), encoding="utf-8")


def render(found: Mapping[str, Any], failing: Sequence[str] = ()) -> str:
    """The whole page."""
    style = resources.files("floodgate_eval").joinpath("report.css").read_text("utf-8")
    title = f"Shadow of the {found['service']}"
    said = "".join(f"<p>{escape(line)}</p>" for line in headlines(found))
    failed = "".join(f'<p class="fail">fails: {escape(condition)}</p>' for condition in failing)
    groups = "".join(
        _card(name.replace("_", " ").capitalize(), _groups(found[name]))
        for name in ("by_category", "by_language", "by_country")
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{style}</style></head><body><main><h1>{title}</h1>"
        f'<p class="faint">{escape("; ".join(found["changes"]))}</p>{failed}{_card("In short", said)}'
        f"{_card('Gained and lost', _marks(found['marks']))}"
        f"{_card('Live in rows, candidate in columns', _matrix(found['matrix']))}{groups}"
        f"{_card('Examples', _examples(found['examples']))}</main></body></html>\n"
    )


def _card(title: str, inside: str) -> str:
    return f'<section class="card"><div class="head"><h2>{escape(title)}</h2></div>{inside}</section>'


def _marks(marks: Mapping[str, Mapping[str, int]]) -> str:
    rows = ((name, of["before"], of["after"], Changed(of["lost"]), Changed(of["gained"])) for name, of in marks.items())
    return _table(("", "before", "after", "lost", "gained"), rows)


def _matrix(matrix: Mapping[str, Mapping[str, int]]) -> str:
    labels = list(dict.fromkeys(label for row in matrix.values() for label in row))
    return _table(("", *labels), ((before, *_counts(before, row)) for before, row in matrix.items()))


def _counts(before: str, row: Mapping[str, int]) -> Iterable[object]:
    return ((count if label == before else Changed(count)) if count else _NOTHING for label, count in row.items())


def _groups(groups: Mapping[str, Mapping[str, Any]]) -> str:
    def row(name: str, of: Mapping[str, Any]) -> tuple[object, ...]:
        share = of["decided_otherwise_share"]
        low, high = share["interval"]
        net = ", ".join(f"{count:+d} {mark}" for mark, count in of["moved"].items())
        return name, of["n"], of["decided_otherwise"], f"{share['value']:.1%}", f"{low:.1%} to {high:.1%}", net

    heads = ("", "decisions", "otherwise", "share", "95 %", "net")
    return _table(heads, (row(name, of) for name, of in groups.items()))


def _examples(changes: Sequence[Mapping[str, Any]]) -> str:
    if not changes:
        return '<p class="faint">Nothing changes.</p>'
    return "".join(
        f"<details open><summary>{escape(change['change'])}, {times(change['n'])}</summary>"
        f"{_table(('conversation', 'message', 'where', 'live', 'candidate'), map(_example, change['shown']))}</details>"
        for change in changes
    )


def _example(shown: Mapping[str, Any]) -> tuple[object, ...]:
    where = " ".join(part for part in (shown["language"], shown["country"], shown["path"]) if part)
    differs = "; ".join(f"{name}: {old or '-'} → {new or '-'}" for name, (old, new) in shown["differs"].items())
    sides = (
        " ".join(part for part in (of["decision"] + ":", of["explanation"], of.get("said", "")) if part)
        for of in (shown["before"], shown["after"])
    )
    live, candidate = sides
    return shown["conversation_id"], shown["text"], where, live, f"{candidate} {differs}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A column of numbers stands to the right, its head too; a number that changed stands out."""
    kept = [list(row) for row in rows]
    numbers = [bool(kept) and _is_number(value) for value in (kept[0] if kept else heads)]
    top = "".join(
        f"<th{' class=number' if number else ''}>{escape(head)}</th>"
        for head, number in zip(heads, numbers, strict=True)
    )
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in kept)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: object) -> str:
    kinds = ["number"] if _is_number(value) else []
    kinds += ["fail"] if isinstance(value, Changed) and value else []
    return f'<td class="{" ".join(kinds)}">{escape(str(value))}</td>'


def _is_number(value: object) -> bool:
    return isinstance(value, int) or value == _NOTHING or (isinstance(value, str) and value.endswith("%"))
