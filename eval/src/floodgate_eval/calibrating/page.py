"""The report of a calibration: one HTML file with its figures and reliability plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from importlib import resources
from typing import Any, Final

from floodgate_eval.calibrating.validate import Compared, reliability
from floodgate_eval.plots import reliability_plot

_NAMES: Final = {"sentiment_macro_f1": "sentiment macro-F1", "urgency_mae": "urgency error", "csat_mae": "csat error"}
_NUMBERS: Final = ("urgency", "csat")


def render(parts: Sequence[tuple[str, Sequence[Compared], Mapping[str, Mapping[str, Any]]]], about: str) -> str:
    """The page.

    Args:
        parts: Title, rows and figures of each comparison.
        about: Model, prompt and version.
    """
    style = resources.files("floodgate_eval").joinpath("report.css").read_text("utf-8")
    sections = "".join(_section(title, rows, figures) for title, rows, figures in parts)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Floodgate calibration</title><style>{style}</style></head><body><main>"
        f'<h1>Calibration of the feature record</h1><p class="faint">{escape(about)}</p>'
        f"{sections}</main></body></html>\n"
    )


def _section(title: str, rows: Sequence[Compared], figures: Mapping[str, Mapping[str, Any]]) -> str:
    head = "".join(f"<th>{name}</th>" for name in ("rows", *_NAMES.values()))
    lines = "".join(
        f'<tr><td>{escape(place)}</td><td class="number">{found["n"]}</td>'
        + "".join(f'<td class="number">{_change(found[name])}</td>' for name in _NAMES)
        + "</tr>"
        for place, found in figures.items()
    )
    plots = "".join(
        f"<figure><figcaption>{name}, {'after' if after else 'before'}</figcaption>"
        f"{reliability_plot(reliability(rows, name, after=after), said='said', meant='meant')}</figure>"
        for name in _NUMBERS
        for after in (False, True)
    )
    return (
        f'<section class="card"><div class="head"><h2>{escape(title)}</h2></div>'
        f"<table><thead><tr><th>language</th>{head}</tr></thead><tbody>{lines}</tbody></table>"
        f'<div class="plots">{plots}</div></section>'
    )


def _change(pair: Sequence[float | None] | None) -> str:
    if pair is None or None in pair:
        return "–"
    before, after = pair
    return f"{before:.3f} → {after:.3f}"
