"""Writing the lock anew: resolve the declared parts through jgo, fetch every file, record size and SHA-256."""

from __future__ import annotations

import logging
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import requests

from floodgate_local.errors import NetworkError
from floodgate_local.fetch import PARALLEL_DOWNLOADS, sha256_of
from floodgate_local.lockfile import Coordinate, Lock, LockedArtifact
from floodgate_local.maven import JgoFetcher
from floodgate_local.parts import EXCLUDED_ARTIFACTS, PARTS, Part, roots_digest
from floodgate_local.progress import StackProgress


def resolve_lock(progress: StackProgress) -> Lock:
    """Resolve and hash every declared part.

    Raises:
        NetworkError: A part cannot be resolved or fetched.
    """
    logging.getLogger("jgo").setLevel(logging.ERROR)
    fetcher = JgoFetcher()
    with tempfile.TemporaryDirectory(prefix="floodgate-lock-") as folder:
        context = fetcher.context(Path(folder))
        try:
            resolved: dict[str, list[Coordinate]] = {}
            for part in PARTS:
                progress.note(f"resolving {part.folder}")
                resolved[part.folder] = _resolve_part(context, part, resolved)
            return _hash_all(context, resolved, progress)
        except (requests.RequestException, RuntimeError) as error:
            raise NetworkError(
                f"The JVM parts cannot be resolved ({error})", "check the network, then run the command again"
            ) from error


def _resolve_part(context: Any, part: Part, resolved: dict[str, list[Coordinate]]) -> list[Coordinate]:
    roots = [Coordinate.parse(root) for root in part.roots]
    files = list(roots) if not part.transitive else _tree(context, part.roots)
    hidden = {(file.group, file.artifact, file.classifier) for folder in part.without for file in resolved[folder]}
    return sorted(
        {
            file
            for file in files
            if (file.group, file.artifact, file.classifier) not in hidden and file.artifact not in EXCLUDED_ARTIFACTS
        }
    )


def _tree(context: Any, roots: tuple[str, ...]) -> list[Coordinate]:
    inputs, transitive = context.resolver.resolve([context.create_dependency(root) for root in roots])
    return [
        Coordinate(d.groupId, d.artifactId, d.version, d.type or "jar", d.classifier or "")
        for d in [*inputs, *transitive]
    ]


def _hash_all(context: Any, resolved: dict[str, list[Coordinate]], progress: StackProgress) -> Lock:
    distinct = sorted({file for files in resolved.values() for file in files})
    progress.note(f"hashing {len(distinct)} files")

    def hashed(file: Coordinate) -> LockedArtifact:
        component = context.project(file.group, file.artifact).at_version(file.version)
        path = Path(component.artifact(classifier=file.classifier, packaging=file.packaging).resolve())
        return LockedArtifact(file, sha256_of(path), path.stat().st_size)

    with ThreadPoolExecutor(PARALLEL_DOWNLOADS) as pool:
        locked = dict(zip(distinct, pool.map(hashed, distinct), strict=True))
    folders = {folder: tuple(locked[file] for file in files) for folder, files in resolved.items()}
    return Lock(roots_digest=roots_digest(), folders=folders)
