"""Loads a catalogue as a whole: all of it, or every reason why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from floodgate.catalogue.builder import Built, build
from floodgate.catalogue.checks import check
from floodgate.catalogue.models import Catalogue
from floodgate.catalogue.problems import CatalogueError, Problem, Severity
from floodgate.catalogue.source import parse_files, read_files


@dataclass(frozen=True, slots=True)
class CatalogueReport:
    """What a look at a catalogue found.

    Args:
        catalogue: The catalogue; None when it has an error.
        version: First twelve hexadecimal digits of the SHA-256 over its files.
        problems: Errors and warnings, by file and line.
    """

    catalogue: Catalogue | None
    version: str
    problems: tuple[Problem, ...]

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that keep it from being used."""
        return tuple(problem for problem in self.problems if problem.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """The problems that do not."""
        return tuple(problem for problem in self.problems if problem.severity is Severity.WARNING)


def load_catalogue(directory: Path) -> Catalogue:
    """Read, build and check the catalogue of a directory.

    Raises:
        CatalogueError: It cannot be used; the error lists every problem with file, line and remedy.
    """
    report = inspect_catalogue(directory)
    if report.catalogue is None:
        raise CatalogueError(report.errors)
    return report.catalogue


def inspect_catalogue(directory: Path, *, today: date | None = None) -> CatalogueReport:
    """Look at a catalogue without raising; warnings are reported too.

    Args:
        directory: Where `catalogue.yaml` is.
        today: What review dates are compared with; the current date, UTC, when None.
    """
    if not directory.is_dir():
        remedy = "set FLOODGATE_CATALOGUE_DIR to the directory that holds catalogue.yaml"
        missing = Problem(str(directory), None, "there is no such directory", remedy)
        return CatalogueReport(None, "", (missing,))
    return inspect_files(read_files(directory), today=today)


def load_files(files: Mapping[str, bytes], *, unfinished: bool = False) -> Catalogue:
    """Build and check a catalogue from the bytes of its files, by name.

    Args:
        files: Bytes by name, as `read_files` gives them.
        unfinished: Let marks be that a scaffold left: for what works on such a folder, never to run by it.

    Raises:
        CatalogueError: It cannot be used; the error lists every problem with file, line and remedy.
    """
    report = inspect_files(files, unfinished=unfinished)
    if report.catalogue is None:
        raise CatalogueError(report.errors)
    return report.catalogue


def inspect_files(
    files: Mapping[str, bytes], *, today: date | None = None, unfinished: bool = False
) -> CatalogueReport:
    """Look at the files of a catalogue without raising.

    Args:
        files: Bytes by name, as `read_files` gives them.
        today: What review dates are compared with; the current date, UTC, when None.
        unfinished: Let marks be that a scaffold left.
    """
    sources = parse_files(files, unfinished=unfinished)
    built = build(sources)
    problems = [*built.problems, *check(built, today or datetime.now(UTC).date())]
    ordered = tuple(sorted(problems, key=lambda problem: (problem.file, problem.line or 0, problem.message)))
    broken = any(problem.severity is Severity.ERROR for problem in ordered)
    catalogue = None if broken else _assemble(built, sources.version)
    return CatalogueReport(catalogue, sources.version, ordered)


def _assemble(built: Built, version: str) -> Catalogue | None:
    header = built.header
    if header is None:
        return None
    return Catalogue(
        version=version,
        **dict(header),
        teams=tuple(built.teams),
        paths=tuple(built.paths),
        categories=tuple(built.categories),
        urgency=tuple(built.urgency),
        templates=tuple(built.templates),
        articles=tuple(built.articles),
        sources=tuple(built.sources),
        calibration=built.calibration,
        workflows=built.workflows,
    )
