"""Where batch jobs read and write: the S3 of the environment, reached on first use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import boto3
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class StorageError(Exception):
    """S3 does not give or take an object; the message names which."""


class Storage(Protocol):
    """What a job needs of S3."""

    def keys(self, bucket: str, prefix: str) -> list[str]:
        """The keys below a prefix, in order; the prefix itself where it is an object's key."""
        ...

    def read(self, bucket: str, key: str) -> bytes:
        """An object's bytes."""
        ...

    def write(self, bucket: str, key: str, data: bytes) -> None:
        """Puts an object."""
        ...


class S3Storage:
    """S3 by the environment's endpoint and credentials."""

    def keys(self, bucket: str, prefix: str) -> list[str]:
        """See `Storage`."""
        with _errors(bucket, prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
            return [found["Key"] for page in pages for found in page.get("Contents", ())]

    def read(self, bucket: str, key: str) -> bytes:
        """See `Storage`."""
        with _errors(bucket, key):
            return self._client.get_object(Bucket=bucket, Key=key)["Body"].read()

    def write(self, bucket: str, key: str, data: bytes) -> None:
        """See `Storage`."""
        with _errors(bucket, key):
            self._client.put_object(Bucket=bucket, Key=key, Body=data)

    @cached_property
    def _client(self) -> S3Client:
        return boto3.session.Session().client("s3")


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of `s3://bucket/key`."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


@contextmanager
def _errors(bucket: str, key: str) -> Iterator[None]:
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise StorageError(f"s3://{bucket}/{key}: {type(error).__name__}") from error
