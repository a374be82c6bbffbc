"""Opens a catalogue for a command, with one clear line where it cannot be used."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from floodgate.catalogue import Catalogue, CatalogueError, load_catalogue
from floodgate.catalogue.source import parse_files, read_files
from floodgate.settings import CatalogueSettings, load
from rich.console import Console

from agent.domain.checker import Lines
from agent.domain.library import Library
from agent.domain.model import Workflow, WorkflowError

_errors = Console(stderr=True, soft_wrap=True)

Directory = Annotated[
    Path | None,
    typer.Option("--catalogue", help="Directory of the catalogue; FLOODGATE_CATALOGUE_DIR when left out."),
]


def open_catalogue(directory: Path | None) -> Catalogue:
    """The catalogue of a directory."""
    try:
        return load_catalogue(directory or load(CatalogueSettings).dir)
    except CatalogueError as error:
        _errors.print(str(error), style="red", markup=False, highlight=False)
        raise typer.Exit(1) from error


def open_checked_library(directory: Path | None) -> Library:
    """The workflows of a directory; they hold together."""
    try:
        return Library(open_catalogue(directory))
    except WorkflowError as error:
        _errors.print(str(error), style="red", markup=False, highlight=False)
        raise typer.Exit(1) from error


def workflow_of(library: Library, name: str) -> Workflow:
    """A workflow by its name."""
    if name not in library.workflows:
        raise typer.BadParameter(f"there is no workflow {name!r}; there are {', '.join(library.workflows)}")
    return library.workflows[name]


def lines_of(directory: Path | None) -> Lines:
    """On which line everything stands."""
    files = parse_files(read_files(directory or load(CatalogueSettings).dir)).files

    def line(file: str, location: tuple[str | int, ...]) -> int | None:
        return files[file].line(location) if file in files else None

    return line
