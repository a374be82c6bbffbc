"""`floodgate workflows graph | schema | explain | diff`: looking at workflows and at what they did."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from floodgate.catalogue.diff_workflows import workflow_changes
from floodgate.settings import KafkaSettings, load
from pydantic import TypeAdapter
from rich.console import Console

from agent.adapters.state_topic import read_state
from agent.domain.library import parse_all
from agent.domain.model import Part, Workflow
from agent.drawing import draw
from agent.explaining import explain as told
from agent.opening import Directory, open_catalogue, open_checked_library, workflow_of
from agent.scripts import ScriptFile

_errors = Console(stderr=True, soft_wrap=True)


def graph(
    name: Annotated[str, typer.Argument(help="Id of the workflow.")],
    out: Annotated[Path | None, typer.Option(help="File to write; the screen when left out.")] = None,
    catalogue_dir: Directory = None,
) -> None:
    """Draw a workflow as SVG."""
    drawing = draw(workflow_of(open_checked_library(catalogue_dir), name))
    if out is None:
        typer.echo(drawing, nl=False)
    else:
        out.write_text(drawing, encoding="utf-8")


def schema(
    tests: Annotated[bool, typer.Option("--tests", help="Of files with scripted conversations.")] = False,
) -> None:
    """Print the JSON schema for editors."""
    typer.echo(json.dumps(json_schema(tests=tests), indent=2))


def json_schema(*, tests: bool) -> dict[str, Any]:
    """The schema of workflow files and parts, or of the files with scripted conversations."""
    kind: Any = ScriptFile if tests else Part | Workflow
    found = TypeAdapter(kind).json_schema(by_alias=True)
    title = "Scripted conversations" if tests else "Workflow or part"
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title, **found}


def explain(
    conversation: Annotated[str, typer.Argument(help="Id of the conversation, such as intercom:123.")],
    as_json: Annotated[bool, typer.Option("--json", help="The state as JSON.")] = False,
) -> None:
    """Tell why a conversation went as it did: every step with what decided it."""
    state = read_state(load(KafkaSettings), conversation)
    if state is None:
        _errors.print(f"nothing is kept of {conversation}", markup=False, highlight=False)
        raise typer.Exit(1)
    typer.echo(state.model_dump_json(indent=2) if as_json else "\n".join(told(state)))


def diff(
    before: Annotated[Path, typer.Argument(help="Directory of a catalogue.")],
    after: Annotated[Path | None, typer.Argument(help="Another; the working one when left out.")] = None,
) -> None:
    """Tell what is different in the workflows of two catalogues; ! marks what somebody should look at twice.

    `floodgate catalogue diff` compares published versions, and everything else in them.
    """
    old, new = open_catalogue(before).workflows, open_catalogue(after)
    parse_all(new)
    for name in sorted(old.keys() | new.workflows.keys()):
        for text, care in workflow_changes(old.get(name), new.workflows.get(name)):
            typer.echo(f"{'!' if care else ' '} {name}: {text}{f' ({care})' if care else ''}")
