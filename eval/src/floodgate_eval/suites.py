"""The suites of the gate: which files are measured, and how."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import yaml
from floodgate.catalogue.source import UNFINISHED
from keyflow import FatalError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from floodgate_eval.evaluate import Request
from floodgate_eval.gate import DEFAULT_TOLERANCE, fingerprint
from floodgate_eval.rows import Task

_SHARED: Final = "${shared}"


class Suite(BaseModel):
    """One entry of the file of suites."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: Task
    test: tuple[str, ...] = Field(min_length=1)
    examples: tuple[str, ...] = ()
    shots: int | None = Field(default=None, ge=1)
    limit: int | None = Field(default=None, ge=1)
    tolerance: float = Field(default=DEFAULT_TOLERANCE, ge=0)
    at_least: dict[str, float] = Field(default={}, description="Figures that must be reached, whatever the baseline.")


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    suites: dict[str, Suite]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A suite whose files are there."""

    name: str
    suite: Suite
    test: tuple[Path, ...]
    examples: tuple[Path, ...]

    def request(self, like: Request) -> Request:
        """What to measure, on the endpoint and with the settings of another request."""
        suite = self.suite
        return replace(
            like, task=suite.task, test=self.test, examples=self.examples, shots=suite.shots, limit=suite.limit
        )

    @property
    def unwritten(self) -> int:
        """Rows that a scaffold left for a person to write."""
        return sum(path.read_bytes().count(UNFINISHED.encode()) for path in (*self.test, *self.examples))

    @property
    def corpus(self) -> str:
        """Fingerprint of the rows that are measured."""
        return f"{fingerprint((*self.test, *self.examples))}/{self.suite.shots or 'all'}/{self.suite.limit or 'all'}"


def read_suites(path: Path, only: Sequence[str] = ()) -> tuple[list[Prepared], list[str]]:
    """The suites whose files are there, and the names of those left out because public corpora are absent.

    Args:
        path: The file of suites.
        only: Beginnings of the names that are wanted; all without any.

    Raises:
        FatalError: The file is wrong, or one of the project's own corpora is missing.
    """
    prepared: list[Prepared] = []
    absent: list[str] = []
    for name, suite in _read(path).items():
        if only and not any(name.startswith(wanted) for wanted in only):
            continue
        test, examples = _paths(path, suite.test), _paths(path, suite.examples)
        missing = [file for file in (*test, *examples) if not file.is_file()]
        if not missing:
            prepared.append(Prepared(name, suite, test, examples))
        elif any(_SHARED in text for text in (*suite.test, *suite.examples)):
            absent.append(name)
        else:
            raise FatalError(f"{path}: suite {name!r} names {missing[0]}, which is not there; correct or remove it")
    return prepared, absent


def shared_folder(beside: Path) -> Path:
    """Where public corpora may lie: FLOODGATE_SHARED, else `shared` beside the repository."""
    named = os.environ.get("FLOODGATE_SHARED")
    return Path(named) if named else beside.resolve().parents[2] / "shared"


def _read(path: Path) -> Mapping[str, Suite]:
    try:
        data: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        return _File.model_validate(data).suites
    except OSError as error:
        raise FatalError(f"{path}: {error.strerror}; name the file of suites with --suites") from error
    except yaml.YAMLError as error:
        raise FatalError(f"{path}: is not valid YAML; correct it") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise FatalError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def _paths(path: Path, named: Sequence[str]) -> tuple[Path, ...]:
    shared = shared_folder(path)
    return tuple(
        shared / text.removeprefix(_SHARED).lstrip("/") if text.startswith(_SHARED) else path.parent / text
        for text in named
    )
