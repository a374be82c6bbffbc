"""A copy of the checkout in which a new service is made, with an environment in which its own code runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
_LEFT_OUT: Final = (".venv", ".git", ".floodgate", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache")
ENOUGH: Final = (
    "Makefile",
    "pyproject.toml",
    "schemas",
    "services/delivery",
    "deploy/images/locks",
    "deploy/observability",
    "libs/floodgate/src/floodgate/events",
)
"""What `new-service` itself needs."""


@dataclass(frozen=True)
class Copy:
    """A copied checkout."""

    root: Path

    def run(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """`python …` at its root, with its own packages before the installed ones."""
        rooms = [*sorted(self.root.glob("*/*/src")), self.root / "eval" / "src"]
        path = os.pathsep.join(map(str, rooms))
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.root,
            env={**os.environ, "PYTHONPATH": path, "MYPYPATH": path, "PYTHONDONTWRITEBYTECODE": "1", **env},
            capture_output=True,
            text=True,
            check=False,
        )


def copy_checkout(target: Path, parts: Iterable[str] = ("",)) -> Copy:
    """Copies the checkout, or the named parts of it."""
    for part in parts:
        source, place = ROOT / part, target / part
        place.parent.mkdir(parents=True, exist_ok=True)
        if source.is_file():
            shutil.copy2(source, place)
        else:
            shutil.copytree(source, place, ignore=shutil.ignore_patterns(*_LEFT_OUT), dirs_exist_ok=True)
    return Copy(target)
