"""boto3 unmodified against the local Feature Store server."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

NAME = "support-interactions"
EARLY, LATE = "2026-11-22T10:00:00Z", "2026-11-22T11:00:00.5Z"


def record(identifier: str = "i-1", event_time: str = EARLY, **features: str) -> list[dict[str, Any]]:
    values = {"interaction_id": identifier, "event_time": event_time, **features}
    return [{"FeatureName": name, "ValueAsString": value} for name, value in values.items()]


def values(answer: dict[str, Any]) -> dict[str, str]:
    return {feature["FeatureName"]: feature["ValueAsString"] for feature in answer.get("Record", [])}


def get(client: Any, identifier: str = "i-1", **options: Any) -> dict[str, str]:
    return values(client.get_record(FeatureGroupName=NAME, RecordIdentifierValueAsString=identifier, **options))


def fetch(server: Any, path: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(server.url + path, data=data, method="PUT" if body is not None else "GET")
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.load(answer)


def offline(server: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = fetch(server, f"/_local/offline/{NAME}")["rows"]
    return rows


def test_a_record_is_put_and_read_back(store_client: Any) -> None:
    store_client.put_record(FeatureGroupName=NAME, Record=record(urgency_score="0.4", turns="3"))
    assert get(store_client) == {
        "interaction_id": "i-1", "event_time": EARLY, "urgency_score": "0.4", "turns": "3",
    }  # fmt: skip
    assert get(store_client, FeatureNames=["turns"]) == {"turns": "3"}


def test_a_group_can_be_named_by_its_arn(store_client: Any) -> None:
    arn = f"arn:aws:sagemaker:eu-central-1:000000000000:feature-group/{NAME}"
    store_client.put_record(FeatureGroupName=arn, Record=record())
    assert get(store_client)["interaction_id"] == "i-1"


def test_an_unknown_identifier_gives_an_empty_answer(store_client: Any) -> None:
    assert get(store_client, "nobody") == {}


@pytest.mark.parametrize("second", [EARLY, "2026-11-22T09:59:59.999Z"])
def test_an_event_time_that_is_not_later_reaches_the_offline_store_only(
    store_client: Any, server: Any, second: str
) -> None:
    store_client.put_record(FeatureGroupName=NAME, Record=record(summary="first"))
    store_client.put_record(FeatureGroupName=NAME, Record=record(event_time=second, summary="second"))
    assert get(store_client)["summary"] == "first"
    rows = offline(server)
    assert [row["record"]["summary"] for row in rows] == ["first", "second"]
    assert {"event_time", "api_invocation_time", "write_time", "is_deleted"} <= rows[0].keys()


def test_a_later_event_time_overwrites_the_whole_record(store_client: Any) -> None:
    store_client.put_record(FeatureGroupName=NAME, Record=record(summary="first", turns="1"))
    store_client.put_record(FeatureGroupName=NAME, Record=record(event_time=LATE, summary="second"))
    assert get(store_client) == {"interaction_id": "i-1", "event_time": LATE, "summary": "second"}


def test_target_stores_limit_where_a_record_goes(store_client: Any, server: Any) -> None:
    store_client.put_record(FeatureGroupName=NAME, Record=record(), TargetStores=["OfflineStore"])
    assert get(store_client) == {}
    assert len(offline(server)) == 1


REFUSED: list[tuple[list[dict[str, Any]], str]] = [
    (record(mood="happy"), "FeatureName mood is not a feature"),
    (record()[:1], "no value for the required feature event_time"),
    (record()[1:], "no value for the required feature interaction_id"),
    (record(turns="3.5"), "turns is not of its type Integral"),
    (record(urgency_score="high"), "urgency_score is not of its type Fractional"),
    (record(event_time="22 November"), "EventTime must be ISO 8601"),
    (record(event_time="2026-11-22T10:00:00+01:00"), "EventTime must be ISO 8601"),
    ([*record(), *record()[:1]], "occurs more than once"),
    (record(summary="x" * 358_400), "exceeds the limit of 358400 bytes"),
    ([*record(), {"FeatureName": "summary", "ValueAsStringList": ["a"]}], "has a list where it declares none"),
    ([*record(), {"FeatureName": "summary"}], "must have either ValueAsString or ValueAsStringList"),
]


@pytest.mark.parametrize(("features", "words"), REFUSED)
def test_a_record_that_does_not_fit_is_a_validation_error(
    store_client: Any, server: Any, features: list[dict[str, Any]], words: str
) -> None:
    with pytest.raises(store_client.exceptions.ValidationError) as refused:
        store_client.put_record(FeatureGroupName=NAME, Record=features)
    assert words in str(refused.value)
    assert offline(server) == []


def test_an_unknown_group_is_named_in_the_form_that_each_operation_declares(store_client: Any) -> None:
    with pytest.raises(store_client.exceptions.ResourceNotFound, match="can't find a FeatureGroup with name ghost"):
        store_client.get_record(FeatureGroupName="ghost", RecordIdentifierValueAsString="i-1")
    with pytest.raises(store_client.exceptions.ValidationError, match="Resource Not Found"):
        store_client.put_record(FeatureGroupName="ghost", Record=record())


def test_reading_an_unknown_feature_is_a_validation_error(store_client: Any) -> None:
    with pytest.raises(store_client.exceptions.ValidationError, match="mood"):
        get(store_client, FeatureNames=["mood"])


def test_a_soft_deleted_record_is_gone_until_a_later_one_comes(store_client: Any, server: Any) -> None:
    store_client.put_record(FeatureGroupName=NAME, Record=record())
    store_client.delete_record(FeatureGroupName=NAME, RecordIdentifierValueAsString="i-1", EventTime=LATE)
    assert get(store_client) == {}
    assert [row["is_deleted"] for row in offline(server)] == [False, True]
    store_client.put_record(FeatureGroupName=NAME, Record=record(event_time="2026-11-22T10:30:00Z"))
    assert get(store_client) == {}
    store_client.put_record(FeatureGroupName=NAME, Record=record(event_time="2026-11-22T12:00:00Z"))
    assert get(store_client)["event_time"] == "2026-11-22T12:00:00Z"


def test_a_delete_that_is_not_later_leaves_the_record(store_client: Any) -> None:
    store_client.put_record(FeatureGroupName=NAME, Record=record())
    store_client.delete_record(FeatureGroupName=NAME, RecordIdentifierValueAsString="i-1", EventTime=EARLY)
    assert get(store_client) != {}
    with pytest.raises(store_client.exceptions.ValidationError, match="EventTime"):
        store_client.delete_record(
            FeatureGroupName=NAME, RecordIdentifierValueAsString="i-1", EventTime=EARLY, DeletionMode="HardDelete"
        )


def test_a_record_expires_after_its_time_to_live(store_client: Any) -> None:
    ttl = {"Unit": "Hours", "Value": 1}
    store_client.put_record(FeatureGroupName=NAME, Record=record("old", "2020-01-01T00:00:00Z"), TtlDuration=ttl)
    store_client.put_record(FeatureGroupName=NAME, Record=record("new", "2100-01-01T00:00:00Z"), TtlDuration=ttl)
    assert get(store_client, "old") == {}
    answer = store_client.get_record(
        FeatureGroupName=NAME, RecordIdentifierValueAsString="new", ExpirationTimeResponse="Enabled"
    )
    assert answer["ExpiresAt"] == "2100-01-01T01:00:00.000Z"


def test_a_batch_get_returns_records_and_errors(store_client: Any) -> None:
    for identifier in ("a", "b"):
        store_client.put_record(FeatureGroupName=NAME, Record=record(identifier))
    answer = store_client.batch_get_record(
        Identifiers=[
            {"FeatureGroupName": NAME, "RecordIdentifiersValueAsString": ["a", "missing", "b"]},
            {"FeatureGroupName": "ghost", "RecordIdentifiersValueAsString": ["a"]},
        ]
    )
    assert [found["RecordIdentifierValueAsString"] for found in answer["Records"]] == ["a", "b"]
    assert [error["ErrorCode"] for error in answer["Errors"]] == ["ResourceNotFound"]
    assert answer["UnprocessedIdentifiers"] == []


def test_a_batch_write_writes_what_fits_and_names_what_does_not(store_client: Any) -> None:
    answer = store_client.batch_write_record(
        Entries=[
            {"FeatureGroupName": NAME, "Record": record("a")},
            {"FeatureGroupName": NAME, "Record": record("b", turns="many")},
            {"FeatureGroupName": "ghost", "Record": record("c")},
        ]
    )
    assert get(store_client, "a") != {}
    assert [error["ErrorCode"] for error in answer["Errors"]] == ["ValidationError", "ResourceNotFound"]
    assert answer["Errors"][0]["Entry"]["Record"][0]["ValueAsString"] == "b"


@pytest.mark.parametrize(
    ("operation", "arguments", "limit"),
    [
        ("batch_write_record", {"Entries": [{"FeatureGroupName": NAME, "Record": record()}] * 26}, 25),
        (
            "batch_get_record",
            {"Identifiers": [{"FeatureGroupName": NAME, "RecordIdentifiersValueAsString": ["a"] * 101}]},
            100,
        ),
    ],
)
def test_a_batch_over_the_limit_is_refused(
    store_client: Any, operation: str, arguments: dict[str, Any], limit: int
) -> None:
    with pytest.raises(store_client.exceptions.ValidationError, match=f"less than or equal to {limit}"):
        getattr(store_client, operation)(**arguments)


def test_entries_left_undone_can_be_sent_again_until_all_are_written(store_client: Any, server: Any) -> None:
    fetch(server, "/_local/faults", {"unprocessed_rate": 0.5, "seed": 7})
    entries = [{"FeatureGroupName": NAME, "Record": record(f"i-{number}")} for number in range(25)]
    rounds = 0
    while entries:
        answer = store_client.batch_write_record(Entries=entries)
        assert answer["Errors"] == []
        entries = answer["UnprocessedEntries"]
        rounds += 1
        assert rounds < 50
    assert rounds > 1
    assert fetch(server, "/_local/stats")["records"][NAME] == {"online": 25, "offline": 25}


def test_switched_faults_reach_the_client_as_aws_errors(store_client: Any, server: Any) -> None:
    fetch(server, "/_local/faults", {"unavailable_rate": 1})
    with pytest.raises(store_client.exceptions.ServiceUnavailable):
        get(store_client)
    fetch(server, "/_local/faults", {"throttle_rate": 1})
    with pytest.raises(ClientError, match="ThrottlingException"):
        get(store_client)


def test_records_are_listed_in_pages(store_client: Any) -> None:
    for number in range(5):
        store_client.put_record(FeatureGroupName=NAME, Record=record(f"i-{number}"))
    first = store_client.list_records(FeatureGroupName=NAME, MaxResults=3)
    second = store_client.list_records(FeatureGroupName=NAME, MaxResults=3, NextToken=first["NextToken"])
    assert first["RecordIdentifiers"] + second["RecordIdentifiers"] == [f"i-{number}" for number in range(5)]
    assert "NextToken" not in second


def test_groups_are_described_listed_and_deleted(store_client: Any, make_client: Callable[..., Any]) -> None:
    sagemaker = make_client("sagemaker")
    described = sagemaker.describe_feature_group(FeatureGroupName=NAME)
    assert described["FeatureGroupStatus"] == "Created"
    assert described["RecordIdentifierFeatureName"] == "interaction_id"
    listed = sagemaker.list_feature_groups()["FeatureGroupSummaries"]
    assert [group["FeatureGroupName"] for group in listed] == [NAME]
    sagemaker.delete_feature_group(FeatureGroupName=NAME)
    with pytest.raises(sagemaker.exceptions.ResourceNotFound):
        sagemaker.describe_feature_group(FeatureGroupName=NAME)
    with pytest.raises(store_client.exceptions.ResourceNotFound):
        get(store_client)


def test_features_can_be_added_to_a_group_that_has_records(store_client: Any, make_client: Callable[..., Any]) -> None:
    sagemaker = make_client("sagemaker")
    store_client.put_record(FeatureGroupName=NAME, Record=record())
    added = {"FeatureName": "mood", "FeatureType": "String"}
    sagemaker.update_feature_group(FeatureGroupName=NAME, FeatureAdditions=[added])
    store_client.put_record(FeatureGroupName=NAME, Record=record(event_time=LATE, mood="calm"))
    assert get(store_client)["mood"] == "calm"
    with pytest.raises(ClientError, match="name a feature twice"):
        sagemaker.update_feature_group(FeatureGroupName=NAME, FeatureAdditions=[added])


def test_a_request_without_a_signature_is_refused(server: Any) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        fetch(server, f"/FeatureGroup/{NAME}?RecordIdentifierValueAsString=a")
    assert refused.value.code == 403
    refused.value.close()
