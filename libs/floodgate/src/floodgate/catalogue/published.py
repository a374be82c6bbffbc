"""Published versions of the catalogue: immutable, named by their content, and one of them active.

Below a store: `versions/<version>/<file>` as in the working folder, `versions/<version>/manifest.json` written last,
and `current.json`, which names the active version and what was active before. Nobody can see half a version: it counts
from its manifest on, it is read only when `current.json` names it, and its bytes have to give its name.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Final, Literal, TypeVar

from keyflow.errors import FatalError
from pydantic import BaseModel, ConfigDict, ValidationError

from floodgate.catalogue.blobs import Blobs
from floodgate.catalogue.loader import load_files
from floodgate.catalogue.models import Catalogue
from floodgate.catalogue.source import is_catalogue_file, version_of

T = TypeVar("T")

HISTORY_LENGTH: Final = 100
"""What `current.json` tells of the past, so that services may read it every few seconds; the audit keeps all."""
_CURRENT: Final = "current.json"
_MANIFEST: Final = "manifest.json"
_VERSIONS: Final = "versions"
_PARALLEL: Final = 8
_VERSION: Final = re.compile(r"[0-9a-f]{12}")


class NoSuchVersionError(FatalError):
    """The store holds no such version, or not all of it."""


class Record(BaseModel):
    """Immutable, and tolerant of members that a newer Floodgate wrote."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Activation(Record):
    """That a version became the active one."""

    version: str
    action: Literal["publish", "rollback"]
    at: datetime
    actor: str
    reason: str = ""
    previous: str | None = None


class Pointer(Record):
    """Which version is active, and how it came to that; the newest first."""

    version: str
    history: tuple[Activation, ...]

    @property
    def latest(self) -> Activation:
        """What made the active version active."""
        return self.history[0]


class Manifest(Record):
    """What a version consists of: SHA-256 by file."""

    version: str
    published_at: datetime
    actor: str
    reason: str = ""
    files: Mapping[str, str]


