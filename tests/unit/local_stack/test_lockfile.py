"""The lock of the JVM parts: its text, its errors, and the one in the repository."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from floodgate_local.errors import LockfileError
from floodgate_local.lockfile import (
    Coordinate,
    Lock,
    LockedArtifact,
    lock_path,
    read_lock,
    render_lock,
)
from floodgate_local.parts import OPENSEARCH_MODULES, PARTS, roots_digest
from hypothesis import given
from hypothesis import strategies as st

_name = st.text("abcxyz019.-", min_size=1, max_size=8)
_coordinates = st.builds(
    Coordinate, _name, _name, _name, st.sampled_from(["jar", "zip", "tar.gz"]), st.just("") | _name
)
_artifacts = st.builds(
    LockedArtifact, _coordinates, st.text("0123456789abcdef", min_size=64, max_size=64), st.integers(0, 10**10)
)


@given(_coordinates)
def test_a_coordinate_reads_back_from_its_text(coordinate: Coordinate) -> None:
    assert Coordinate.parse(str(coordinate)) == coordinate


@pytest.mark.parametrize("text", ["", "a:b", "a::1", "a:b:1:jar:x:y", ":b:1"])
def test_text_of_another_shape_is_no_coordinate(text: str) -> None:
    with pytest.raises(ValueError, match="not a Maven coordinate"):
        Coordinate.parse(text)


def test_a_file_is_named_as_in_a_maven_repository() -> None:
    assert Coordinate.parse("g.h:a:1.2").filename == "a-1.2.jar"
    assert Coordinate.parse("g.h:a:1.2:tar.gz:all").filename == "a-1.2-all.tar.gz"


@given(st.dictionaries(_name, st.lists(_artifacts, max_size=4, unique_by=lambda a: str(a.coordinate))))
def test_a_lock_reads_back_from_its_text(
    tmp_path_factory: pytest.TempPathFactory, folders: dict[str, list[LockedArtifact]]
) -> None:
    lock = Lock("0123", {name: tuple(sorted(files)) for name, files in folders.items()})
    path = tmp_path_factory.mktemp("lock") / "jvm.lock"
    path.write_text(render_lock(lock))
    assert read_lock(path) == lock


def test_the_text_does_not_depend_on_the_order_of_resolution() -> None:
    one = LockedArtifact(Coordinate("g", "a", "1"), "0" * 64, 1)
    two = LockedArtifact(Coordinate("g", "b", "1"), "1" * 64, 2)
    assert render_lock(Lock("x", {"p": (one, two), "q": ()})) == render_lock(Lock("x", {"q": (), "p": (two, one)}))


@pytest.mark.parametrize(
    "text",
    ["not toml [", "version = 1", "version = 2", 'version = 1\nroots="x"\n[folders.f]\n"a:b:1" = 3'],
)
def test_an_unreadable_lock_is_one_line_with_the_remedy(tmp_path: Path, text: str) -> None:
    path = tmp_path / "jvm.lock"
    path.write_text(text)
    with pytest.raises(LockfileError, match=r"jvm\.lock.*floodgate stack lock") as caught:
        read_lock(path)
    assert "\n" not in str(caught.value)


def test_a_missing_lock_is_one_line_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(LockfileError, match=r"missing → .*floodgate stack lock"):
        read_lock(tmp_path / "jvm.lock")


def test_a_component_has_its_own_folders_without_its_name() -> None:
    file = LockedArtifact(Coordinate("g", "a", "1"), "0" * 64, 1)
    lock = Lock("x", {"kafka/libs": (file,), "kafkaesque/libs": (file,)})
    assert lock.component("kafka") == {"libs": (file,)}


class TestTheLockInTheRepository:
    lock = read_lock(lock_path())

    def test_fits_the_declared_parts(self) -> None:
        assert self.lock.roots_digest == roots_digest()
        assert set(self.lock.folders) == {part.folder for part in PARTS}

    def test_has_a_sha_256_and_a_size_for_every_file(self) -> None:
        files = [file for files in self.lock.folders.values() for file in files]
        assert len(files) > 100
        for file in files:
            assert re.fullmatch(r"[0-9a-f]{64}", file.sha256), file
            assert file.size_bytes > 0, file

    def test_names_no_address_of_a_repository(self) -> None:
        assert "://" not in lock_path().read_text()

    def test_has_no_class_path_entry_twice(self) -> None:
        """A module sees OpenSearch's `lib`; the same artifact in both stops OpenSearch ("jar hell")."""
        lib = {
            (file.coordinate.group, file.coordinate.artifact)
            for folder in ("opensearch/lib", "opensearch/lib-gaps")
            for file in self.lock.folders[folder]
        }
        for module in OPENSEARCH_MODULES:
            files = self.lock.folders[f"opensearch/modules/{module.name}"]
            assert files, module
            assert not {(f.coordinate.group, f.coordinate.artifact) for f in files} & lib, module

    def test_has_no_file_for_one_platform_alone(self) -> None:
        names = [file.coordinate.filename for files in self.lock.folders.values() for file in files]
        assert not [name for name in names if re.search(r"x86_64|aarch|windows|osx", name)]
