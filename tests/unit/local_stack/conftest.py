"""A Maven repository in memory, whose network and disk can fail."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from floodgate_local.fetch import OnBytes
from floodgate_local.lockfile import Coordinate, LockedArtifact

Failure = Callable[[Coordinate, Path], None]


class FakeRepository:
    """A `Fetcher` that serves bytes from memory and fails on demand."""

    def __init__(self) -> None:
        self._files: dict[Coordinate, bytes] = {}
        self._failures: dict[Coordinate, list[Failure]] = {}
        self._lock = threading.Lock()
        self.fetched: list[Coordinate] = []

    def add(self, coordinate: str, content: bytes) -> LockedArtifact:
        """Publish a file and return the row that a lock has for it."""
        parsed = Coordinate.parse(coordinate)
        self._files[parsed] = content
        return LockedArtifact(parsed, hashlib.sha256(content).hexdigest(), len(content))

    def replace(self, file: LockedArtifact, content: bytes) -> None:
        """Serve other bytes than those of the lock."""
        self._files[file.coordinate] = content

    def fail(self, file: LockedArtifact, *errors: BaseException) -> None:
        """Raise these errors, one per attempt, after half of the bytes was written."""
        self._failures[file.coordinate] = [_raising(error) for error in errors]

    def fetch(self, coordinate: Coordinate, into: Path, on_bytes: OnBytes) -> Path:
        """See `Fetcher`."""
        with self._lock:
            self.fetched.append(coordinate)
            failures = self._failures.get(coordinate)
            failure = failures.pop(0) if failures else None
        content = self._files[coordinate]
        half = len(content) // 2
        path = into / coordinate.filename
        path.write_bytes(content[:half])
        on_bytes(half)
        if failure is not None:
            failure(coordinate, path)
        path.write_bytes(content)
        on_bytes(len(content) - half)
        return path


def _raising(error: BaseException) -> Failure:
    def fail(_coordinate: Coordinate, _path: Path) -> None:
        raise error

    return fail


class RecordingProgress:
    """Keeps what was told."""

    def __init__(self) -> None:
        self.bytes_by_component: dict[str, list[tuple[int, int]]] = {}
        self.notes: list[str] = []

    def live(self) -> RecordingProgress:
        """See `StackProgress`."""
        return self

    def __enter__(self) -> RecordingProgress:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def fetched(self, component: str, done_bytes: int, total_bytes: int) -> None:
        """See `StackProgress`."""
        self.bytes_by_component.setdefault(component, []).append((done_bytes, total_bytes))

    def starting(self, component: str) -> None:
        """See `StackProgress`."""
        self.notes.append(f"{component} starting")

    def ready(self, component: str, seconds: float) -> None:
        """See `StackProgress`."""
        del seconds
        self.notes.append(f"{component} ready")

    def note(self, text: str) -> None:
        """See `StackProgress`."""
        self.notes.append(text)


def _archive(**files: bytes) -> bytes:
    """A `tar.gz` with these files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def repository() -> FakeRepository:
    return FakeRepository()


@pytest.fixture
def progress() -> RecordingProgress:
    return RecordingProgress()


@pytest.fixture
def archive() -> Callable[..., bytes]:
    return _archive
