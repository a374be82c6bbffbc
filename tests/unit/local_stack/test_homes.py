"""Homes of the JVM components: assembled once, whole or not at all, under a name that says what is in them."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import Any

import pytest
from floodgate_local import artifacts
from floodgate_local.artifacts import Homes, cache_dir
from floodgate_local.errors import BrokenDownloadError, DiskError
from floodgate_local.lockfile import Lock


@pytest.fixture(autouse=True)
def no_jvm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Homes here are of a few bytes; what a JVM does with real ones is for the integration tests."""
    monkeypatch.setattr(artifacts, "_FINISH", {})


def lock_of(**folders: Any) -> Lock:
    return Lock("x", {name.replace("__", "/"): tuple(files) for name, files in folders.items()})


def test_jars_and_an_unpacked_archive_make_a_home(tmp_path: Path, repository: Any, progress: Any, archive: Any) -> None:
    jar = repository.add("g:a:1", b"jar")
    tar = repository.add("g:b:1:tar.gz:all", archive(**{"app/run.jar": b"run"}))
    homes = Homes(tmp_path, lock_of(kafka__libs=[jar], apicurio__dist=[tar]), repository)
    homes.ensure(["kafka", "apicurio"], progress)
    assert (homes.path("kafka") / "libs" / "a-1.jar").read_bytes() == b"jar"
    assert (homes.path("apicurio") / "dist" / "app" / "run.jar").read_bytes() == b"run"


def test_a_home_that_is_there_needs_no_network(tmp_path: Path, repository: Any, progress: Any) -> None:
    homes = Homes(tmp_path, lock_of(kafka__libs=[repository.add("g:a:1", b"jar")]), repository)
    homes.ensure(["kafka"], progress)
    shutil.rmtree(tmp_path / "artifacts")
    repository.fetched.clear()
    homes.ensure(["kafka"], progress)
    assert repository.fetched == []


def test_an_archive_does_not_stay_beside_what_was_unpacked(
    tmp_path: Path, repository: Any, progress: Any, archive: Any
) -> None:
    tar = repository.add("g:b:1:tar.gz", archive(run=b"run"))
    Homes(tmp_path, lock_of(apicurio__dist=[tar]), repository).ensure(["apicurio"], progress)
    assert not list(tmp_path.rglob("*.tar.gz"))


def test_another_lock_is_another_home(tmp_path: Path, repository: Any, progress: Any) -> None:
    old = Homes(tmp_path, lock_of(kafka__libs=[repository.add("g:a:1", b"old")]), repository)
    old.ensure(["kafka"], progress)
    new = Homes(tmp_path, lock_of(kafka__libs=[repository.add("g:a:2", b"new")]), repository)
    new.ensure(["kafka"], progress)
    assert old.path("kafka") != new.path("kafka")
    assert (old.path("kafka") / "libs" / "a-1.jar").exists()


def test_the_name_of_a_home_does_not_depend_on_the_order_of_the_lock(tmp_path: Path, repository: Any) -> None:
    one, two = repository.add("g:a:1", b"1"), repository.add("g:b:1", b"2")
    paths = {
        Homes(tmp_path, lock_of(kafka__libs=order), repository).path("kafka") for order in ([one, two], [two, one])
    }
    assert len(paths) == 1


def test_a_disk_that_fills_while_unpacking_leaves_no_home(
    tmp_path: Path, repository: Any, progress: Any, archive: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tar = repository.add("g:b:1:tar.gz", archive(run=b"run"))
    homes = Homes(tmp_path, lock_of(apicurio__dist=[tar]), repository)

    def fill(_source: Path, _file: object, folder: Path) -> None:
        (folder / "half").write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(artifacts, "_link_or_unpack", fill)
        with pytest.raises(DiskError, match=r"is full → free some space.*nothing was left half-installed"):
            homes.ensure(["apicurio"], progress)
    assert not homes.path("apicurio").exists()
    assert not list((tmp_path / "tmp").iterdir())
    homes.ensure(["apicurio"], progress)
    assert (homes.path("apicurio") / "dist" / "run").read_bytes() == b"run"


def test_too_little_space_is_told_before_anything_is_fetched(
    tmp_path: Path, repository: Any, progress: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    homes = Homes(tmp_path, lock_of(kafka__libs=[repository.add("g:a:1", b"x" * 3_000_000)]), repository)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: shutil._ntuple_diskusage(0, 0, 1_000_000))
    with pytest.raises(DiskError, match=r"has 1 MB free, the JVM parts need 7 MB → .*FLOODGATE_CACHE"):
        homes.ensure(["kafka"], progress)
    assert repository.fetched == []


def test_a_broken_download_leaves_no_home(tmp_path: Path, repository: Any, progress: Any) -> None:
    file = repository.add("g:a:1", b"right")
    repository.replace(file, b"wrong")
    homes = Homes(tmp_path, lock_of(kafka__libs=[file]), repository)
    with pytest.raises(BrokenDownloadError):
        homes.ensure(["kafka"], progress)
    assert not homes.path("kafka").exists()


def test_what_an_interrupted_command_left_is_removed(tmp_path: Path, repository: Any, progress: Any) -> None:
    (tmp_path / "tmp" / "kafka-dead").mkdir(parents=True)
    (tmp_path / "tmp" / "kafka-dead" / "half.jar").write_bytes(b"half")
    homes = Homes(tmp_path, lock_of(kafka__libs=[repository.add("g:a:1", b"jar")]), repository)
    homes.ensure(["kafka"], progress)
    assert not (tmp_path / "tmp" / "kafka-dead").exists()


def test_a_file_system_without_hard_links_gets_copies(
    tmp_path: Path, repository: Any, progress: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_self: Path, _target: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    homes = Homes(tmp_path, lock_of(kafka__libs=[repository.add("g:a:1", b"jar")]), repository)
    homes.ensure(["kafka"], progress)
    assert (homes.path("kafka") / "libs" / "a-1.jar").read_bytes() == b"jar"


def test_a_cache_below_a_file_is_one_line_with_the_remedy(tmp_path: Path, repository: Any, progress: Any) -> None:
    (tmp_path / "file").write_text("")
    homes = Homes(tmp_path / "file" / "cache", lock_of(kafka__libs=[repository.add("g:a:1", b"jar")]), repository)
    with pytest.raises(DiskError) as caught:
        homes.ensure(["kafka"], progress)
    assert "\n" not in str(caught.value)


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("FLOODGATE_CACHE", raising=False)
    assert cache_dir() == tmp_path / "home" / ".cache" / "floodgate"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_dir() == tmp_path / "xdg" / "floodgate"
    monkeypatch.setenv("FLOODGATE_CACHE", str(tmp_path / "own"))
    assert cache_dir() == tmp_path / "own"
    assert list(tmp_path.iterdir()) == []
