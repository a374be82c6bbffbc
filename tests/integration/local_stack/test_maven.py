"""Fetching over HTTP from a Maven repository that an operator configured in jgo, and all that it may do wrong."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from floodgate_local.errors import BrokenDownloadError, NetworkError
from floodgate_local.fetch import ArtifactStore
from floodgate_local.lockfile import Coordinate, LockedArtifact
from floodgate_local.maven import JgoFetcher
from floodgate_local.progress import SilentProgress

pytestmark = pytest.mark.integration

_CONTENT = b"the bytes of a jar" * 10_000


class Repository(ThreadingHTTPServer):
    """Serves one file at every path; how, is told by `behaviours`, one per request, the last for ever."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behaviours = ["serve"]
        self.paths: list[str] = []
        self.connections = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Repository

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_GET(self) -> None:
        self.server.paths.append(self.path)
        behaviours = self.server.behaviours
        behaviour = behaviours.pop(0) if len(behaviours) > 1 else behaviours[0]
        if behaviour in ("404", "503"):
            self.send_response(int(behaviour))
            self.send_header("Content-Length", "0")
            self.send_header("Retry-After", "0")
            self.end_headers()
            return
        content = _CONTENT[::-1] if behaviour == "changed" else _CONTENT
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if behaviour == "cut" else content)
        self.close_connection = behaviour == "cut"

    def log_message(self, format: str, *args: object) -> None:
        del format, args


@pytest.fixture
def repository() -> Iterator[Repository]:
    server = Repository()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: Repository) -> ArtifactStore:
    return _store(tmp_path, monkeypatch, repository.url)


def _store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> ArtifactStore:
    config = tmp_path / "jgo.conf"
    config.write_text(f"[repositories]\ncentral = {url}\n")
    monkeypatch.setenv("JGO_CONFIG_FILE", str(config))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return ArtifactStore(tmp_path / "cache", JgoFetcher())


def _file(name: str = "a") -> LockedArtifact:
    return LockedArtifact(Coordinate("g.h", name, "1"), hashlib.sha256(_CONTENT).hexdigest(), len(_CONTENT))


def _files_below(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_a_file_comes_from_the_configured_repository_in_one_request(
    store: ArtifactStore, repository: Repository
) -> None:
    store.ensure("kafka", [_file()], SilentProgress())
    assert repository.paths == ["/g/h/a/1/a-1.jar"]
    assert store.path(_file()).read_bytes() == _CONTENT


def test_connections_are_kept_between_files(store: ArtifactStore, repository: Repository, tmp_path: Path) -> None:
    del store  # It configured jgo.
    fetcher = JgoFetcher()
    for name in "abcdefgh":
        fetcher.fetch(Coordinate("g", name, "1"), tmp_path / "into", lambda _count: None)
    assert len(repository.paths) == 8
    assert repository.connections == 1


def test_a_busy_repository_is_asked_again(store: ArtifactStore, repository: Repository) -> None:
    repository.behaviours = ["503", "503", "serve"]
    store.ensure("kafka", [_file()], SilentProgress())
    assert store.has(_file())


def test_a_transfer_that_is_cut_once_is_repeated(store: ArtifactStore, repository: Repository) -> None:
    repository.behaviours = ["cut", "serve"]
    store.ensure("kafka", [_file()], SilentProgress())
    assert store.path(_file()).read_bytes() == _CONTENT


@pytest.mark.parametrize(
    ("behaviour", "expected", "line"),
    [
        ("cut", BrokenDownloadError, r"The download of g\.h:a:1 broke off → run the command again"),
        ("changed", BrokenDownloadError, r"g\.h:a:1 is not the file of the lock"),
        ("503", NetworkError, r"g\.h:a:1 cannot be fetched \(HTTP 503\) → check the network"),
    ],
)
def test_what_a_repository_does_wrong_is_one_line_and_leaves_nothing(
    store: ArtifactStore,
    repository: Repository,
    tmp_path: Path,
    behaviour: str,
    expected: type[Exception],
    line: str,
) -> None:
    repository.behaviours = [behaviour]
    with pytest.raises(expected, match=line) as caught:
        store.ensure("kafka", [_file()], SilentProgress())
    assert "\n" not in str(caught.value)
    assert _files_below(tmp_path) == []


def test_a_repository_that_cannot_be_reached_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        store = _store(tmp_path, monkeypatch, f"http://127.0.0.1:{closed.getsockname()[1]}")
        with pytest.raises(NetworkError, match=r"g\.h:a:1 cannot be fetched \(ConnectionError\) → check the network"):
            store.ensure("kafka", [_file()], SilentProgress())
    assert _files_below(tmp_path) == []
