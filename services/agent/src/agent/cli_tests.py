"""`floodgate workflows test | propose | fuzz`: conversations as tests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from floodgate.settings import CatalogueSettings, load
from rich.console import Console

from agent.domain.library import Library
from agent.exploring import Explorer
from agent.fuzzing import Fuzzer
from agent.opening import Directory, open_checked_library
from agent.scripts import FOLDER, Coverage, Player, Script, ScriptError, read_script_file, run_scripts

_errors = Console(stderr=True, soft_wrap=True)


def script_path(catalogue_dir: Path | None, name: str) -> Path:
    """Where the conversations of a workflow stand."""
    return (catalogue_dir or load(CatalogueSettings).dir) / "workflows" / FOLDER / f"{name}.yaml"


def play(
    name: Annotated[str | None, typer.Argument(help="Id of the workflow; all of them when left out.")] = None,
    catalogue_dir: Directory = None,
    as_json: Annotated[bool, typer.Option("--json", help="Figures as JSON.")] = False,
    whole: Annotated[bool, typer.Option("--whole", help="Fail where an edge or an outcome is not covered.")] = False,
) -> None:
    """Play the scripted conversations and tell what they cover; exit code 1 when one goes another way."""
    library = open_checked_library(catalogue_dir)
    results = list(_results(library, catalogue_dir, name))
    for workflow, coverage, faults, count in results:
        if not as_json:
            _tell(workflow, coverage, faults, count)
    if as_json:
        typer.echo(json.dumps([_figures(*result) for result in results]))
    failed = any(faults or (whole and coverage.missing) for _, coverage, faults, _ in results)
    raise typer.Exit(1 if failed else 0)


def _results(
    library: Library, directory: Path | None, name: str | None
) -> Iterator[tuple[str, Coverage, list[str], int]]:
    for workflow in [name] if name else library.workflows:
        try:
            file = read_script_file(script_path(directory, workflow))
            coverage, faults = run_scripts(Player(library, file), file.conversations)
        except ScriptError as error:
            _errors.print(str(error), style="red", markup=False, highlight=False)
            raise typer.Exit(1) from error
        yield workflow, coverage, faults, len(file.conversations)


def _tell(workflow: str, coverage: Coverage, faults: list[str], count: int) -> None:
    total, missing = len(coverage.wanted), coverage.missing
    typer.echo(f"{workflow}: {count} conversations, {total - len(missing)} of {total} edges and outcomes")
    for step, way in missing:
        typer.echo(f"  not covered: {step} --{way}")
    for fault in faults:
        _errors.print(f"  {fault}", style="red", markup=False, highlight=False)


def _figures(workflow: str, coverage: Coverage, faults: list[str], count: int) -> dict[str, Any]:
    return {
        "workflow": workflow,
        "conversations": count,
        "edges": len(coverage.wanted),
        "covered": len(coverage.wanted) - len(coverage.missing),
        "missing": [f"{step} --{way}" for step, way in coverage.missing],
        "faults": faults,
    }


def propose(
    name: Annotated[str, typer.Argument(help="Id of the workflow.")],
    catalogue_dir: Directory = None,
    write: Annotated[bool, typer.Option("--write", help="Add them to the file; read them before you commit.")] = False,
) -> None:
    """Write conversations for every edge and outcome that no script covers yet."""
    library = open_checked_library(catalogue_dir)
    path = script_path(catalogue_dir, name)
    try:
        file = read_script_file(path)
        player = Player(library, file)
        coverage, _ = run_scripts(player, file.conversations)
        scripts, unreachable = Explorer(player).propose(coverage.missing)
    except ScriptError as error:
        _errors.print(str(error), style="red", markup=False, highlight=False)
        raise typer.Exit(1) from error
    text = as_yaml(scripts)
    if write and scripts:
        content = path.read_text(encoding="utf-8").rstrip("\n")
        heading = "" if file.conversations else "\nconversations:"
        path.write_text(f"{content}{heading}\n{text}", encoding="utf-8")
    else:
        typer.echo(text)
    typer.echo(f"{len(scripts)} conversations")
    for step, way in sorted(unreachable):
        _errors.print(f"no answer or text in {path} leads to {step} --{way}", markup=False, highlight=False)


def as_yaml(scripts: list[Script]) -> str:
    """Scripts as the file has them: a line each."""
    lines = []
    for script in scripts:
        lines += [f"  - name: {json.dumps(script.name)}", f"    language: {script.language}", "    lines:"]
        for line in script.lines:
            content = line.model_dump(by_alias=True, exclude_none=True, mode="json")
            flow = yaml.safe_dump(content, default_flow_style=True, sort_keys=False, width=10_000, allow_unicode=True)
            lines.append(f"      - {flow.strip()}")
    return "\n".join(lines) + "\n"


def fuzz(
    conversations: Annotated[int, typer.Option(help="How many.")] = 10_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same conversations.")] = 1,
    catalogue_dir: Directory = None,
) -> None:
    """Hold random and hostile conversations; exit code 1 when an action happens that nothing called for."""
    library = open_checked_library(catalogue_dir)
    players = [Player(library, read_script_file(script_path(catalogue_dir, name))) for name in library.workflows]
    report = Fuzzer(players, library.catalogue.languages).run(conversations, seed)
    endings = ", ".join(f"{count} {ending}" for ending, count in sorted(report.endings.items()))
    typer.echo(
        f"{report.conversations} conversations ({endings}), {report.actions} actions, {report.taken_back} taken back"
    )
    typer.echo(f"{len(report.undeclared)} actions that nothing called for, {len(report.unended)} without an end")
    typer.echo(
        f"processor time of the interpreter's {len(report.step_seconds)} steps:"
        f" p50 {report.step_ms(0.5):.2f} ms, p95 {report.step_ms(0.95):.2f} ms, p99 {report.step_ms(0.99):.2f} ms"
    )
    for fault in [*report.undeclared, *report.unended][:20]:
        _errors.print(fault, style="red", markup=False, highlight=False)
    raise typer.Exit(1 if report.undeclared or report.unended else 0)
