"""Documents under a prefix in S3, and what each source gave last."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from botocore import exceptions
from floodgate.catalogue import KnowledgeSource
from floodgate.s3 import MISSING, error_code, s3_errors
from keyflow.errors import KeyflowError
from pydantic import ValidationError

from knowledge.adapters.file_documents import file_document, readable
from knowledge.adapters.s3_store import make_s3_client
from knowledge.domain.documents import Document, Pulled, Refused, allowed
from knowledge.ports_sources import SourceError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectTypeDef


class S3Source:
    """See `Reader`: objects under `s3://bucket/prefix`."""

    def __init__(self, client: Callable[[], S3Client] = make_s3_client) -> None:
        self._make_client = client

    def read(self, source: KnowledgeSource) -> Iterator[Document | Refused]:
        """See `Reader.read`."""
        bucket, _, prefix = source.location.removeprefix("s3://").partition("/")
        with _source_errors(source.location):
            client = self._make_client()
            pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
            found = [item for page in pages for item in page.get("Contents", ())]
        for item in found:
            name = item["Key"].removeprefix(prefix).lstrip("/")
            if name and not name.endswith("/"):
                yield self._one(client, source, bucket, name, item)

    def _one(
        self, client: S3Client, source: KnowledgeSource, bucket: str, name: str, item: ObjectTypeDef
    ) -> Document | Refused:
        if not allowed(source, name):
            return Refused(key=name, reason="not on the list")
        if not readable(name):
            return Refused(key=name, reason="not a text, Markdown or HTML file")
        if item["Size"] > source.max_document_bytes:
            return Refused(key=name, reason="too large")
        with _source_errors(source.location):
            raw = client.get_object(Bucket=bucket, Key=item["Key"])["Body"].read()
        return file_document(name, raw, item["LastModified"])


class S3PulledStore:
    """See `PulledStore`: `<prefix>-sources/<id>.json`, beside the versions and never pruned with them."""

    def __init__(self, bucket: str, prefix: str, client: Callable[[], S3Client] = make_s3_client) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix}-sources"
        self._make_client = client

    def load(self, source_id: str) -> Pulled | None:
        """See `PulledStore.load`; what cannot be read any more counts as never read."""
        with self._errors("reading"):
            try:
                answer = self._make_client().get_object(Bucket=self._bucket, Key=self._key(source_id))
                return Pulled.model_validate_json(answer["Body"].read())
            except ValidationError:
                return None
            except exceptions.ClientError as error:
                if error_code(error) in MISSING:
                    return None
                raise

    def save(self, pulled: Pulled) -> None:
        """See `PulledStore.save`."""
        with self._errors("writing"):
            self._make_client().put_object(
                Bucket=self._bucket,
                Key=self._key(pulled.source_id),
                Body=pulled.model_dump_json().encode(),
                ContentType="application/json",
            )

    def _key(self, source_id: str) -> str:
        return f"{self._prefix}/{source_id.replace('/', '_')}.json"

    @contextmanager
    def _errors(self, doing: str) -> Iterator[None]:
        where = f"{doing} s3://{self._bucket}/{self._prefix}"
        with s3_errors(where, no_bucket="create it or set FLOODGATE_S3_BUCKET"):
            yield


@contextmanager
def _source_errors(location: str) -> Iterator[None]:
    try:
        with s3_errors(f"reading {location}", no_bucket="correct `location` in sources.yaml"):
            yield
    except KeyflowError as error:
        raise SourceError(str(error)) from error
