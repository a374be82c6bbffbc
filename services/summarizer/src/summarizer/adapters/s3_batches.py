"""Inputs, outputs and marks of batch inference jobs in S3."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config
from floodgate.s3 import s3_errors

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_CONFIG: Final = Config(connect_timeout=5, read_timeout=60, retries={"mode": "standard", "max_attempts": 3})
_NO_BUCKET: Final = "set FLOODGATE_SUMMARIZER_BATCH_S3_URI to one that exists"


class S3Batches:
    """Below one folder: `input/` what is asked, `output/` what Bedrock answers, `done/` what was delivered.

    Connects on the first call. Every call blocks and raises what `s3_errors` does.

    Args:
        uri: s3://bucket/prefix; the topic's id comes below it, so that another topic's offsets are not taken for ours.
        topic_id: Asks for Kafka's id of the topic that the records come from.
    """

    def __init__(self, uri: str, topic_id: Callable[[], str]) -> None:
        self._bucket, _, self._prefix = uri.removeprefix("s3://").rstrip("/").partition("/")
        self._topic_id = topic_id

    @property
    def where(self) -> str:
        """The folder's address."""
        return f"s3://{self._bucket}/{self._folder}"

    @property
    def output_uri(self) -> str:
        """Where jobs write."""
        return f"{self.where}/output/"

    def input_uri(self, name: str) -> str:
        """Where a job reads."""
        return f"{self.where}/input/{name}"

    def names(self) -> list[str]:
        """The names of all inputs, in order."""
        return self._names("input")

    def open_names(self) -> list[str]:
        """Those of which nothing was delivered yet."""
        return sorted(set(self._names("input")) - set(self._names("done")))

    def write(self, name: str, data: bytes, asked_by: Mapping[str, str]) -> None:
        """Puts an input; `asked_by` says which model and which versions ask."""
        with self._errors(f"input/{name}"):
            self._s3.put_object(Bucket=self._bucket, Key=self._key("input", name), Body=data, Metadata=dict(asked_by))

    def asked_by(self, name: str) -> dict[str, str]:
        """What was written with an input."""
        with self._errors(f"input/{name}"):
            return dict(self._s3.head_object(Bucket=self._bucket, Key=self._key("input", name))["Metadata"])

    def output(self, job_id: str, name: str) -> bytes:
        """What a job wrote; nothing where it wrote nothing."""
        key = self._key("output", f"{job_id}/{name}.out")
        with self._errors(key):
            found = self._s3.list_objects_v2(Bucket=self._bucket, Prefix=key).get("Contents", [])
            if not found:
                return b""
            return self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()

    def mark_done(self, name: str, what: Mapping[str, Any]) -> None:
        """Notes that the answers of an input are on their topic."""
        with self._errors(f"done/{name}"):
            self._s3.put_object(Bucket=self._bucket, Key=self._key("done", name), Body=json.dumps(what).encode())

    def _names(self, folder: str) -> list[str]:
        prefix = self._key(folder, "")
        with self._errors(folder):
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
            return [found["Key"].removeprefix(prefix) for page in pages for found in page.get("Contents", ())]

    def _key(self, folder: str, name: str) -> str:
        return f"{self._folder}/{folder}/{name}"

    def _errors(self, what: str) -> Any:
        return s3_errors(f"batch inference in {self.where}/{what}", no_bucket=_NO_BUCKET)

    @cached_property
    def _folder(self) -> str:
        return f"{self._prefix}/{self._topic_id()}".lstrip("/")

    @cached_property
    def _s3(self) -> S3Client:
        return boto3.session.Session().client("s3", config=_CONFIG)
