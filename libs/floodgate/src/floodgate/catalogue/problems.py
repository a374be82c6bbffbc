"""What can be wrong with a catalogue, and how it is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from keyflow.errors import FatalError


class Severity(StrEnum):
    """An error keeps the catalogue from being used; a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing to put right.

    Args:
        file: Path relative to the catalogue's directory.
        line: Line in that file, from 1; None when the file as a whole is meant.
        message: What is wrong.
        remedy: What to do about it.
        severity: Whether it keeps the catalogue from being used.
    """

    file: str
    line: int | None
    message: str
    remedy: str
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.message}; {self.remedy}"


class CatalogueError(FatalError):
    """The catalogue cannot be used; `problems` lists every reason, not only the first.

    Args:
        problems: At least one problem of severity error.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        head = "the catalogue has 1 problem" if count == 1 else f"the catalogue has {count} problems"
        super().__init__("\n".join([f"{head}:", *(f"  {problem}" for problem in self.problems)]))
