"""Where a backfill's documents are: a folder of files, or a prefix in S3."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Final

from keyflow.errors import FatalError

from ingest.adapters.s3_objects import S3Objects
from ingest.backfill import Document
from ingest.domain.lines import Line
from ingest.domain.s3_notices import S3Object
from ingest.files import FileBatches

_ENDINGS: Final = (".jsonl", ".jsonl.gz", ".json", ".json.gz", ".ndjson", ".ndjson.gz")


class Folder:
    """The files of a folder and of those below it, or one file.

    Args:
        path: Which.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    async def documents(self) -> list[Document]:
        """See `Source`.

        Raises:
            FatalError: It is not there.
        """
        if self._path.is_file():
            return [Document(f"file:{self._path.name}", self._path.stat().st_size)]
        if not self._path.is_dir():
            raise FatalError(f"{self._path}: there is no such folder")
        found = sorted(path for path in self._path.rglob("*") if path.is_file() and path.name.endswith(_ENDINGS))
        return [Document(f"file:{path.relative_to(self._path).as_posix()}", path.stat().st_size) for path in found]

    async def batches(self, document: Document) -> AsyncGenerator[Sequence[Line], None]:
        """See `Source`."""
        async for lines in FileBatches(self._file(document), None, lambda _: None).batches():
            yield lines

    def _file(self, document: Document) -> Path:
        name = document.name.removeprefix("file:")
        return self._path if self._path.is_file() else self._path / name


class Bucket:
    """The objects below a prefix.

    Args:
        objects: Reads them.
        target: Bucket and prefix.
    """

    def __init__(self, objects: S3Objects, target: S3Object) -> None:
        self._objects = objects
        self._target = target

    async def documents(self) -> list[Document]:
        """See `Source`."""
        return [
            Document(found.uri, size)
            async for found, size in self._objects.sized_keys(self._target)
            if not found.key.endswith("/")
        ]

    async def batches(self, document: Document) -> AsyncGenerator[Sequence[Line], None]:
        """See `Source`."""
        async for lines in self._objects.batches(self._object(document)):
            yield lines

    def _object(self, document: Document) -> S3Object:
        return S3Object(self._target.bucket, document.name.removeprefix(f"s3://{self._target.bucket}/"))
