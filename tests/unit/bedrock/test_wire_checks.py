"""Requests held against botocore's service model, and callers read from their signature."""

from typing import Any

import pytest
from floodgate_local.aws_wire import AwsError, authenticate, check_body
from starlette.requests import Request

CREDENTIAL = "Credential=AKID/20261122/eu-central-1/bedrock/aws4_request"


def request(header: str | None) -> Request:
    headers = [] if header is None else [(b"authorization", header.encode())]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers})


def test_the_access_key_is_the_account_and_the_scope_names_the_region() -> None:
    caller = authenticate(request(f"AWS4-HMAC-SHA256 {CREDENTIAL}, SignedHeaders=host, Signature=ab"), "bedrock")
    assert (caller.account, caller.region) == ("AKID", "eu-central-1")


def test_a_bedrock_api_key_is_a_caller_too() -> None:
    one, other = (authenticate(request(f"Bearer {key}"), "bedrock").account for key in ("k1", "k2"))
    assert one != other


@pytest.mark.parametrize(
    ("header", "error_type"),
    [
        (None, "MissingAuthenticationTokenException"),
        ("Basic abc", "IncompleteSignatureException"),
        ("AWS4-HMAC-SHA256 SignedHeaders=host, Signature=ab", "IncompleteSignatureException"),
        (f"AWS4-HMAC-SHA256 {CREDENTIAL}, SignedHeaders=host", "IncompleteSignatureException"),
        (
            f"AWS4-HMAC-SHA256 {CREDENTIAL.replace('bedrock', 's3')}, SignedHeaders=host, Signature=ab",
            "InvalidSignatureException",
        ),
    ],
)
def test_an_unusable_authorization_is_a_403_as_aws_sends_it(header: str | None, error_type: str) -> None:
    with pytest.raises(AwsError) as refused:
        authenticate(request(header), "bedrock")
    assert (refused.value.status, refused.value.error_type) == (403, error_type)


def refuse(body: dict[str, Any]) -> AwsError:
    with pytest.raises(AwsError) as refused:
        check_body("bedrock-runtime", "Converse", body)
    return refused.value


def test_every_violated_constraint_is_named() -> None:
    tool = {"toolSpec": {"name": "no spaces please", "inputSchema": {"json": {}}}}
    error = refuse({"inferenceConfig": {"maxTokens": 0, "topP": 2}, "toolConfig": {"tools": [tool]}})
    assert error.message.startswith("3 validation errors detected: ")
    assert "Value '0' at 'inferenceConfig.maxTokens'" in error.message
    assert "'toolConfig.tools.1.member.toolSpec.name'" in error.message


def test_a_missing_member_must_not_be_null() -> None:
    error = refuse({"messages": [{"role": "user"}]})
    assert "Value at 'messages.1.member.content' failed to satisfy constraint: Member must not be null" in error.message


def test_a_union_with_two_members_is_refused() -> None:
    block = {"text": "a", "cachePoint": {"type": "default"}}
    assert "exactly one member" in refuse({"messages": [{"role": "user", "content": [block]}]}).message


@pytest.mark.parametrize(
    "body",
    [{"messages": "hello"}, {"messages": ["hello"]}, {"inferenceConfig": {"maxTokens": "9"}}, {"system": {"text": 1}}],
)
def test_a_wrong_type_is_a_serialization_error(body: dict[str, Any]) -> None:
    assert refuse(body).error_type == "SerializationException"


def test_long_values_are_not_repeated_in_the_message() -> None:
    error = refuse({"messages": [{"role": "customer text " * 20, "content": [{"text": "a"}]}]})
    assert "customer text" not in error.message
