"""A comparison as one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

from floodgate_eval.shadow.view import headlines, times


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
        _card(name.replace("_", " "), _groups(found[name])) for name in ("by_category", "by_language", "by_country")
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
    columns = ("before", "after", "lost", "gained")
    return _table(("", *columns), ((name, *(of[column] for column in columns)) for name, of in marks.items()))


def _matrix(matrix: Mapping[str, Mapping[str, int]]) -> str:
    labels = list(dict.fromkeys(label for row in matrix.values() for label in row))
    return _table(("", *labels), ((before, *(row[label] or "·" for label in labels)) for before, row in matrix.items()))


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
    def cell(value: object, kind: str) -> str:
        number = ' class="number"' if isinstance(value, int) or (isinstance(value, str) and value == "·") else ""
        return f"<{kind}{number}>{escape(str(value))}</{kind}>"

    top = "".join(cell(head, "th") for head in heads)
    body = "".join(f"<tr>{''.join(cell(value, 'td') for value in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
