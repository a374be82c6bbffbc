"""Published versions in S3: every object below one prefix of a bucket."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Final

import boto3
from botocore import exceptions
from botocore.config import Config

from floodgate.catalogue.blobs import Blob, ConflictError
from floodgate.s3 import MISSING, error_code, s3_errors

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PARALLEL: Final = 8
_CHANGED: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
_UNSUPPORTED: Final = frozenset({"NotImplemented", "501"})


def make_s3_client() -> S3Client:
    """S3's client, configured from the environment."""
    # Looked at every few seconds and in a thread: what hangs longer than this would hold up the end of a service.
    config = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 2}, max_pool_connections=PARALLEL)
    return boto3.client("s3", config=config)


class S3Blobs:
    """See `Blobs`; connects with its first call.

    Args:
        bucket: Name of the bucket, which has to exist.
        prefix: Folder in it, without slashes around it.
        client: Makes the client.
    """

    def __init__(self, bucket: str, prefix: str, client: Callable[[], S3Client] = make_s3_client) -> None:
        self._bucket = bucket
        self._folder = f"{prefix}/" if prefix else ""
        self._make_client = client
        self._made: S3Client | None = None

    @property
    def where(self) -> str:
        """See `Blobs.where`."""
        return f"s3://{self._bucket}/{self._folder}".rstrip("/")

    def read(self, name: str) -> Blob | None:
        """See `Blobs.read`."""
        with self._errors("reading", name):
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=self._folder + name)
                return Blob(answer["Body"].read(), answer["ETag"])
            except exceptions.ClientError as error:
                if error_code(error) in MISSING:
                    return None
                raise

    def write(self, name: str, body: bytes) -> None:
        """See `Blobs.write`."""
        with self._errors("writing", name):
            self._client.put_object(
                Bucket=self._bucket, Key=self._folder + name, Body=body, ContentType=_content_type(name)
            )

    def replace(self, name: str, body: bytes, expected: str | None) -> None:
        """See `Blobs.replace`. A store that knows no conditional writes is asked for the tag just before."""
        with self._errors("writing", name):
            try:
                self._put_if(name, body, expected)
                return
            except exceptions.ClientError as error:
                if error_code(error) in _CHANGED or (expected is not None and error_code(error) in MISSING):
                    raise self._conflict(name) from error
                if error_code(error) not in _UNSUPPORTED:
                    raise
        there = self.read(name)
        if (there.tag if there is not None else None) != expected:
            raise self._conflict(name)
        self.write(name, body)

    def names(self, folder: str) -> list[str]:
        """See `Blobs.names`."""
        with self._errors("listing", folder):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=f"{self._folder}{folder.rstrip('/')}/"
            )
            keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
        return sorted(key.removeprefix(self._folder) for key in keys)

    def _put_if(self, name: str, body: bytes, expected: str | None) -> None:
        key, kind = self._folder + name, _content_type(name)
        if expected is None:
            self._client.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType=kind, IfNoneMatch="*")
        else:
            self._client.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType=kind, IfMatch=expected)

    def _conflict(self, name: str) -> ConflictError:
        return ConflictError(f"{self.where}/{name} was changed meanwhile: look again before you repeat this")

    @property
    def _client(self) -> S3Client:
        if self._made is None:
            self._made = self._make_client()
        return self._made

    def _errors(self, doing: str, name: str) -> AbstractContextManager[None]:
        return s3_errors(f"{doing} {self.where}/{name}", no_bucket="create it or correct FLOODGATE_CATALOGUE_STORE")


def _content_type(name: str) -> str:
    if name.endswith(".json"):
        return "application/json"
    return "text/markdown; charset=utf-8" if name.endswith(".md") else "application/yaml"
