"""Objects in S3, read as a stream of lines: memory is bounded by a batch, whatever an object's length."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Protocol, cast

import boto3

from ingest.adapters.aws import CONFIG, Threads, UnreadableObjectError, aws_errors
from ingest.domain.lines import MAX_LINE_BYTES, Line
from ingest.domain.s3_notices import S3Object

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_GZIP_MAGIC: Final = b"\x1f\x8b"
_BATCH_LINES: Final = 200
_BATCH_BYTES: Final = 4 * 1024 * 1024
_BUFFER_BYTES: Final = 256 * 1024


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Raw(io.RawIOBase):
    """Lets Python's buffered readers read a botocore body."""

    def __init__(self, body: _Readable) -> None:
        self._body = body

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._body.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def open_text(body: _Readable) -> BinaryIO:
    """The document behind a body, unpacked when it is gzip (told by its first bytes, not by its name)."""
    buffered = io.BufferedReader(_Raw(body), _BUFFER_BYTES)
    if buffered.peek(2)[:2] == _GZIP_MAGIC:
        # Without a larger buffer around it: what that had read would be lost where the data turn out damaged.
        return cast(BinaryIO, gzip.GzipFile(fileobj=buffered))
    return cast(BinaryIO, buffered)


class LineReader:
    """Reads a document's lines in batches; blank lines are counted and left out."""

    def __init__(self, document: BinaryIO) -> None:
        self._document = document
        self._damage: Exception | None = None
        self.number = 0

    def batch(self) -> list[Line]:
        """The next lines; none at the end.

        Raises:
            UnreadableObjectError: The rest cannot be unpacked.
        """
        lines: list[Line] = []
        length = 0
        try:
            while self._damage is None and len(lines) < _BATCH_LINES and length < _BATCH_BYTES:
                line = self._line()
                if line is None:
                    break
                if line.data.strip():
                    lines.append(line)
                    length += len(line.data)
        except (gzip.BadGzipFile, zlib.error, EOFError) as error:
            # The lines before the damage count; the next call tells of it.
            self._damage = error
        if self._damage is not None and not lines:
            kind = type(self._damage).__name__
            raise UnreadableObjectError(f"the gzip data is damaged after line {self.number} ({kind})")
        return lines

    def _line(self) -> Line | None:
        data = self._document.readline(MAX_LINE_BYTES + 1)
        if not data:
            return None
        self.number += 1
        if len(data) <= MAX_LINE_BYTES or data.endswith(b"\n"):
            return Line(self.number, data.rstrip(b"\r\n"))
        while True:
            rest = self._document.readline(_BUFFER_BYTES)
            if not rest or rest.endswith(b"\n"):
                return Line(self.number, data[:MAX_LINE_BYTES], is_cut=True)


class S3Objects:
    """Reads and lists objects. Connects on the first call."""

    def __init__(self, threads: Threads, make_client: Callable[[], S3Client] | None = None) -> None:
        self._threads = threads
        self._make_client = make_client or (lambda: boto3.client("s3", config=CONFIG))
        self._client: S3Client | None = None

    async def batches(self, target: S3Object) -> AsyncIterator[Sequence[Line]]:
        """The lines of an object, batch after batch.

        Raises:
            UnreadableObjectError: The object, or the rest of it, cannot be read.
            RetryableError: S3 could not be read now; begin again.
            FatalError: Credentials are wrong.
        """
        reader = await self._threads.call(lambda: self._open(target))
        while lines := await self._threads.call(lambda: self._next(reader, target)):
            yield lines

    async def keys(self, target: S3Object) -> AsyncIterator[S3Object]:
        """The objects whose key begins with the target's, in order."""
        async for found, _ in self.sized_keys(target):
            yield found

    async def sized_keys(self, target: S3Object) -> AsyncIterator[tuple[S3Object, int]]:
        """The same with their sizes in bytes."""
        token = ""
        while True:
            found, token = await self._threads.call(partial(self._page, target, token))
            for key, size_bytes in found:
                yield S3Object(target.bucket, key), size_bytes
            if not token:
                return

    def _page(self, target: S3Object, token: str) -> tuple[list[tuple[str, int]], str]:
        more: dict[str, Any] = {"ContinuationToken": token} if token else {}
        with aws_errors(f"S3 ListObjectsV2 s3://{target.bucket}", reads_object=True):
            page = self._s3().list_objects_v2(Bucket=target.bucket, Prefix=target.key, **more)
        return [(item["Key"], item.get("Size", 0)) for item in page.get("Contents", [])], page.get(
            "NextContinuationToken", ""
        )

    def _open(self, target: S3Object) -> LineReader:
        with aws_errors(f"S3 GetObject {target.uri}", reads_object=True):
            body = self._s3().get_object(Bucket=target.bucket, Key=target.key)["Body"]
            return LineReader(open_text(cast(_Readable, body)))

    def _next(self, reader: LineReader, target: S3Object) -> list[Line]:
        with aws_errors(f"S3 GetObject {target.uri}", reads_object=True):
            return reader.batch()

    def _s3(self) -> S3Client:
        if self._client is None:
            self._client = self._make_client()
        return self._client
