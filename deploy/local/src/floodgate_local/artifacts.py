"""The cache of what is fetched: files, and homes assembled from them once, whole or not at all."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from floodgate_nlu.encoder import MODEL as ENCODER_MODEL

from floodgate_local import encoder_home, kafka_home, opensearch_home
from floodgate_local.errors import DiskError, LockfileError, explain_os_error
from floodgate_local.fetch import ArtifactStore, Fetcher
from floodgate_local.lockfile import Lock, LockedArtifact, lock_path, read_lock
from floodgate_local.maven import JgoFetcher
from floodgate_local.parts import roots_digest
from floodgate_local.progress import StackProgress
from floodgate_local.state import locked

JVM_COMPONENTS: Final = ("kafka", "apicurio", "opensearch")
#: The sentence encoder: files and no server.
ENCODER: Final = "encoder"
HOMES: Final = (*JVM_COMPONENTS, ENCODER)

# Raised when what is made of the same files changes, so that older homes are not taken for newer ones.
_ASSEMBLY_VERSION: Final = 3
_ARCHIVES: Final = ("tar.gz", "zip")
# What turns the files of the lock into a home.
_FINISH: Final = {
    "kafka": kafka_home.finish_home,
    "opensearch": opensearch_home.finish_home,
    ENCODER: encoder_home.finish_home,
}
# Archives are there twice while they are unpacked; jars are linked, not copied.
_SPACE_FACTOR: Final = 2.2


def cache_dir() -> Path:
    """`FLOODGATE_CACHE`, else `floodgate` in the user's cache folder."""
    override = os.environ.get("FLOODGATE_CACHE")
    if override:
        return Path(override).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache").absolute() / "floodgate"


class Homes:
    """The installed homes of the JVM components and of the sentence encoder.

    Args:
        root: The cache folder.
        lock: What the homes are made of.
        fetcher: Where missing files come from.
    """

    def __init__(self, root: Path, lock: Lock, fetcher: Fetcher) -> None:
        self._root = root
        self._lock = lock
        self._store = ArtifactStore(root, fetcher)

    @classmethod
    def default(cls) -> Homes:
        """The user's cache, this checkout's lock, jgo's repositories.

        Raises:
            LockfileError: The lock cannot be read or does not fit the declared parts.
        """
        path = lock_path()
        lock = read_lock(path)
        if lock.roots_digest != roots_digest():
            raise LockfileError(f"{path} does not fit the declared parts", "run `floodgate stack lock`")
        return cls(cache_dir(), lock, JgoFetcher())

    def path(self, component: str) -> Path:
        """Where the component's home lies, named by a digest of all that it is made of.

        The encoder lies where `floodgate_nlu` looks for it, named by its model.
        """
        if component == ENCODER:
            return self._root / "nlu" / ENCODER_MODEL
        digest = hashlib.sha256(str(_ASSEMBLY_VERSION).encode())
        for folder, files in sorted(self._lock.component(component).items()):
            digest.update(f"{folder}={[file.sha256 for file in sorted(files)]}".encode())
        if component == "opensearch":
            digest.update(opensearch_home.POLISH_SOURCE.read_bytes())
        return self._root / "homes" / f"{component}-{digest.hexdigest()[:16]}"

    def ensure(self, components: Sequence[str], progress: StackProgress) -> None:
        """Fetch and assemble the homes that are not there.

        Raises:
            StackError: A file cannot be fetched, verified or written; nothing is left half-installed.
        """
        if all(self.path(name).is_dir() for name in components):
            return
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            waiting = "waiting for another command that is fetching the JVM parts"
            with locked(self._root / "lock", lambda: progress.note(waiting)):
                self._remove_leftovers()
                missing = [name for name in components if not self.path(name).is_dir()]
                self._check_space(missing)
                for name in missing:
                    self._store.ensure(name, list(self._lock.artifacts([name])), progress)
                    self._assemble(name, progress)
        except OSError as error:
            raise explain_os_error(error, self._root) from error

    def _remove_leftovers(self) -> None:
        """Remove what an interrupted run left; the lock is held, so nobody is using it."""
        shutil.rmtree(self._root / "tmp", ignore_errors=True)

    def _check_space(self, components: Sequence[str]) -> None:
        missing = [file for file in self._lock.artifacts(components) if not self._store.has(file)]
        needed_bytes = int(sum(file.size_bytes for file in missing) * _SPACE_FACTOR)
        free_bytes = shutil.disk_usage(self._root).free
        if free_bytes < needed_bytes:
            raise DiskError(
                f"The disk that holds {self._root} has {free_bytes / 1e6:.0f} MB free, "
                f"the JVM parts need {needed_bytes / 1e6:.0f} MB",
                "free some space there, or point FLOODGATE_CACHE at a larger disk; nothing was installed",
            )

    def _assemble(self, component: str, progress: StackProgress) -> None:
        home = self.path(component)
        temporary = self._root / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        home.parent.mkdir(parents=True, exist_ok=True)
        progress.note(f"{component} assembling")
        building = Path(tempfile.mkdtemp(prefix=f"{component}-", dir=temporary))
        try:
            building.chmod(0o755)
            self._fill(component, building)
            building.rename(home)
        finally:
            shutil.rmtree(building, ignore_errors=True)
        self._drop_archives(component)

    def _fill(self, component: str, building: Path) -> None:
        for folder, files in self._lock.component(component).items():
            (building / folder).mkdir(parents=True)
            for file in files:
                _link_or_unpack(self._store.path(file), file, building / folder)
        if component in _FINISH:
            _FINISH[component](building)

    def _drop_archives(self, component: str) -> None:
        """An archive is of no use once it is unpacked; linked jars cost nothing."""
        for file in self._lock.artifacts([component]):
            if file.coordinate.packaging in _ARCHIVES or component == ENCODER:
                shutil.rmtree(self._store.path(file).parent, ignore_errors=True)


def _link_or_unpack(source: Path, file: LockedArtifact, folder: Path) -> None:
    if file.coordinate.packaging == "tar.gz":
        with tarfile.open(source) as archive:
            # The first releases of Python 3.11 have no filters; the archive is the verified one either way.
            if hasattr(tarfile, "data_filter"):
                archive.extraction_filter = tarfile.data_filter
            archive.extractall(folder)  # noqa: S202 - verified against the lock
        return
    target = folder / file.coordinate.filename
    try:
        target.hardlink_to(source)
    except OSError:
        # Some file systems have no hard links.
        shutil.copyfile(source, target)
