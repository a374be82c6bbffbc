"""Fetching: verified, whole or not at all, each failure one line with its remedy."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest
import requests
from floodgate_local.errors import BrokenDownloadError, DiskError, LimitError, NetworkError, StackError
from floodgate_local.fetch import ArtifactStore


def leftovers(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


@pytest.fixture
def store(tmp_path: Path, repository: Any) -> ArtifactStore:
    return ArtifactStore(tmp_path, repository)


def test_what_is_missing_is_fetched_once(store: ArtifactStore, repository: Any, progress: Any) -> None:
    files = [repository.add(f"g:a{n}:1", b"x" * (n + 1)) for n in range(20)]
    store.ensure("kafka", files, progress)
    store.ensure("kafka", files, progress)
    assert sorted(repository.fetched) == sorted(file.coordinate for file in files)
    assert [store.path(file).read_bytes() for file in files] == [b"x" * (n + 1) for n in range(20)]


def test_only_a_changed_file_is_fetched_again(store: ArtifactStore, repository: Any, progress: Any) -> None:
    kept, old = repository.add("g:kept:1", b"kept"), repository.add("g:a:1", b"old")
    store.ensure("kafka", [kept, old], progress)
    new = repository.add("g:a:1", b"new bytes")
    repository.fetched.clear()
    store.ensure("kafka", [kept, new], progress)
    assert repository.fetched == [new.coordinate]
    assert store.path(new).read_bytes() == b"new bytes"


def test_progress_counts_bytes_and_ends_at_the_total(store: ArtifactStore, repository: Any, progress: Any) -> None:
    files = [repository.add("g:a:1", b"12345678"), repository.add("g:b:1", b"1234")]
    store.ensure("kafka", files, progress)
    told = progress.bytes_by_component["kafka"]
    assert told[-1] == (12, 12)
    assert all(total == 12 and 0 <= done <= 12 for done, total in told)


def test_a_download_with_another_hash_is_refused_and_leaves_nothing(
    store: ArtifactStore, repository: Any, progress: Any, tmp_path: Path
) -> None:
    file = repository.add("g:a:1", b"right")
    repository.replace(file, b"wrong")
    with pytest.raises(BrokenDownloadError, match=r"g:a:1 is not the file of the lock"):
        store.ensure("kafka", [file], progress)
    assert leftovers(tmp_path) == []


def test_a_download_that_ends_early_is_refused_and_leaves_nothing(
    store: ArtifactStore, repository: Any, progress: Any, tmp_path: Path
) -> None:
    file = repository.add("g:a:1", b"the whole file")
    repository.replace(file, b"the wh")
    with pytest.raises(BrokenDownloadError, match=r"broken off .*6 bytes, expected 14.*run the command again"):
        store.ensure("kafka", [file], progress)
    assert leftovers(tmp_path) == []


def test_a_download_that_breaks_off_once_is_tried_again(store: ArtifactStore, repository: Any, progress: Any) -> None:
    file = repository.add("g:a:1", b"the whole file")
    repository.fail(file, requests.exceptions.ChunkedEncodingError("broken"))
    store.ensure("kafka", [file], progress)
    assert store.path(file).read_bytes() == b"the whole file"
    assert progress.bytes_by_component["kafka"][-1] == (14, 14)


@pytest.mark.parametrize(
    ("failure", "expected", "line"),
    [
        (requests.exceptions.ConnectionError("dns"), NetworkError, "g:a:1 cannot be fetched .*check the network"),
        (requests.exceptions.ReadTimeout("slow"), NetworkError, "g:a:1 cannot be fetched .*check the network"),
        (requests.exceptions.ChunkedEncodingError("cut"), BrokenDownloadError, "g:a:1 broke off → run"),
        (RuntimeError("not found in remote repositories"), NetworkError, "No Maven repository in reach has g:a:1"),
        (OSError(errno.ENOSPC, "No space left on device"), DiskError, "is full → free some space"),
        (OSError(errno.EMFILE, "Too many open files"), LimitError, "ulimit -n 65536"),
        (OSError(errno.EROFS, "Read-only file system"), DiskError, "not writable"),
    ],
)
def test_each_failure_is_one_line_and_leaves_nothing_half_installed(
    store: ArtifactStore,
    repository: Any,
    progress: Any,
    tmp_path: Path,
    failure: BaseException,
    expected: type[StackError],
    line: str,
) -> None:
    file = repository.add("g:a:1", b"the whole file")
    repository.fail(file, failure, failure, failure)
    with pytest.raises(expected, match=line) as caught:
        store.ensure("kafka", [file], progress)
    assert "\n" not in str(caught.value)
    assert leftovers(tmp_path) == []


def test_what_arrived_whole_before_a_failure_is_not_fetched_again(
    store: ArtifactStore, repository: Any, progress: Any
) -> None:
    whole, broken = repository.add("g:whole:1", b"x" * 100), repository.add("g:broken:1", b"y")
    store.ensure("kafka", [whole], progress)
    repository.fail(broken, OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(DiskError):
        store.ensure("kafka", [whole, broken], progress)
    repository.fetched.clear()
    store.ensure("kafka", [whole, broken], progress)
    assert repository.fetched == [broken.coordinate]


def test_a_full_disk_is_not_tried_again(store: ArtifactStore, repository: Any, progress: Any) -> None:
    file = repository.add("g:a:1", b"file")
    repository.fail(file, OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(DiskError):
        store.ensure("kafka", [file], progress)
    assert len(repository.fetched) == 1


def test_the_other_downloads_break_off_after_a_failure(
    store: ArtifactStore, repository: Any, progress: Any, tmp_path: Path
) -> None:
    files = [repository.add(f"g:a{n}:1", b"xyz") for n in range(200)]
    repository.fail(files[0], OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(DiskError):
        store.ensure("kafka", files, progress)
    assert all(store.has(file) or not store.path(file).exists() for file in files)
    assert not list((tmp_path / "tmp").iterdir())


def test_an_interrupt_leaves_nothing_half_installed(
    store: ArtifactStore, repository: Any, progress: Any, tmp_path: Path
) -> None:
    file = repository.add("g:a:1", b"the whole file")
    repository.fail(file, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        store.ensure("kafka", [file], progress)
    assert leftovers(tmp_path) == []
