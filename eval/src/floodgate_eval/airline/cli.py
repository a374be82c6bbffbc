"""`floodgate eval airline`: the airline's workflows against the public tasks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from agent.domain.library import Library
from agent.domain.model import WorkflowError
from floodgate.catalogue import CatalogueError
from floodgate_local.state import repository_root
from rich.console import Console
from rich.progress import track
from rich.table import Table

from floodgate_eval.airline.holding import REPEATS, Held, hold, open_library
from floodgate_eval.airline.reading import Reading, ReadingError, Task, read_readings, read_tasks

_FOLDER: Final = repository_root() / "eval" / "airline"
_console = Console(stderr=True, soft_wrap=True, highlight=False)


def hold_airline(
    tasks: Annotated[Path, typer.Option(help="The tasks as JSON Lines: id, text, expected actions.")],
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the result here.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Only these, with what was said.")] = None,
    folder: Annotated[Path, typer.Option(help="The airline: catalogue/, backend.yaml, readings.yaml.")] = _FOLDER,
    bar: Annotated[float, typer.Option(min=0, max=1, help="The share below which the exit code is 1.")] = 0.9,
) -> None:
    """Hold the airline's workflows against the public tasks: expected and done actions, four times each."""
    try:
        library, readings, found = open_library(folder), read_readings(folder / "readings.yaml"), read_tasks(tasks)
        held = list(_held(library, found, readings, only or ()))
    except (ReadingError, WorkflowError, CatalogueError) as error:
        _console.print(str(error), style="red", markup=False)
        raise typer.Exit(1) from error
    _show(held, with_lines=bool(only))
    result = summary(held)
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(result, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    typer.echo(
        f"{result['reached']} of {result['tasks']} tasks reached, "
        f"{result['same_every_time']} the same {REPEATS} times out of {REPEATS}"
    )
    raise typer.Exit(0 if held and result["reached"] >= bar * len(held) and all(_steady(one) for one in held) else 1)


def _held(
    library: Library, tasks: Mapping[str, Task], readings: Mapping[str, Reading], only: Sequence[str]
) -> Iterator[Held]:
    unknown = sorted(set(only) - tasks.keys())
    if unknown:
        raise ReadingError(f"there is no task {', '.join(unknown)}")
    chosen = [task for name, task in tasks.items() if not only or name in only]
    for task in track(chosen, "tasks", console=_console, transient=True):
        yield hold(library, task, readings[task.id]) if task.id in readings else _unread(task)


def _unread(task: Task) -> Held:
    return Held(task.id, False, REPEATS, (), (), "readings.yaml has no reading of it", "", ())


def _steady(held: Held) -> bool:
    return held.same == REPEATS


def summary(held: Sequence[Held]) -> dict[str, Any]:
    """The figures, and every task."""
    changing = [one for one in held if one.expected]
    return {
        "tasks": len(held),
        "reached": sum(one.reached for one in held),
        "with_expected_changes": len(changing),
        "of_these_reached": sum(one.reached for one in changing),
        "same_every_time": sum(_steady(one) for one in held),
        "repeats": REPEATS,
        "by_task": [{name: part for name, part in asdict(one).items() if name != "lines"} for one in held],
    }


def _show(held: Sequence[Held], *, with_lines: bool) -> None:
    table = Table("task", "reached", f"same of {REPEATS}", "expected", "done", "why not", box=None, header_style="dim")
    for one in held:
        expected, done = ("\n".join(actions) or "nothing" for actions in (one.expected, one.done))
        table.add_row(one.task, "yes" if one.reached else "[red]no[/]", str(one.same), expected, done, one.why)
    _console.print(table)
    for one in held:
        if one.note:
            _console.print(f"task {one.task}, not expressible: {one.note}", markup=False)
        for line in one.lines if with_lines else ():
            _console.print(f"  {line}", markup=False)
