from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ingest.domain.errors import DocumentError
from ingest.domain.s3_notices import S3Object, parse_notice, parse_s3_uri


def event_bridge(key: str = "interactions/a.jsonl", **more: Any) -> dict[str, Any]:
    return {
        "version": "0",
        "id": "1",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "detail": {"bucket": {"name": "drops"}, "object": {"key": key, "size": 1}, "reason": "PutObject"},
        **more,
    }


def direct(*keys: str, event: str = "ObjectCreated:Put") -> dict[str, Any]:
    return {
        "Records": [
            {"eventName": event, "s3": {"bucket": {"name": "drops"}, "object": {"key": quote_plus(key, safe="/")}}}
            for key in keys
        ]
    }


keys = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=60)


@given(keys)
def test_both_shapes_name_the_same_key(key: str) -> None:
    wanted = (S3Object("drops", key),)
    assert parse_notice(json.dumps(event_bridge(key))).objects == wanted
    assert parse_notice(json.dumps(direct(key))).objects == wanted


def test_a_direct_notification_may_name_several_objects() -> None:
    notice = parse_notice(json.dumps(direct("a b.jsonl", "c+d.jsonl")))
    assert [found.key for found in notice.objects] == ["a b.jsonl", "c+d.jsonl"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "drops"}, "test_event"),
        (event_bridge(**{"detail-type": "Object Deleted"}), "other_event"),
        (event_bridge(source="aws.ec2"), "other_event"),
        (direct("a", event="ObjectRemoved:Delete"), "other_event"),
    ],
)
def test_other_notices_are_ignored_with_a_reason(body: dict[str, Any], reason: str) -> None:
    notice = parse_notice(json.dumps(body))
    assert (notice.objects, notice.ignored) == ((), (reason,))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ("not json", "document"),
        ("[]", "body"),
        ("{}", "body"),
        (json.dumps({"detail-type": "Object Created", "source": "aws.s3"}), "detail.bucket.name"),
        (json.dumps({"Records": [{"eventName": "ObjectCreated:Put"}]}), "Records.0.s3.bucket.name"),
        (json.dumps(event_bridge("")), "detail.object.key"),
    ],
)
def test_what_is_no_notice_names_the_member(body: str, field: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse_notice(body)
    assert caught.value.problems[0].field == field


@pytest.mark.parametrize("uri", ["drops/a", "http://drops/a", "s3://", "s3:///a"])
def test_a_wrong_uri_is_refused(uri: str) -> None:
    with pytest.raises(DocumentError):
        parse_s3_uri(uri)


def test_a_uri_names_bucket_and_key() -> None:
    assert parse_s3_uri("s3://drops/a/b c.jsonl") == S3Object("drops", "a/b c.jsonl")
    assert parse_s3_uri("s3://drops") == S3Object("drops", "")
