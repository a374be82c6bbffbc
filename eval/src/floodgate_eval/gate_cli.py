"""`floodgate eval gate`: every suite against the baseline."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from keyflow import FatalError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from floodgate_eval.evaluate import Request, evaluate
from floodgate_eval.gate import Finding, baseline_of, compare, reached, read_baseline, unwritten
from floodgate_eval.report import write_report
from floodgate_eval.suites import Prepared, read_suites

_PIPED_WIDTH: Final = 160


@dataclass(frozen=True, slots=True)
class Gate:
    """Where the gate reads and writes.

    Attributes:
        only: Beginnings of the suites' names; all without any.
        update: Write what was measured as the new baseline instead of failing.
    """

    suites: Path
    baseline: Path
    html: Path | None
    json_file: Path | None
    only: tuple[str, ...]
    update: bool


def run_gate(gate: Gate, like: Request, *, say: Callable[[str], None]) -> bool:
    """Measure, compare, write the report; True when nothing dropped.

    Raises:
        FatalError: A file, a setting or the endpoint cannot be used.
    """
    prepared, absent = read_suites(gate.suites, gate.only)
    if not prepared:
        raise FatalError(f"{gate.suites}: no suite is named so and has its files; see --only and FLOODGATE_SHARED")
    if absent:
        say(f"left out, as their public corpora are not here: {', '.join(absent)}")
    baseline = read_baseline(gate.baseline)
    left = [unwritten(one.name, one.unwritten) for one in prepared if one.unwritten]
    prepared = [one for one in prepared if not one.unwritten]
    results = asyncio.run(_measured(prepared, like, say))
    findings = left + [
        finding
        for one in prepared
        for finding in (
            *compare(one.name, results[one.name], baseline.get(one.name), tolerance=one.suite.tolerance),
            *reached(one.name, results[one.name], one.suite.at_least),
        )
    ]
    if gate.html is not None:
        write_report(gate.html, list(results.values()), findings)
    if gate.json_file is not None:
        gate.json_file.write_text(json.dumps(results, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    show_findings(findings)
    if gate.update:
        _write_baseline(gate.baseline, baseline, results)
        say(f"wrote {gate.baseline}")
        return True
    return not any(finding.failed for finding in findings)


async def _measured(
    prepared: Sequence[Prepared], like: Request, say: Callable[[str], None]
) -> dict[str, dict[str, Any]]:
    results: dict[str, dict[str, Any]] = {}
    for one in prepared:
        say(f"{one.name}:")
        result = await evaluate(one.request(like), say=say)
        if result["stopped"]:
            raise FatalError(f"{one.name}: {result['stopped']}")
        results[one.name] = {**result, "suite": one.name, "corpus": one.corpus}
    return results


def _write_baseline(path: Path, before: dict[str, Any], results: dict[str, dict[str, Any]]) -> None:
    suites = {**before, **baseline_of(results)["suites"]}
    text = json.dumps({"suites": dict(sorted(suites.items()))}, ensure_ascii=False, indent=2)
    path.write_text(text + "\n", encoding="utf-8")


def show_findings(findings: Sequence[Finding]) -> None:
    """Print what a comparison of figures found."""
    table = Table(box=None, pad_edge=False)
    for name in ("suite", "figure"):
        table.add_column(name)
    for name in ("baseline", "now"):
        table.add_column(name, justify="right")
    table.add_column("")
    for one in findings:
        style = "red" if one.failed else ""
        table.add_row(one.suite, one.figure, _number(one.before), _number(one.now), escape(one.said), style=style)
    # Piped, the lines stay whole.
    width = None if sys.stdout.isatty() else _PIPED_WIDTH
    Console(width=width, soft_wrap=True, highlight=False).print(table)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
