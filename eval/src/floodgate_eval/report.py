"""The report: one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any, Final

from floodgate_eval.gate import Finding
from floodgate_eval.plots import bars, confusion_plot, reliability_plot, roc_plot

Result = Mapping[str, Any]

_HEADLINES: Final = ("recall", "accuracy", "macro_f1", "rouge1")
_ACCURACY_TASKS: Final = frozenset({"intent", "match"})


def write_report(path: Path, results: Sequence[Result], findings: Sequence[Finding] = ()) -> None:
    """Write the report of some results, with what a gate found."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(results, findings), encoding="utf-8")


def render(results: Sequence[Result], findings: Sequence[Finding] = ()) -> str:
    """The whole page."""
    style = resources.files("floodgate_eval").joinpath("report.css").read_text("utf-8")
    models = ", ".join(dict.fromkeys(str(result["model"]) for result in results if result.get("model")))
    count = sum(int(result["n"]) for result in results)
    parts = [_gate(findings)] if findings else []
    parts += [_section(result) for result in results]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Floodgate evaluation</title><style>{style}</style></head><body><main>"
        f'<h1>Floodgate evaluation</h1><p class="faint">{escape(models) or "no model was asked"}; '
        f"{count} rows; intervals are 95 %</p>{''.join(parts)}</main></body></html>\n"
    )


def _gate(findings: Sequence[Finding]) -> str:
    dropped = [finding for finding in findings if finding.failed]
    others = [finding for finding in findings if not finding.failed]
    said = f'<span class="fail">{len(dropped)} dropped</span>' if dropped else '<span class="ok">nothing dropped</span>'
    shown = _table(dropped) if dropped else ""
    return (
        f'<section class="card"><div class="head"><h2>Gate</h2>{said}</div>{shown}'
        f"<details><summary>{len(others)} figures within their bounds</summary>{_table(others)}</details></section>"
    )


def _table(findings: Sequence[Finding]) -> str:
    rows = "".join(
        f"<tr><td>{escape(one.suite)}</td><td>{escape(one.figure.replace('_', ' '))}</td>"
        f'<td class="number">{_number(one.before)}</td><td class="number">{_number(one.now)}</td>'
        f'<td class="{"fail" if one.failed else "faint"}">{escape(one.said)}</td></tr>'
        for one in findings
    )
    return (
        '<table><thead><tr><th>suite</th><th>figure</th><th class="number">baseline</th><th class="number">now</th>'
        f"<th></th></tr></thead><tbody>{rows}</tbody></table>"
    )


def _section(result: Result) -> str:
    title = result.get("suite") or result["task"]
    about = f"{result['task']}; {result['n']} rows" if result.get("suite") else f"{result['n']} rows"
    return (
        f'<section class="card"><div class="head"><h2>{escape(str(title))}</h2><span class="faint">{about}</span></div>'
        f'<div class="tiles">{_tiles(result)}</div><p class="faint">{escape(_conditions(result))}</p>'
        f'<div class="plots">{_plots(result)}</div></section>'
    )


def _tiles(result: Result) -> str:
    return "".join(
        f'<div class="tile"><div class="name">{escape(name.replace("_", " "))}</div>'
        f'<div class="number">{result[name]:.3f}</div><div class="interval">{low:.3f} to {high:.3f}</div></div>'
        for name, (low, high) in result["confidence_intervals"].items()
    )


def _conditions(result: Result) -> str:
    latency = result["latency_ms"]
    said = []
    for name, words in (("call", "model call"), ("call_alone", "call alone"), ("own_work", "own work")):
        found = latency.get(name)
        if found:
            said.append(f"{words} p50 {found['p50']:.1f} ms, p95 {found['p95']:.1f} ms")
    said.append(f"{result['cost_usd']:.4f} USD at list price")
    if result.get("agreement") is not None:
        said.append(f"agreement over {result['repeats']} repeats {result['agreement']:.3f}")
    if result["failed"]:
        said.append(f"{result['failed']} rows without a valid answer")
    return "; ".join(said)


def _plots(result: Result) -> str:
    plots = result.get("plots", {})
    drawn = [_by_language(result)]
    if plots.get("roc"):
        drawn.append(("Recall over false alarms", roc_plot(plots["roc"])))
    if plots.get("reliability"):
        drawn.append(("Confidence and how often it is right", reliability_plot(plots["reliability"])))
    if plots.get("confusions"):
        drawn.append(("Worst confusions", confusion_plot(plots["confusions"])))
    return "".join(f"<div><h3>{escape(title)}</h3>{plot}</div>" for title, plot in drawn if plot)


def _by_language(result: Result) -> tuple[str, str]:
    order = ("in_scope_accuracy", "accuracy") if result["task"] in _ACCURACY_TASKS else _HEADLINES
    name = next((one for one in order if one in result), None)
    if name is None:
        return "", ""
    rows = [
        (language, float(found[name]), found["confidence_intervals"][name], int(found["n"]))
        for language, found in result["by_language"].items()
        if name in found
    ]
    return f"{name.replace('_', ' ')} by language", bars(rows, name) if rows else ""


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
