"""S3 notifications as they stand in an SQS body: through EventBridge, or directly from the bucket."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from ingest.domain.errors import DocumentError, document_error
from ingest.domain.intercom_parts import member
from ingest.domain.json_text import load_json


@dataclass(frozen=True, slots=True)
class S3Object:
    """An object to read."""

    bucket: str
    key: str

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True, slots=True)
class S3Notice:
    """What a queue message tells.

    Attributes:
        objects: Objects that were created, in order.
        ignored: Why there is nothing to do, one word each (`test_event`, `other_event`).
    """

    objects: tuple[S3Object, ...] = ()
    ignored: tuple[str, ...] = ()


def parse_notice(body: str) -> S3Notice:
    """The objects that a queue message names.

    Raises:
        DocumentError: It is neither shape.
    """
    document = _object_of(body)
    if document.get("Event") == "s3:TestEvent":
        return S3Notice(ignored=("test_event",))
    if "detail-type" in document:
        return _event_bridge_notice(document)
    if isinstance(document.get("Records"), list):
        return _direct_notice(document["Records"])
    raise document_error(
        "body", "neither an EventBridge event (detail-type) nor an S3 notification (Records) is in the message"
    )


def _object_of(body: str) -> Mapping[str, Any]:
    document = load_json(body)
    if not isinstance(document, dict):
        raise document_error("body", "a JSON object is expected")
    return document


def _event_bridge_notice(document: Mapping[str, Any]) -> S3Notice:
    if document.get("source") != "aws.s3" or document["detail-type"] != "Object Created":
        return S3Notice(ignored=("other_event",))
    detail = document.get("detail")
    return S3Notice(objects=(_s3_object(member(detail, "bucket", "name"), member(detail, "object", "key"), "detail"),))


def _direct_notice(records: list[Any]) -> S3Notice:
    objects: list[S3Object] = []
    ignored: list[str] = []
    for position, record in enumerate(records):
        name = member(record, "eventName")
        if not isinstance(name, str) or not name.removeprefix("s3:").startswith("ObjectCreated:"):
            ignored.append("other_event")
            continue
        key = member(record, "s3", "object", "key")
        # Here, and only here, the key is URL-encoded, a space being "+".
        decoded = unquote_plus(key) if isinstance(key, str) else key
        objects.append(_s3_object(member(record, "s3", "bucket", "name"), decoded, f"Records.{position}.s3"))
    return S3Notice(tuple(objects), tuple(ignored))


def _s3_object(bucket: object, key: object, place: str) -> S3Object:
    if not isinstance(bucket, str) or not bucket:
        raise document_error(f"{place}.bucket.name", "missing")
    if not isinstance(key, str) or not key:
        raise document_error(f"{place}.object.key", "missing")
    return S3Object(bucket, key)


def parse_s3_uri(uri: str) -> S3Object:
    """Bucket and key, or bucket and prefix, of s3://bucket/key.

    Raises:
        DocumentError: Not such a URI.
    """
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise document_error("URI", "s3://bucket/key or s3://bucket/prefix/ is expected")
    return S3Object(bucket, key)


__all__ = ["DocumentError", "S3Notice", "S3Object", "parse_notice", "parse_s3_uri"]
