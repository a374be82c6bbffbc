"""`floodgate new-service`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from floodgate.scaffold.writing import ask_for, new_files, scaffold

_NEXT = (
    "make setup",
    "make check",
    "make up && floodgate run {name}",
    ".venv/bin/pytest tests/integration/{name}",
)


def new_service(
    name: Annotated[str, typer.Argument(help="Small letters: it names a package, topics, an image and figures.")],
    *,
    reads: Annotated[
        str, typer.Option(help="Topic that it reads: a declared one, or a new one (warehouse.readings[:Reading]).")
    ],
    writes: Annotated[str, typer.Option(help="Topic that it writes, a new one (warehouse.findings[:Finding]).")],
    key: Annotated[
        str | None, typer.Option(help="Name of the key, such as sensor_id; by default that of the topic that is read.")
    ] = None,
    model: Annotated[bool, typer.Option("--model", help="It asks a model: prompt, client, usage.")] = False,
    state: Annotated[bool, typer.Option("--state", help="It keeps state per key, with a changelog.")] = False,
    root: Annotated[Path, typer.Option(help="Root of the checkout.")] = Path(),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say which files would be new.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Make a service that works: engine, dead letters, schemas, topics, image, dashboard, alerts, tests, pages."""
    service = ask_for(root, name, reads, writes, key, model=model, state=state)
    if dry_run:
        paths = sorted(new_files(service))
        typer.echo(json.dumps(paths, indent=2) if as_json else "\n".join(paths))
        return
    done = scaffold(root, service)
    if as_json:
        typer.echo(json.dumps(asdict(done), indent=2))
        return
    console = Console(soft_wrap=True, highlight=False, markup=False)
    console.print(f"{len(done.written)} new files; new lines in {', '.join(done.changed)}\n\nYours to fill in:")
    for place in done.yours:
        console.print(f"  {place}")
    console.print("\nNext:")
    for step in _NEXT:
        console.print(f"  {step.format(name=name)}")