class PublishedCatalogue:
    """The versions in a store. Blocking: services call it in a thread.

    Args:
        blobs: The store.
    """

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    @property
    def where(self) -> str:
        """What people call the store."""
        return self._blobs.where

    def pointer(self) -> Pointer | None:
        """What is active; None before anything was published.

        Raises:
            KeyflowError: The store cannot be read, or the record is not what it should be.
        """
        return self._pointer()[0]

    def manifests(self) -> list[Manifest]:
        """Every version that is complete, the newest first.

        Raises:
            KeyflowError: The store cannot be read.
        """
        names = [name for name in self._blobs.names(_VERSIONS) if name.endswith(f"/{_MANIFEST}")]
        found = [manifest for manifest in _in_parallel(self._manifest_at, names) if manifest is not None]
        return sorted(found, key=lambda manifest: manifest.published_at, reverse=True)

    def resolve(self, beginning: str) -> str:
        """The version whose name begins so.

        Raises:
            NoSuchVersionError: There is none, or more than one.
            KeyflowError: The store cannot be read.
        """
        if _VERSION.fullmatch(beginning):
            return beginning
        found = [manifest.version for manifest in self.manifests() if manifest.version.startswith(beginning)]
        if len(found) != 1:
            what = "no version begins" if not found else f"{len(found)} versions begin"
            raise NoSuchVersionError(
                f"{self.where}: {what} with {beginning!r}; `floodgate catalogue versions` lists them"
            )
        return found[0]

    def files(self, version: str) -> dict[str, bytes]:
        """The files of a version, checked against its name.

        Raises:
            NoSuchVersionError: It is not there, or not all of it.
            KeyflowError: The store cannot be read.
        """
        manifest = self._manifest_at(f"{_VERSIONS}/{version}/{_MANIFEST}") if _VERSION.fullmatch(version) else None
        if manifest is None:
            raise NoSuchVersionError(f"{self.where} holds no version {version}: `floodgate catalogue versions`")
        names = [name for name in manifest.files if is_catalogue_file(name)]
        blobs = _in_parallel(self._blobs.read, [f"{_VERSIONS}/{version}/{name}" for name in names])
        found = {name: blob.body for name, blob in zip(names, blobs, strict=True) if blob is not None}
        if version_of(found) != version:
            raise NoSuchVersionError(
                f"{self.where}: the files of version {version} do not give its name: they were changed or are missing "
                "(or a newer Floodgate published them); publish it again"
            )
        return found

    def load(self, version: str) -> Catalogue:
        """A version, checked as a whole.

        Raises:
            NoSuchVersionError: It is not there, or not all of it.
            CatalogueError: It cannot be used.
            KeyflowError: The store cannot be read.
        """
        return load_files(self.files(version))

    def add(self, files: Mapping[str, bytes], *, actor: str, reason: str, at: datetime) -> Manifest:
        """Keep a version; changes nothing where it is there already.

        Raises:
            KeyflowError: The store cannot be written.
        """
        version = version_of(files)
        known = self._manifest_at(f"{_VERSIONS}/{version}/{_MANIFEST}")
        if known is not None and self._is_whole(version):
            return known
        manifest = Manifest(
            version=version,
            published_at=at,
            actor=actor,
            reason=reason,
            files={name: hashlib.sha256(body).hexdigest() for name, body in files.items()},
        )
        _in_parallel(lambda name: self._blobs.write(f"{_VERSIONS}/{version}/{name}", files[name]), list(files))
        self._blobs.write(f"{_VERSIONS}/{version}/{_MANIFEST}", manifest.model_dump_json(indent=2).encode())
        return manifest

    def activate(
        self, version: str, *, action: Literal["publish", "rollback"], actor: str, reason: str, at: datetime
    ) -> Activation:
        """Make a version the active one. Its files have to be there.

        Raises:
            ConflictError: Somebody else did so at the same time; nothing changed.
            KeyflowError: The store cannot be written.
        """
        pointer, tag = self._pointer()
        activation = Activation(
            version=version,
            action=action,
            at=at,
            actor=actor,
            reason=reason,
            previous=pointer.version if pointer is not None else None,
        )
        before = pointer.history if pointer is not None else ()
        following = Pointer(version=version, history=(activation, *before)[:HISTORY_LENGTH])
        self._blobs.replace(_CURRENT, following.model_dump_json(indent=2).encode(), tag)
        return activation

    def before(self, pointer: Pointer) -> str | None:
        """The version to go back to: what the active one replaced when it was published."""
        for entry in pointer.history:
            if entry.action == "publish" and entry.version == pointer.version and entry.previous != pointer.version:
                return entry.previous
        return None

    def _pointer(self) -> tuple[Pointer | None, str | None]:
        blob = self._blobs.read(_CURRENT)
        if blob is None:
            return None, None
        try:
            pointer = Pointer.model_validate_json(blob.body)
        except ValidationError as error:
            raise FatalError(f"{self.where}/{_CURRENT} is not a record of versions: restore or remove it") from error
        if not pointer.history or not _VERSION.fullmatch(pointer.version):
            raise FatalError(f"{self.where}/{_CURRENT} names no version: restore or remove it")
        return pointer, blob.tag

    def _manifest_at(self, name: str) -> Manifest | None:
        blob = self._blobs.read(name)
        try:
            return Manifest.model_validate_json(blob.body) if blob is not None else None
        except ValidationError as error:
            raise FatalError(f"{self.where}/{name} is not a manifest: publish that version again") from error

    def _is_whole(self, version: str) -> bool:
        try:
            return bool(self.files(version))
        except NoSuchVersionError:
            return False


def _in_parallel(do: Callable[[str], T], names: Sequence[str]) -> list[T]:
    """The results in order; the first error, after which nothing more is begun."""
    threads = ThreadPoolExecutor(_PARALLEL, thread_name_prefix="catalogue")
    try:
        return list(threads.map(do, names))
    finally:
        threads.shutdown(cancel_futures=True)
