"""Where published versions are kept: a few named blobs, one of which is replaced by compare-and-swap."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from keyflow.errors import FatalError

_LOCK: Final = ".lock"


class Blob(NamedTuple):
    """What is kept under a name; `tag` changes with every replacement."""

    body: bytes
    tag: str


class ConflictError(FatalError):
    """Somebody else replaced the blob meanwhile; nothing was written."""


class Blobs(Protocol):
    """A store. Names use forward slashes."""

    @property
    def where(self) -> str:
        """What people call it."""
        ...

    def read(self, name: str) -> Blob | None:
        """The blob; None when there is none.

        Raises:
            KeyflowError: The store cannot be read.
        """
        ...

    def write(self, name: str, body: bytes) -> None:
        """Keep a blob that nobody changes any more; writing the same again changes nothing.

        Raises:
            KeyflowError: The store cannot be written.
        """
        ...

    def replace(self, name: str, body: bytes, expected: str | None) -> None:
        """Keep a blob if it still has the tag `expected`; None: if it is not there yet.

        Raises:
            ConflictError: It has not.
            KeyflowError: The store cannot be written.
        """
        ...

    def names(self, folder: str) -> list[str]:
        """The names below a folder, in order.

        Raises:
            KeyflowError: The store cannot be read.
        """
        ...


class DirectoryBlobs:
    """A folder: for tests and for sites on one machine or on a shared file system.

    Args:
        root: The folder; made with the first write.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def where(self) -> str:
        """See `Blobs.where`."""
        return str(self._root)

    def read(self, name: str) -> Blob | None:
        """See `Blobs.read`."""
        try:
            body = (self._root / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise FatalError(f"reading {self._root / name}: {error.strerror}") from error
        return Blob(body, _tag(body))

    def write(self, name: str, body: bytes) -> None:
        """See `Blobs.write`: whoever reads sees all of it or nothing."""
        path = self._root / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            Path(file.name).chmod(0o644)
            Path(file.name).replace(path)
        except OSError as error:
            raise FatalError(f"writing {path}: {error.strerror}") from error

    def replace(self, name: str, body: bytes, expected: str | None) -> None:
        """See `Blobs.replace`."""
        with self._locked():
            there = self.read(name)
            if (there.tag if there is not None else None) != expected:
                raise ConflictError(f"{self._root / name} was changed meanwhile: look again before you repeat this")
            self.write(name, body)

    def names(self, folder: str) -> list[str]:
        """See `Blobs.names`."""
        found = (self._root / folder).rglob("*")
        return sorted(
            path.relative_to(self._root).as_posix()
            for path in found
            if path.is_file() and not path.name.startswith(".")
        )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            with (self._root / _LOCK).open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise FatalError(f"writing {self._root}: {error.strerror}") from error


def _tag(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
