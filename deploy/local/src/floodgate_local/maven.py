"""Files of Maven repositories through jgo: its repositories, its layout, its dependency trees; our own transport.

jgo opens a connection per request and asks for a checksum file beside each file. Here connections are kept, and
what a file must look like is known from the lock: on two cores that is most of the time of a cold fetch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import requests
from jgo.config import GlobalSettings
from jgo.maven import Artifact, MavenContext, PythonResolver
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from floodgate_local.fetch import PARALLEL_DOWNLOADS, OnBytes
from floodgate_local.lockfile import Coordinate

_TIMEOUT_SECONDS: Final = 60
_BLOCK_BYTES: Final = 1 << 17
_NOT_THERE: Final = (403, 404)
# A busy repository says when to come back (429, 503 with Retry-After); connecting is tried again by the caller.
_RETRIES: Final = Retry(
    total=3, connect=0, read=0, backoff_factor=0.5, status_forcelist=(429, 502, 503, 504), raise_on_status=False
)


class JgoFetcher:
    """Fetches from the repositories that jgo is configured with (its default is Maven Central)."""

    def __init__(self) -> None:
        # An operator's own mirror in jgo's configuration comes before jgo's default.
        self._repositories: dict[str, str] = dict(GlobalSettings.load().repositories)
        self._session = requests.Session()
        adapter = HTTPAdapter(max_retries=_RETRIES, pool_maxsize=PARALLEL_DOWNLOADS)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def context(self, repo_cache: Path, on_bytes: OnBytes = lambda _count: None) -> MavenContext:
        """A Maven context that keeps its files below `repo_cache` and nowhere else."""
        resolver = _KeptConnections(self._session, on_bytes)
        context = MavenContext(resolver=resolver, repo_cache=repo_cache)
        defaults = {k: v for k, v in context.remote_repos.items() if k not in self._repositories}
        context.remote_repos = {**self._repositories, **defaults}
        return context

    def fetch(self, coordinate: Coordinate, into: Path, on_bytes: OnBytes) -> Path:
        """See `Fetcher`."""
        project = self.context(into, on_bytes).project(coordinate.group, coordinate.artifact)
        artifact = project.at_version(coordinate.version).artifact(
            classifier=coordinate.classifier, packaging=coordinate.packaging
        )
        return artifact.resolve()


class _KeptConnections(PythonResolver):
    """jgo's resolver with another transport."""

    def __init__(self, session: requests.Session, on_bytes: OnBytes) -> None:
        super().__init__()
        self._session = session
        self._on_bytes = on_bytes

    def download(self, artifact: Artifact) -> Path:
        """Download a file to where jgo looks for it.

        Raises:
            requests.RequestException: A repository cannot be reached or broke off.
            RuntimeError: No repository has the file.
            OSError: The file cannot be written.
        """
        target = artifact.cached_path
        if target is None:
            raise RuntimeError("the Maven context has no cache")
        for repository in artifact.context.remote_repos.values():
            address = f"{repository}/{artifact.component.path_prefix.as_posix()}/{artifact.filename}"
            with self._session.get(address, stream=True, timeout=_TIMEOUT_SECONDS) as response:
                if response.status_code in _NOT_THERE:
                    continue
                response.raise_for_status()
                target.parent.mkdir(parents=True, exist_ok=True)
                self._write(response, target)
                return target
        raise RuntimeError(f"no repository has {artifact}")

    def _write(self, response: requests.Response, target: Path) -> None:
        # Renamed when whole: jgo takes whatever lies at the target for the file.
        partial = target.with_name(target.name + ".part")
        with partial.open("wb") as stream:
            for block in response.iter_content(_BLOCK_BYTES):
                stream.write(block)
                self._on_bytes(len(block))
        partial.replace(target)
