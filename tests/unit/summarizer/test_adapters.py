"""The feature store's adapter against botocore's stubber: calls as boto sends them, errors as ours. No sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError, NoRegionError, ReadTimeoutError
from botocore.stub import ANY, Stubber
from keyflow import FatalError, PoisonMessageError, RetryableError
from summarizer.adapters.sagemaker_errors import FeatureStoreBusyError, translate_errors
from summarizer.adapters.sagemaker_feature_group import SageMakerFeatureGroup
from summarizer.adapters.sagemaker_feature_store import SageMakerFeatureStore
from summarizer.domain.features import feature_definitions
from summarizer.settings import FeatureStoreSettings, SummarizerSettings

SETTINGS = FeatureStoreSettings(region="eu-west-1")
ONE_BY_ONE = FeatureStoreSettings(region="eu-west-1", batch_size=1)
AT_ONCE = FeatureStoreSettings(region="eu-west-1", batch_linger_seconds=0)
DECLARED = [{"FeatureName": f.name, "FeatureType": f.kind} for f in feature_definitions()]
DESCRIBED = {
    "FeatureGroupArn": "arn:aws:sagemaker:eu-west-1:000000000000:feature-group/floodgate-interactions",
    "FeatureGroupName": "floodgate-interactions",
    "RecordIdentifierFeatureName": "interaction_id",
    "EventTimeFeatureName": "event_time",
    "FeatureDefinitions": DECLARED,
    "CreationTime": 0,
    "NextToken": "x",
    "FeatureGroupStatus": "Created",
}


@pytest.fixture(autouse=True)
def credentials(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")


@pytest.fixture
def runtime(monkeypatch) -> Iterator[Stubber]:
    client = boto3.client("sagemaker-featurestore-runtime", region_name="eu-west-1")
    stubber = Stubber(client)
    monkeypatch.setattr(boto3, "client", lambda *_, **__: client)
    with stubber:
        yield stubber
    stubber.assert_no_pending_responses()


@pytest.fixture
def control(monkeypatch) -> Iterator[Stubber]:
    client = boto3.client("sagemaker", region_name="eu-west-1")
    stubber = Stubber(client)
    monkeypatch.setattr(boto3, "client", lambda *_, **__: client)
    with stubber:
        yield stubber
    stubber.assert_no_pending_responses()


async def test_a_record_is_put_with_its_features_as_text(runtime):
    record = [
        {"FeatureName": "interaction_id", "ValueAsString": "i-1"},
        {"FeatureName": "urgency_score", "ValueAsString": "0.2"},
    ]
    wanted = {"FeatureGroupName": "floodgate-interactions", "Record": record}
    runtime.add_response("put_record", {}, wanted)
    sent = []
    runtime.client.meta.events.register("before-parameter-build", lambda params, **_: sent.append(params))
    await SageMakerFeatureStore(ONE_BY_ONE).put({"interaction_id": "i-1", "urgency_score": "0.2"})
    assert sent == [wanted]


def entry(identifier: str) -> dict:
    return {
        "FeatureGroupName": "floodgate-interactions",
        "Record": [{"FeatureName": "interaction_id", "ValueAsString": identifier}],
    }


async def put_together(settings: FeatureStoreSettings, *identifiers: str) -> list[object]:
    store = SageMakerFeatureStore(settings)
    putting = (store.put({"interaction_id": identifier}) for identifier in identifiers)
    outcomes = await asyncio.gather(*putting, return_exceptions=True)
    await store.close()
    return outcomes


async def test_records_of_one_moment_go_out_in_one_call(runtime):
    runtime.add_response(
        "batch_write_record",
        {"Errors": [], "UnprocessedEntries": []},
        {"Entries": [entry("i-1"), entry("i-2"), entry("i-3")]},
    )
    assert await put_together(AT_ONCE, "i-1", "i-2", "i-3") == [None, None, None]


async def test_a_full_batch_waits_for_nobody(runtime):
    names = [f"i-{number}" for number in range(26)]
    runtime.add_response(
        "batch_write_record",
        {"Errors": [], "UnprocessedEntries": []},
        {"Entries": [entry(name) for name in names[:25]]},
    )
    runtime.add_response(
        "batch_write_record", {"Errors": [], "UnprocessedEntries": []}, {"Entries": [entry(names[25])]}
    )
    settings = AT_ONCE.model_copy(update={"max_concurrency": 1})
    assert await put_together(settings, *names) == [None] * 26


async def test_what_a_batch_leaves_or_refuses_is_told_for_that_record_alone(runtime):
    refused = {"Entry": entry("i-3"), "ErrorCode": "ValidationError", "ErrorMessage": "the value Anna is wrong"}
    failing = {"Entry": entry("i-4"), "ErrorCode": "InternalFailure", "ErrorMessage": "no"}
    runtime.add_response("batch_write_record", {"UnprocessedEntries": [entry("i-2")], "Errors": [refused, failing]})
    stored, left, poison, failed = await put_together(AT_ONCE, "i-1", "i-2", "i-3", "i-4")
    assert stored is None
    assert isinstance(left, RetryableError)
    assert isinstance(poison, PoisonMessageError)
    assert "Anna" not in str(poison)
    assert isinstance(failed, RetryableError)


async def test_a_call_that_fails_fails_for_every_record_of_the_batch(runtime):
    runtime.add_client_error("batch_write_record", "ThrottlingException", "", 429)
    assert [type(one) for one in await put_together(AT_ONCE, "i-1", "i-2")] == [FeatureStoreBusyError] * 2


def test_a_record_is_read_back(runtime):
    runtime.add_response(
        "get_record",
        {"Record": [{"FeatureName": "summary", "ValueAsString": "s"}]},
        {"FeatureGroupName": "floodgate-interactions", "RecordIdentifierValueAsString": "i-1"},
    )
    assert SageMakerFeatureStore(SETTINGS).get("i-1") == {"summary": "s"}


def test_a_record_that_is_not_there_is_none(runtime):
    runtime.add_response("get_record", {}, {"FeatureGroupName": ANY, "RecordIdentifierValueAsString": ANY})
    assert SageMakerFeatureStore(SETTINGS).get("i-1") is None


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("ThrottlingException", 429, RetryableError),
        ("ServiceUnavailable", 503, RetryableError),
        ("InternalFailure", 500, RetryableError),
        ("ValidationError", 400, PoisonMessageError),
        ("ResourceNotFound", 404, FatalError),
        ("AccessForbidden", 403, FatalError),
    ],
)
async def test_every_refusal_becomes_one_of_our_errors(runtime, code, status, error):
    runtime.add_client_error("put_record", code, "the value Anna is wrong", status)
    with pytest.raises(error) as caught:
        await SageMakerFeatureStore(ONE_BY_ONE).put({"interaction_id": "i-1"})
    assert "floodgate-interactions" in str(caught.value)
    assert "Anna" not in str(caught.value)


@pytest.mark.parametrize(
    ("raised", "error"),
    [
        (ReadTimeoutError(endpoint_url="x"), RetryableError),
        (EndpointConnectionError(endpoint_url="x"), RetryableError),
        (NoRegionError(), FatalError),
    ],
)
def test_nothing_of_boto_gets_out(raised, error):
    with pytest.raises(error), translate_errors("PutRecord", "g"):
        raise raised


def test_a_missing_group_is_created_with_every_feature(control):
    control.add_client_error("describe_feature_group", "ResourceNotFound", "", 400)
    control.add_response(
        "create_feature_group",
        {"FeatureGroupArn": DESCRIBED["FeatureGroupArn"]},
        {
            "FeatureGroupName": "floodgate-interactions",
            "RecordIdentifierFeatureName": "interaction_id",
            "EventTimeFeatureName": "event_time",
            "FeatureDefinitions": DECLARED,
            "OnlineStoreConfig": {"EnableOnlineStore": True},
            "RoleArn": ANY,
            "Description": ANY,
        },
    )
    control.add_response("describe_feature_group", {**DESCRIBED, "FeatureGroupStatus": "Creating"})
    control.add_response("describe_feature_group", DESCRIBED)
    waited: list[float] = []
    assert SageMakerFeatureGroup(SETTINGS, waited.append).declare() == "created"
    assert len(waited) == 1


def test_a_group_that_is_complete_stays_as_it_is(control):
    control.add_response("describe_feature_group", DESCRIBED)
    control.add_response("describe_feature_group", DESCRIBED)
    assert SageMakerFeatureGroup(SETTINGS).declare() == "unchanged"


def test_a_feature_that_the_group_lacks_is_added(control):
    control.add_response("describe_feature_group", {**DESCRIBED, "FeatureDefinitions": DECLARED[:-1]})
    control.add_response(
        "update_feature_group",
        {"FeatureGroupArn": DESCRIBED["FeatureGroupArn"]},
        {"FeatureGroupName": "floodgate-interactions", "FeatureAdditions": DECLARED[-1:]},
    )
    control.add_response("describe_feature_group", DESCRIBED)
    assert SageMakerFeatureGroup(SETTINGS).declare() == "added 1 features"


def test_a_type_that_changed_is_refused_with_the_remedy(control):
    other = [{**DECLARED[0], "FeatureType": "Fractional"}, *DECLARED[1:]]
    control.add_response("describe_feature_group", {**DESCRIBED, "FeatureDefinitions": other})
    with pytest.raises(FatalError, match="FLOODGATE_FEATURE_GROUP"):
        SageMakerFeatureGroup(SETTINGS).declare()


def test_a_group_that_cannot_be_made_is_named_with_the_reason(control):
    control.add_response("describe_feature_group", DESCRIBED)
    failed = {**DESCRIBED, "FeatureGroupStatus": "CreateFailed", "FailureReason": "no such role"}
    control.add_response("describe_feature_group", failed)
    with pytest.raises(FatalError, match="no such role"):
        SageMakerFeatureGroup(SETTINGS).declare()


def test_the_language_of_summaries_is_checked_at_the_start():
    assert SummarizerSettings(summary_language="en").summary_language == "en"
    with pytest.raises(ValueError, match="two letters"):
        SummarizerSettings(summary_language="English")
