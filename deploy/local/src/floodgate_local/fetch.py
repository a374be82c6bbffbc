"""Fetching locked files into the cache: in parallel, checked, and whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import shutil
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Final, Protocol

import requests

from floodgate_local.errors import BrokenDownloadError, NetworkError, StackError, explain_os_error
from floodgate_local.lockfile import Coordinate, LockedArtifact
from floodgate_local.progress import StackProgress

# Most files are small, so that the time goes into round trips and not into bandwidth.
PARALLEL_DOWNLOADS: Final = 12
_ATTEMPTS: Final = 3
_HASH_BLOCK_BYTES: Final = 1 << 20

OnBytes = Callable[[int], None]


class Fetcher(Protocol):
    """Brings one file of a Maven repository into a folder."""

    def fetch(self, coordinate: Coordinate, into: Path, on_bytes: OnBytes) -> Path:
        """Download the file below `into` and return its path.

        Raises:
            requests.RequestException: The repository cannot be reached or broke off.
            RuntimeError: No repository has the file.
            OSError: The file cannot be written.
        """
        ...


class ArtifactStore:
    """The verified files, each below its own SHA-256, so that a changed lock never meets an old file."""

    def __init__(self, root: Path, fetcher: Fetcher) -> None:
        self._root = root
        self._fetcher = fetcher

    def path(self, file: LockedArtifact) -> Path:
        """Where the file lies once it is there."""
        return self._root / "artifacts" / file.sha256 / file.coordinate.filename

    def has(self, file: LockedArtifact) -> bool:
        """Whether the whole file is there (it was verified before it was put there)."""
        path = self.path(file)
        return path.is_file() and path.stat().st_size == file.size_bytes

    def ensure(self, component: str, files: Sequence[LockedArtifact], progress: StackProgress) -> None:
        """Fetch what is missing.

        Raises:
            StackError: A file cannot be fetched, verified or written. What arrived whole stays for the next time.
        """
        missing = [file for file in files if not self.has(file)]
        if not missing:
            return
        stop = threading.Event()
        tally = _Tally(component, sum(file.size_bytes for file in missing), progress, stop)
        # Largest first: the last worker then waits for a small file.
        missing.sort(key=lambda file: -file.size_bytes)
        with ThreadPoolExecutor(PARALLEL_DOWNLOADS, thread_name_prefix="fetch") as pool:
            futures = [pool.submit(self._fetch_one, file, tally, stop) for file in missing]
            _raise_first(futures, pool, stop)
        tally.finish()

    def _fetch_one(self, file: LockedArtifact, tally: _Tally, stop: threading.Event) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            if stop.is_set():
                return
            try:
                self._install(file, tally)
            except _StoppedError:
                return
            except (BrokenDownloadError, NetworkError):
                if attempt == _ATTEMPTS:
                    raise
            else:
                return

    def _install(self, file: LockedArtifact, tally: _Tally) -> None:
        counted = tally.file()
        temporary = self._root / "tmp"
        try:
            temporary.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix="fetch-", dir=temporary))
        except OSError as error:
            raise explain_os_error(error, self._root) from error
        try:
            downloaded = self._fetcher.fetch(file.coordinate, folder, counted.add)
            verify(downloaded, file)
            target = self.path(file)
            target.parent.mkdir(parents=True, exist_ok=True)
            downloaded.chmod(0o644)
            downloaded.replace(target)
        except BaseException as error:
            counted.undo()
            explained = _explain(error, file.coordinate, self._root)
            if explained is error:
                raise
            raise explained from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def verify(path: Path, file: LockedArtifact) -> None:
    """Compare a file with the lock.

    Raises:
        BrokenDownloadError: Size or hash differ.
    """
    size_bytes = path.stat().st_size
    if size_bytes == file.size_bytes and sha256_of(path) == file.sha256:
        return
    what = "is not the file of the lock" if size_bytes == file.size_bytes else "is broken off or another file"
    raise BrokenDownloadError(
        f"The download of {file.coordinate} {what} ({size_bytes} bytes, expected {file.size_bytes})",
        "run the command again; if it stays so, a proxy or mirror on the way changes the file. Nothing was installed",
    )


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_HASH_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


class _StoppedError(Exception):
    """Another download failed or the operator interrupted: there is no use in going on with this one."""


class _Tally:
    """Adds up the bytes of all downloads of a component, and breaks them off when they are to stop."""

    def __init__(self, component: str, total_bytes: int, progress: StackProgress, stop: threading.Event) -> None:
        self._stop = stop
        self._component = component
        self._total_bytes = total_bytes
        self._done_bytes = 0
        self._progress = progress
        self._lock = threading.Lock()

    def file(self) -> _FileTally:
        return _FileTally(self)

    def add(self, count: int) -> None:
        if count > 0 and self._stop.is_set():
            raise _StoppedError
        with self._lock:
            self._done_bytes += count
            # The end is told by `finish`, once everything is verified.
            if self._done_bytes < self._total_bytes:
                self._progress.fetched(self._component, max(self._done_bytes, 0), self._total_bytes)

    def finish(self) -> None:
        self._progress.fetched(self._component, self._total_bytes, self._total_bytes)


class _FileTally:
    """The bytes of one download, taken back when it has to be repeated."""

    def __init__(self, tally: _Tally) -> None:
        self._tally = tally
        self._count = 0

    def add(self, count: int) -> None:
        self._count += count
        self._tally.add(count)

    def undo(self) -> None:
        self._tally.add(-self._count)
        self._count = 0


def _raise_first(futures: list[Future[None]], pool: ThreadPoolExecutor, stop: threading.Event) -> None:
    """Wait for all; on the first failure or an interrupt, drop what has not begun and raise it."""
    try:
        done, _ = wait(futures, return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()
    except BaseException:
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)
        raise


def _explain(error: BaseException, coordinate: Coordinate, place: Path) -> BaseException:
    if isinstance(error, StackError | KeyboardInterrupt | _StoppedError):
        return error
    # requests wraps a full disk and its own I/O errors alike in OSError subclasses: look at the cause first.
    if isinstance(error, requests.exceptions.ChunkedEncodingError | requests.exceptions.ContentDecodingError):
        return BrokenDownloadError(
            f"The download of {coordinate} broke off", "run the command again; nothing was installed"
        )
    if isinstance(error, requests.RequestException):
        status = f"HTTP {error.response.status_code}" if error.response is not None else type(error).__name__
        return NetworkError(
            f"{coordinate} cannot be fetched ({status})",
            "check the network (and HTTPS_PROXY, if there is a proxy), then run the command again",
        )
    if isinstance(error, OSError) and error.errno not in (None, errno.ENOENT):
        return explain_os_error(error, place)
    if isinstance(error, RuntimeError):
        return NetworkError(
            f"No Maven repository in reach has {coordinate}",
            "check the network and the repositories in jgo's configuration, then run the command again",
        )
    return error
