"""The lock of the JVM parts: coordinates with size and SHA-256, grouped by where they are installed.

The file is TOML. Each table is a folder of the installation (`kafka/libs`, `opensearch/modules/lang-painless`),
each key a Maven coordinate `group:artifact:version[:packaging[:classifier]]`.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from floodgate_local.errors import LockfileError

LOCK_VERSION: Final = 1
_REMEDY: Final = "restore deploy/local/jvm.lock, or write it anew with `floodgate stack lock`"
_HEADER: Final = """\
# The JVM parts of the local stack: Maven coordinates with size and SHA-256, by installation folder.
# Written by `floodgate stack lock`; do not edit by hand.
"""


@dataclass(frozen=True, order=True)
class Coordinate:
    """One file of a Maven repository."""

    group: str
    artifact: str
    version: str
    packaging: str = "jar"
    classifier: str = ""

    @classmethod
    def parse(cls, text: str) -> Coordinate:
        """Read `group:artifact:version[:packaging[:classifier]]`.

        Raises:
            ValueError: The text has another shape.
        """
        parts = text.split(":")
        if not 3 <= len(parts) <= 5 or not all(parts):
            raise ValueError(f"not a Maven coordinate: {text!r}")
        return cls(*parts)

    def __str__(self) -> str:
        text = f"{self.group}:{self.artifact}:{self.version}"
        if self.classifier:
            return f"{text}:{self.packaging}:{self.classifier}"
        return text if self.packaging == "jar" else f"{text}:{self.packaging}"

    @property
    def filename(self) -> str:
        """The file's name in a Maven repository."""
        classifier = f"-{self.classifier}" if self.classifier else ""
        return f"{self.artifact}-{self.version}{classifier}.{self.packaging}"


@dataclass(frozen=True, order=True)
class LockedArtifact:
    """One file, with what it must look like."""

    coordinate: Coordinate
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class Lock:
    """Every file of the JVM components, by the folder it is installed in."""

    roots_digest: str
    folders: dict[str, tuple[LockedArtifact, ...]]

    def component(self, name: str) -> dict[str, tuple[LockedArtifact, ...]]:
        """The folders of one component, without the component's own name in front."""
        prefix = f"{name}/"
        return {
            folder.removeprefix(prefix): files for folder, files in self.folders.items() if folder.startswith(prefix)
        }

    def artifacts(self, components: Iterable[str]) -> Iterator[LockedArtifact]:
        """Every distinct file that the components need."""
        seen: set[str] = set()
        for name in components:
            for files in self.component(name).values():
                for file in files:
                    if file.sha256 not in seen:
                        seen.add(file.sha256)
                        yield file


def lock_path() -> Path:
    """Where the lock lies: `FLOODGATE_JVM_LOCK`, else `jvm.lock` beside the sources of this distribution."""
    override = os.environ.get("FLOODGATE_JVM_LOCK")
    return Path(override) if override else Path(__file__).resolve().parents[2] / "jvm.lock"


def read_lock(path: Path) -> Lock:
    """Read and check the lock.

    Raises:
        LockfileError: The file is missing, not TOML, or misses a field.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        if document["version"] != LOCK_VERSION:
            raise LockfileError(f"{path} has version {document['version']}, not {LOCK_VERSION}", _REMEDY)
        folders = {folder: _read_folder(table) for folder, table in document.get("folders", {}).items()}
        return Lock(roots_digest=str(document["roots"]), folders=folders)
    except FileNotFoundError:
        raise LockfileError(f"{path} is missing", _REMEDY) from None
    except (tomllib.TOMLDecodeError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise LockfileError(f"{path} cannot be read ({error!r})", _REMEDY) from None


def _read_folder(table: dict[str, dict[str, object]]) -> tuple[LockedArtifact, ...]:
    return tuple(
        LockedArtifact(Coordinate.parse(key), str(row["sha256"]), int(str(row["size_bytes"])))
        for key, row in table.items()
    )


def render_lock(lock: Lock) -> str:
    """The lock as text, in an order that does not depend on how it was resolved."""
    lines = [_HEADER, f"version = {LOCK_VERSION}", f'roots = "{lock.roots_digest}"']
    for folder in sorted(lock.folders):
        lines += ["", f'[folders."{folder}"]']
        lines += [
            f'"{file.coordinate}" = {{ sha256 = "{file.sha256}", size_bytes = {file.size_bytes} }}'
            for file in sorted(lock.folders[folder])
        ]
    return "\n".join(lines) + "\n"
