"""`floodgate workflows`: check them, list their edges, talk to one in the terminal."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from floodgate.catalogue import Catalogue
from rich.console import Console
from rich.table import Table

from agent import cli_approvals, cli_evidence, cli_looks, cli_tests
from agent.backends.declared import CALLS
from agent.domain.checker import Lines, check_workflow
from agent.domain.expressions import Expressions
from agent.domain.library import parse_all
from agent.domain.model import ActStep, Workflow, WorkflowError, edges
from agent.opening import Directory, lines_of, open_catalogue, open_checked_library, workflow_of
from agent.scripts import ScriptError, outcomes_of, read_script_file
from agent.simulation import Simulation

app = typer.Typer(help="Check workflows and try them out.", no_args_is_help=True)
_console = Console(soft_wrap=True)
_errors = Console(stderr=True, soft_wrap=True)

app.command("test")(cli_tests.play)
app.command()(cli_tests.propose)
app.command()(cli_tests.fuzz)
app.command()(cli_looks.graph)
app.command()(cli_looks.schema)
app.command()(cli_looks.explain)
app.command()(cli_looks.diff)
app.command()(cli_evidence.evidence)
app.add_typer(cli_approvals.app, name="approvals")


@app.command()
def check(
    catalogue_dir: Directory = None,
    as_json: Annotated[bool, typer.Option("--json", help="Findings as JSON.")] = False,
    with_edges: Annotated[bool, typer.Option("--edges", help="List every edge, and every action's outcomes.")] = False,
) -> None:
    """Check every workflow; exit code 1 when one must not run."""
    catalogue = open_catalogue(catalogue_dir)
    findings = _findings(catalogue, lines_of(catalogue_dir))
    if as_json:
        found = {name: ways(workflow) for name, workflow in parse_all(catalogue).items()} if with_edges else {}
        typer.echo(json.dumps({"findings": findings, "edges": found} if with_edges else findings))
    else:
        for line in findings:
            _errors.print(line, style="red", markup=False, highlight=False)
        for workflow in parse_all(catalogue).values() if with_edges and not findings else ():
            typer.echo("\n".join(f"{workflow.id}: {line}" for line in ways(workflow)))
        if not findings:
            _console.print(f"{len(parse_all(catalogue))} workflows hold together (catalogue {catalogue.version}).")
    raise typer.Exit(1 if findings else 0)


@app.command("list")
def list_workflows(catalogue_dir: Directory = None) -> None:
    """List the workflows with their versions."""
    library = open_checked_library(catalogue_dir)
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
    """List every way from step to step, and every outcome of every action."""
    typer.echo("\n".join(ways(workflow_of(open_checked_library(catalogue_dir), name))))


def ways(workflow: Workflow) -> list[str]:
    """Every edge, and every action with everything that can become of it."""
    found = []
    for step_id, step in workflow.steps.items():
        found += [f"{step_id} --{label}--> {target}" for label, target in edges(step)]
        if isinstance(step, ActStep):
            found += [f"{step_id} ={outcome}" for outcome in outcomes_of(step, CALLS[step.call])]
    return found


@app.command()
def simulate(
    name: Annotated[str, typer.Argument(help="Id of the workflow.")],
    language: Annotated[str, typer.Option(help="Language of the conversation, ISO 639-1.")] = "en",
    message: Annotated[str, typer.Option(help="The message that starts it.")] = "",
    catalogue_dir: Directory = None,
) -> None:
    """Talk to a workflow. You play the user and the shop; nothing real is called.

    Answers of the shop that stand in the workflow's tests can be named: `done one`.
    """
    library = open_checked_library(catalogue_dir)
    workflow_of(library, name)
    path = cli_tests.script_path(catalogue_dir, name)
    try:
        file = read_script_file(path) if path.exists() else None
    except ScriptError as error:
        _errors.print(str(error), style="red", markup=False, highlight=False)
        raise typer.Exit(1) from error
    Simulation(library, name, library.language(language), typer.prompt, typer.echo, file=file).run(message)


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
