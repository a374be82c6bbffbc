"""The report to read before anything is decided: the proposed categories, and last month through the firewall."""

from __future__ import annotations

from collections import Counter
from html import escape
from importlib import resources
from pathlib import Path

from floodgate_eval.proposing.month import Month
from floodgate_eval.proposing.proposal import Proposal, Proposed

_SHOWN_EXAMPLES = 6


def write_page(path: Path, proposal: Proposal, month: Month | None, *, by: str) -> None:
    """Write the report as one HTML file that needs nothing else.

    Args:
        path: Where.
        proposal: What was found.
        month: What the firewall would have done; None when it was not asked.
        by: The catalogue by which it was asked: "the draft", or a folder.
    """
    style = resources.files("floodgate_eval").joinpath("report.css").read_text(encoding="utf-8")
    path.write_text(
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>Proposed catalogue</title><style>{style}</style></head><body><main>"
        f"<h1>Proposed catalogue</h1>{_head(proposal)}{_month(month, by) if month else ''}"
        f"{_overview(proposal, month)}{''.join(map(_card, proposal.categories))}</main></body></html>",
        encoding="utf-8",
    )


def _head(proposal: Proposal) -> str:
    languages = Counter(message.language for message in proposal.messages)
    skipped = ", ".join(f"{code} ({count})" for code, count in proposal.skipped.items())
    tiles = [
        ("conversations", f"{len(proposal.messages)}"),
        ("proposed categories", f"{len(proposal.categories)}"),
        ("far from every category", _share(proposal.left_over, len(proposal.messages))),
        ("languages", ", ".join(f"{code} {_share(n, languages.total())}" for code, n in languages.most_common(4))),
    ]
    left = f"<p class='faint'>Left out, too few or not served: {escape(skipped)}.</p>" if skipped else ""
    return f"<div class='tiles'>{''.join(_tile(name, value) for name, value in tiles)}</div>{left}"


def _month(month: Month, by: str) -> str:
    """What would have happened, in the words of those who decide."""
    total = month.messages
    tiles = [(decision, _share(count, total)) for decision, count in month.decisions.most_common()]
    tiles += [
        ("urgent, found at once", _share(month.urgent, total)),
        ("could start a workflow", _share(month.sure, total)),
        ("misuse", _share(sum(month.misuse.values()), total)),
    ]
    if month.with_path:
        tiles.append(("of chosen paths, wrong", _share(month.wrong_path, month.with_path)))
    notes = [
        "First messages only, each by itself, as of a new conversation. Urgency is by the catalogue's rules.",
        "“Could start a workflow”: one category, not urgent, and confidence enough; nothing is automated in a draft.",
    ]
    if by == "the draft":
        notes.append("The draft was made of this history, its examples included: expect less on the next month.")
    if month.failed:
        notes.append(f"{month.failed} messages got no valid answer and went to a person.")
    name = month.name or "All messages (the export has no dates)"
    return (
        f"<section class='card'><div class='head'><h2>{escape(name)} as the firewall would have seen it</h2>"
        f"<span class='faint'>{total} messages, by {escape(by)}</span></div>"
        f"<div class='tiles'>{''.join(_tile(label, value) for label, value in tiles)}</div>"
        f"{''.join(f'<p class=faint>{escape(note)}</p>' for note in notes)}</section>"
    )


def _overview(proposal: Proposal, month: Month | None) -> str:
    total = len(proposal.messages)
    months = sorted({name for category in proposal.categories for name in category.months})[-6:]
    heads = ["category", "language", "conversations", "share", *months, "urgent", "misuse", "sure enough"]
    rows = []
    for category in proposal.categories:
        seen = (month.by_category if month else {}).get(category.identifier, Counter())
        cells = [f"{category.size}", _share(category.size, total)]
        cells += [str(category.months.get(name, 0)) for name in months]
        cells += [_share(seen[kind], seen["messages"]) for kind in ("urgent", "misuse", "sure")]
        rows.append(
            f"<tr><td><a href='#{category.identifier}'>{escape(category.identifier)}</a></td>"
            f"<td>{category.language}</td>{''.join(f'<td class=number>{cell}</td>' for cell in cells)}</tr>"
        )
    head = "".join(f"<th{'' if i < 2 else ' class=number'}>{escape(name)}</th>" for i, name in enumerate(heads))
    return f"<section class='card'><h2>Categories</h2><table><tr>{head}</tr>{''.join(rows)}</table></section>"


def _card(category: Proposed) -> str:
    examples = "".join(f"<li>{escape(text)}</li>" for text in category.examples[:_SHOWN_EXAMPLES])
    near = ", ".join(f"<a href='#{name}'>{escape(name)}</a>" for name in category.neighbours)
    return (
        f"<section class='card' id='{category.identifier}'><div class='head'><h2>{escape(category.identifier)}</h2>"
        f"<span class='faint'>{category.size} conversations, {category.language}</span></div>"
        f"<p class='faint'>{escape(', '.join(category.words))}</p><ul>{examples}</ul>"
        + (f"<p class='faint'>Easily confused with {near}: keep them apart, or make them one.</p>" if near else "")
        + "</section>"
    )


def _tile(name: str, value: str) -> str:
    return f"<div class='tile'><div class='name'>{escape(name)}</div><div class='number'>{escape(value)}</div></div>"


def _share(count: int, total: int) -> str:
    if not total:
        return "–"
    return "<1%" if 0 < count < total * 0.005 else f"{count / total:.0%}"
