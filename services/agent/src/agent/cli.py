"""`floodgate workflows`: check them, list their edges, talk to one in the terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from floodgate.catalogue import Catalogue, CatalogueError, load_catalogue
from floodgate.catalogue.source import parse_files, read_files
from floodgate.settings import CatalogueSettings, load
from rich.console import Console
from rich.table import Table

from agent.backends.declared import CALLS
from agent.domain.checker import Lines, check_workflow
from agent.domain.expressions import Expressions
from agent.domain.library import Library, parse_all
from agent.domain.model import WorkflowError, edges
from agent.simulation import Simulation

app = typer.Typer(help="Check workflows and try them out.", no_args_is_help=True)
_console = Console(soft_wrap=True)
_errors = Console(stderr=True, soft_wrap=True)

Directory = Annotated[
    Path | None,
    typer.Option("--catalogue", help="Directory of the catalogue; FLOODGATE_CATALOGUE_DIR when left out."),
]


@app.command()
def check(
    catalogue_dir: Directory = None,
    as_json: Annotated[bool, typer.Option("--json", help="Findings as JSON.")] = False,
) -> None:
    """Check every workflow; exit code 1 when one must not run."""
    catalogue = _catalogue(catalogue_dir)
    findings = _findings(catalogue, _lines(catalogue_dir))
    if as_json:
        typer.echo(json.dumps(findings))
    else:
        for line in findings:
            _errors.print(line, style="red", markup=False, highlight=False)
        if not findings:
            _console.print(f"{len(parse_all(catalogue))} workflows hold together (catalogue {catalogue.version}).")
    raise typer.Exit(1 if findings else 0)


@app.command("list")
def list_workflows(catalogue_dir: Directory = None) -> None:
    """List the workflows with their versions."""
    library = _library(catalogue_dir)
    table = Table("workflow", "version", "title", "steps", "category", "owner", "review by")
    for workflow in library.workflows.values():
        table.add_row(
            workflow.id,
            workflow.reference.partition("@")[2],
            workflow.title,
            str(len(workflow.steps)),
            workflow.category,
            workflow.owner,
            workflow.review_by.isoformat(),
        )
    _console.print(table)


@app.command("edges")
def list_edges(
    name: Annotated[str, typer.Argument(help="Id of the workflow.")], catalogue_dir: Directory = None
) -> None:
    """List every way from step to step."""
    library = _library(catalogue_dir)
    if name not in library.workflows:
        raise typer.BadParameter(f"there is no workflow {name!r}; there are {', '.join(library.workflows)}")
    for step_id, step in library.workflows[name].steps.items():
        for label, target in edges(step):
            typer.echo(f"{step_id} --{label}--> {target}")


@app.command()
def simulate(
    name: Annotated[str, typer.Argument(help="Id of the workflow.")],
    language: Annotated[str, typer.Option(help="Language of the conversation, ISO 639-1.")] = "en",
    message: Annotated[str, typer.Option(help="The message that starts it.")] = "",
    catalogue_dir: Directory = None,
) -> None:
    """Talk to a workflow. You play the user and the shop; nothing real is called."""
    library = _library(catalogue_dir)
    if name not in library.workflows:
        raise typer.BadParameter(f"there is no workflow {name!r}; there are {', '.join(library.workflows)}")
    Simulation(library, name, library.language(language), typer.prompt, typer.echo).run(message)


def _catalogue(directory: Path | None) -> Catalogue:
    try:
        return load_catalogue(directory or load(CatalogueSettings).dir)
    except CatalogueError as error:
        _errors.print(str(error), style="red", markup=False, highlight=False)
        raise typer.Exit(1) from error


def _lines(directory: Path | None) -> Lines:
    files = parse_files(read_files(directory or load(CatalogueSettings).dir)).files

    def line(file: str, location: tuple[str | int, ...]) -> int | None:
        return files[file].line(location) if file in files else None

    return line


def _findings(catalogue: Catalogue, lines: Lines) -> list[str]:
    try:
        workflows = parse_all(catalogue)
    except WorkflowError as error:
        return str(error).splitlines()
    expressions = Expressions()
    return [
        str(finding)
        for workflow in workflows.values()
        for finding in check_workflow(workflow, catalogue, expressions, CALLS, lines=lines)
    ]


def _library(directory: Path | None) -> Library:
    try:
        return Library(_catalogue(directory))
    except WorkflowError as error:
        _errors.print(str(error), style="red", markup=False, highlight=False)
        raise typer.Exit(1) from error
