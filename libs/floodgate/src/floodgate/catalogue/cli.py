"""`floodgate catalogue`: commands for those who edit the catalogue."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from floodgate.catalogue.loader import CatalogueReport, inspect_catalogue
from floodgate.catalogue.models import Catalogue
from floodgate.catalogue.problems import Problem, Severity
from floodgate.catalogue.scaffold_cli import add_country_command, add_language_command
from floodgate.catalogue.versions_cli import diff, publish, rollback, show, versions

COMMANDS: Final = "floodgate.catalogue_commands"
DEFAULT_DIRECTORY: Final = "catalogue"
_COLOURS: Final = {Severity.ERROR: "red", Severity.WARNING: "yellow"}

app = typer.Typer(no_args_is_help=True, help="Check and publish the support team's content.")


@app.callback()
def main() -> None:
    """Check and publish the support team's content: categories, paths, templates, knowledge."""


@app.command()
def lint(
    directory: Annotated[
        Path | None,
        typer.Argument(help="Where catalogue.yaml is.  [default: FLOODGATE_CATALOGUE_DIR, else catalogue]"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    strict: Annotated[bool, typer.Option(help="Fail on warnings too.")] = False,
) -> None:
    """Check the whole catalogue; exit 1 when it cannot be used."""
    report = inspect_catalogue(directory or Path(os.environ.get("FLOODGATE_CATALOGUE_DIR", DEFAULT_DIRECTORY)))
    if as_json:
        typer.echo(json.dumps(_as_json(report), ensure_ascii=False, indent=2))
    else:
        _print(report)
    if report.errors or (strict and report.warnings):
        raise typer.Exit(1)


for _command in (diff, publish, rollback, versions, show):
    app.command()(_command)
app.command("add-language")(add_language_command)
app.command("add-country")(add_country_command)


def _contribute(arguments: Sequence[str]) -> None:
    """Adds commands of other distributions; they load models, so only when named, or for the help."""
    own = {command.name or getattr(command.callback, "__name__", "") for command in app.registered_commands}
    for entry in entry_points(group=COMMANDS):
        if entry.name in arguments or not own & set(arguments):
            app.command(entry.name)(entry.load())


_contribute(sys.argv[1:])


def _as_json(report: CatalogueReport) -> dict[str, Any]:
    return {
        "version": report.version,
        "usable": report.catalogue is not None,
        "errors": len(report.errors),
        "warnings": len(report.warnings),
        "problems": [
            {
                "severity": problem.severity.value,
                "file": problem.file,
                "line": problem.line,
                "message": problem.message,
                "remedy": problem.remedy,
            }
            for problem in report.problems
        ],
    }


def _print(report: CatalogueReport) -> None:
    console = Console()
    if report.problems:
        console.print(_problem_table(report.problems))
    if report.catalogue is not None:
        console.print(_content_table(report.catalogue))
    errors, warnings = len(report.errors), len(report.warnings)
    verdict = "cannot be used" if errors else "can be used"
    console.print(
        f"Catalogue {report.version or '(none)'} {verdict}: {errors} errors, {warnings} warnings.",
        style="red" if errors else "green",
    )


def _problem_table(problems: tuple[Problem, ...]) -> Table:
    table = Table("Where", "What", "Remedy", title="Problems", title_justify="left")
    for problem in problems:
        place = problem.file if problem.line is None else f"{problem.file}:{problem.line}"
        table.add_row(place, problem.message, problem.remedy, style=_COLOURS[problem.severity])
    return table


def _content_table(catalogue: Catalogue) -> Table:
    table = Table("Language", title=f"{catalogue.company}: content per language", title_justify="left")
    for heading in ("Examples", "Fewest per category", "Urgency phrases", "Articles"):
        table.add_column(heading, justify="right")
    articles = Counter(article.language for article in catalogue.articles)
    for language in catalogue.languages:
        counts = [len(category.examples.get(language, ())) for category in catalogue.categories]
        phrases = sum(len(rule.phrases.get(language, ())) for rule in catalogue.urgency)
        table.add_row(language, str(sum(counts)), str(min(counts, default=0)), str(phrases), str(articles[language]))
    return table


if __name__ == "__main__":
    app()
