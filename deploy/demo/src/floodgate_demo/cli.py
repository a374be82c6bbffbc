"""`floodgate demo`."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Annotated

import typer
from floodgate_local import Stack
from floodgate_local.errors import StackError
from floodgate_local.progress import progress_for
from floodgate_local.state import default_state_dir
from keyflow.errors import FatalError
from rich.console import Console

from floodgate_demo import view
from floodgate_demo.report import Report
from floodgate_demo.runner import Running, ingest_file, play, running
from floodgate_demo.scenario import load_scenario


def demo(
    once: Annotated[bool, typer.Option("--once", help="Stop everything at the end, also on a terminal.")] = False,
    input_file: Annotated[
        Path | None,
        typer.Option("--input", help="Your own JSON Lines file of conversations or interactions (docs/ingest.md)."),
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the table to this file as JSON.")] = None,
) -> None:
    """Run everything on the local stack: messages in; verdicts, replies, hand-offs and features out."""
    began = time.monotonic()
    if input_file is not None and not input_file.is_file():
        raise FatalError(f"{input_file} is not a file: INPUT names a JSON Lines file")
    console = Console(soft_wrap=not view.is_terminal(), highlight=False)
    scenario = load_scenario()
    stack = Stack(default_state_dir() / "demo")
    _stop_on_sigterm()
    try:
        with running(stack, progress_for(sys.stdout), console.print, began) as up:
            with view.live(console, up.seen):
                report = play(up, scenario) if input_file is None else ingest_file(up, input_file)
            stays_up = view.is_terminal() and not once
            _finish(console, up, report, json_file, stays_up=stays_up)
            if stays_up:
                console.print("\nStays up until Ctrl-C.")
                _until_interrupted()
    except StackError as error:
        tail = "".join(f"\n  | {line}" for line in (error.log_tail or "").splitlines())
        raise FatalError(f"{error}{tail}") from error
    if report.lost or report.duplicated:
        raise FatalError(f"not everything is accounted for: {report.lost} lost, {report.duplicated} duplicated")


def _finish(console: Console, up: Running, report: Report, json_file: Path | None, *, stays_up: bool) -> None:
    console.print(view.result_tables(report))
    for problem in report.problems:
        console.print(f"[yellow]note:[/] {problem}")
    console.print(view.where_to_look(up, stays_up=stays_up))
    if json_file is not None:
        json_file.write_text(json.dumps(report.to_json(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        console.print(f"wrote {json_file}")


def _stop_on_sigterm() -> None:
    # As Ctrl-C: the way out goes through every `finally`, so that nothing is left running.
    def interrupt(_: int, __: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


def _until_interrupted() -> None:
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        return
