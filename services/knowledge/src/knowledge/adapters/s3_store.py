"""Versions of the content in S3: `<prefix>/<version>/…`, and `<prefix>/current.json` that names one of them."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import boto3
from botocore import exceptions
from botocore.config import Config
from floodgate.s3 import MISSING, error_code, s3_errors
from keyflow.errors import FatalError
from pydantic import ValidationError

from knowledge.domain.corpus import Corpus
from knowledge.domain.manifest import Manifest
from knowledge.ports import Vectors

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_CURRENT: Final = "current.json"
_MANIFEST: Final = "manifest.json"
_VECTORS: Final = "vectors.jsonl"
_DELETE_BATCH: Final = 1_000
_FLOAT_BYTES: Final = 4


def make_s3_client() -> S3Client:
    """S3's client, configured from the environment."""
    return boto3.client("s3", config=Config(connect_timeout=3, read_timeout=20, retries={"max_attempts": 4}))


class S3Store:
    """See `ContentStore`; connects with its first call.

    Args:
        bucket: Name of the bucket, which has to exist.
        prefix: Folder in it.
        client: Makes the client.
    """

    def __init__(self, bucket: str, prefix: str, client: Callable[[], S3Client] = make_s3_client) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._make_client = client
        self._made: S3Client | None = None

    def current(self) -> Manifest | None:
        """See `ContentStore.current`."""
        raw = self._get(_CURRENT)
        try:
            return Manifest.model_validate_json(raw) if raw is not None else None
        except ValidationError as error:
            where = f"s3://{self._bucket}/{self._prefix}/{_CURRENT}"
            raise FatalError(f"{where} is not a manifest: remove it and sync again") from error

    def vectors(self, manifest: Manifest) -> dict[str, list[float]]:
        """See `ContentStore.vectors`."""
        raw = self._get(f"{manifest.version}/{_VECTORS}") or b""
        entries = (json.loads(line) for line in raw.splitlines())
        return {entry["key"]: _unpack(entry["vector"]) for entry in entries}

    def publish(self, corpus: Corpus, manifest: Manifest, vectors: Vectors) -> int:
        """See `ContentStore.publish`. The manifest goes last, and then the pointer to it."""
        files = dict(_files(corpus, vectors))
        described = manifest.model_dump_json(indent=2).encode()
        for name, body in files.items():
            self._put(f"{manifest.version}/{name}", body)
        self._put(f"{manifest.version}/{_MANIFEST}", described)
        self._put(_CURRENT, described)
        return len(files) + 2

    def prune(self, keep: int) -> list[str]:
        """See `ContentStore.prune`; what never got a manifest goes too."""
        current = self.current()
        found = self._versions()
        newest = sorted((version for version in found if found[version]), key=lambda name: found[name])[-keep:]
        kept = {*newest, *([current.version] if current else [])}
        gone = sorted(found.keys() - kept)
        for version in gone:
            self._delete(self._keys(f"{version}/"))
        return gone

    def _versions(self) -> dict[str, str]:
        """When the manifest of each version was written; empty for a version without one."""
        found: dict[str, str] = {}
        for key, written in self._list(""):
            version, slash, name = key.removeprefix(f"{self._prefix}/").partition("/")
            if slash:
                found.setdefault(version, "")
                if name == _MANIFEST:
                    found[version] = written
        return found

    def _keys(self, folder: str) -> list[str]:
        return [key for key, _ in self._list(folder)]

    def _list(self, folder: str) -> Iterator[tuple[str, str]]:
        with self._errors("listing"):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=f"{self._prefix}/{folder}"
            )
            found = [
                (item["Key"], item["LastModified"].isoformat()) for page in pages for item in page.get("Contents", [])
            ]
        yield from found

    def _get(self, name: str) -> bytes | None:
        with self._errors("reading"):
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=f"{self._prefix}/{name}")
                return answer["Body"].read()
            except exceptions.ClientError as error:
                if error_code(error) in MISSING:
                    return None
                raise

    def _put(self, name: str, body: bytes) -> None:
        with self._errors("writing"):
            self._client.put_object(
                Bucket=self._bucket, Key=f"{self._prefix}/{name}", Body=body, ContentType=_content_type(name)
            )

    def _delete(self, keys: list[str]) -> None:
        for start in range(0, len(keys), _DELETE_BATCH):
            batch = keys[start : start + _DELETE_BATCH]
            with self._errors("removing old versions"):
                self._client.delete_objects(
                    Bucket=self._bucket, Delete={"Objects": [{"Key": key} for key in batch], "Quiet": True}
                )

    @property
    def _client(self) -> S3Client:
        if self._made is None:
            self._made = self._make_client()
        return self._made

    def _errors(self, doing: str) -> AbstractContextManager[None]:
        where = f"{doing} s3://{self._bucket}/{self._prefix}"
        return s3_errors(where, no_bucket="create it or set FLOODGATE_S3_BUCKET")


def _files(corpus: Corpus, vectors: Vectors) -> Iterator[tuple[str, bytes]]:
    for name in corpus.article_hashes:
        chunks = [chunk for chunk in corpus.chunks if f"{chunk.language}/{chunk.article_id}" == name]
        yield f"articles/{name}.json", _json([asdict(chunk) for chunk in chunks])
    yield "examples.jsonl", _lines(_json(asdict(example)) for example in corpus.examples)
    yield _VECTORS, _lines(_json({"key": key, "vector": _pack(vector)}) for key, vector in vectors.items())


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _lines(lines: Iterable[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def _pack(vector: Iterable[float]) -> str:
    """Four bytes per number, little-endian, as the index keeps them too."""
    numbers = list(vector)
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def _unpack(packed: str) -> list[float]:
    raw = base64.b64decode(packed)
    return list(struct.unpack(f"<{len(raw) // _FLOAT_BYTES}f", raw))


def _content_type(name: str) -> str:
    return "application/x-ndjson" if name.endswith(".jsonl") else "application/json"
