"""Objects of lines or rows in S3 from which a person's lines are taken, in every version that the bucket keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import boto3
from botocore.config import Config
from keyflow.errors import FatalError

from floodgate.erasing.lines import Names, by_id, is_empty, named, without
from floodgate.erasing.planning import Place, Sought
from floodgate.s3 import s3_errors

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_CONFIG: Final = Config(connect_timeout=5, read_timeout=60, retries={"mode": "standard", "max_attempts": 3})


@dataclass(frozen=True, slots=True)
class _Version:
    key: str
    id: str
    latest: bool


class S3Lines:
    """A folder of a bucket. Connects on the first call.

    Args:
        name: What people call it.
        uri: s3://bucket/prefix.
        names: Whether a line names the person.
        moved: Where a rewritten object goes, by its key; by default it stays where it is. For folders whose new
            objects are read: there it would be taken in again.
        skipped: Objects that must not change now, and why; they are reported only.
    """

    def __init__(
        self,
        name: str,
        uri: str,
        *,
        names: Names = by_id,
        moved: Callable[[str], str] = str,
        skipped: Callable[[str], str] = lambda key: "",
    ) -> None:
        self.name = name
        self._bucket, _, self._prefix = uri.removeprefix("s3://").partition("/")
        self._names = names
        self._moved = moved
        self._skipped = skipped

    def look(self, sought: Sought) -> Sequence[Place]:
        """One place for each object that has such lines; its note says which."""
        found = []
        for version in self._versions():
            numbers = self._numbers(version, sought)
            if numbers:
                note = self._skipped(version.key) or f"lines {', '.join(map(str, numbers[:10]))}"
                older = "" if version.latest else f" (version {version.id})"
                found.append(Place(f"s3://{self._bucket}/{version.key}{older}", len(numbers), None, note))
        return found

    def erase(self, sought: Sought) -> None:
        """Rewrites the newest versions without those lines and removes older ones that have any."""
        for version in list(self._versions()):
            if self._skipped(version.key) or not self._numbers(version, sought):
                continue
            if version.latest:
                self._rewrite(version, sought)
            self._delete(version)

    def object_keys(self) -> set[str]:
        """Of all objects."""
        return {version.key for version in self._versions()}

    def _rewrite(self, version: _Version, sought: Sought) -> None:
        data = self._body(version)
        kept, to = without(data, sought, self._names), self._moved(version.key)
        if to != version.key and is_empty(kept):
            return
        with self._errors(to):
            self._s3.put_object(Bucket=self._bucket, Key=to, Body=kept)

    def _delete(self, version: _Version) -> None:
        """By its id: in a bucket without versions a rewritten object has the same one, and is the new one."""
        if version.id == "null" and version.latest and self._moved(version.key) == version.key:
            return
        with self._errors(version.key):
            self._s3.delete_object(Bucket=self._bucket, Key=version.key, VersionId=version.id)

    def _versions(self) -> Iterator[_Version]:
        with self._errors(self._prefix):
            pages = self._s3.get_paginator("list_object_versions").paginate(Bucket=self._bucket, Prefix=self._prefix)
            for page in pages:
                for found in page.get("Versions", ()):
                    yield _Version(found["Key"], found["VersionId"], found["IsLatest"])

    def _numbers(self, version: _Version, sought: Sought) -> list[int]:
        try:
            return list(named(self._body(version), sought, self._names))
        except FatalError as error:
            raise FatalError(f"s3://{self._bucket}/{version.key}: {error}") from error

    def _body(self, version: _Version) -> bytes:
        with self._errors(version.key):
            found = self._s3.get_object(Bucket=self._bucket, Key=version.key, VersionId=version.id)
            return found["Body"].read()

    def _errors(self, what: str) -> AbstractContextManager[None]:
        return s3_errors(f"s3://{self._bucket}/{what}", no_bucket="check the setting that names it")

    @cached_property
    def _s3(self) -> S3Client:
        return boto3.session.Session().client("s3", config=_CONFIG)
