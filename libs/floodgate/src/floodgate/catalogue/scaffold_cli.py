"""`floodgate catalogue add-language | add-country`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from floodgate.catalogue.loader import load_files
from floodgate.catalogue.models import Catalogue
from floodgate.catalogue.scaffold import Scaffold, add_country, add_language
from floodgate.catalogue.scaffold_gate import SUITES
from floodgate.catalogue.source import UNFINISHED
from floodgate.catalogue.versions_cli import Directory, working_files
from floodgate.settings import CatalogueSettings, load

Scaffolding = Callable[[Mapping[str, bytes], Catalogue, str], Scaffold]


def add_language_command(
    language: Annotated[str, typer.Argument(metavar="LANG", help="ISO 639-1 code, such as da.")],
    directory: Directory = None,
) -> None:
    """Put in every place that a new language needs, marked for a person to write."""
    _write(lambda files, catalogue, code: add_language(files, catalogue, code, _suites(directory)), language, directory)


def add_country_command(
    country: Annotated[str, typer.Argument(metavar="CC", help="ISO 3166-1 alpha-2 code, such as DK.")],
    directory: Directory = None,
) -> None:
    """Serve a country on trial, with the gate that it has to pass."""
    _write(lambda files, catalogue, code: add_country(files, catalogue, code, _suites(directory)), country, directory)


def _evaluation(directory: Path | None) -> Path:
    """Where the gate's suites are: beside the catalogue."""
    return (directory or load(CatalogueSettings).dir).resolve().parent / "eval"


def _suites(directory: Path | None) -> str | None:
    path = _evaluation(directory) / SUITES
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _write(scaffolding: Scaffolding, code: str, directory: Path | None) -> None:
    folder = directory or load(CatalogueSettings).dir
    files = working_files(folder)
    scaffold = scaffolding(files, load_files(files, unfinished=True), code)
    for name, text in scaffold.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for name, text in scaffold.gate.items():
        path = _evaluation(directory) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    console = Console(soft_wrap=True)
    for name in scaffold.gate:
        console.print(f"{_evaluation(directory) / name}: the gate", markup=False, highlight=False)
    for name, count in scaffold.marks.items():
        console.print(f"{folder / name}: {count} × {UNFINISHED}", markup=False, highlight=False)
    console.print(f"\nTo be written: {sum(scaffold.marks.values())}. Next:", highlight=False)
    for number, step in enumerate(scaffold.steps, start=1):
        console.print(f"{number}. {step}", markup=False, highlight=False)
