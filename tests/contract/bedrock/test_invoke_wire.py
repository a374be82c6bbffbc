"""InvokeModel, CountTokens, the prompt cache and the control plane, through boto3."""

import json
import math
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from floodgate_local.bedrock.config import Latency, LatencySettings

HAIKU = "eu.anthropic.claude-haiku-4-5-20251001-v1:0"
SONNET = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
LITE = "eu.amazon.nova-lite-v1:0"
TITAN = "amazon.titan-embed-text-v2:0"
TOOL = {
    "name": "verdict",
    "description": "Report.",
    "input_schema": {"type": "object", "properties": {"path": {"enum": ["refund", "other"]}}},
}


def invoke(client: Any, model_id: str, body: dict[str, Any]) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(client.invoke_model(modelId=model_id, body=json.dumps(body))["body"].read())
    return value


def anthropic(**members: Any) -> dict[str, Any]:
    body = {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "Where is my refund?"}],
    }
    return {**body, **members}


def test_an_anthropic_body_gets_an_anthropic_answer(runtime_client: Any) -> None:
    answer = invoke(runtime_client, HAIKU, anthropic(system="Be brief."))
    assert answer["type"] == "message"
    assert answer["content"] == [{"type": "text", "text": "You said: Where is my refund?"}]
    assert answer["stop_reason"] == "end_turn"
    assert answer["usage"]["input_tokens"] > 0


def test_an_anthropic_body_can_force_a_tool_and_cache_its_prefix(runtime_client: Any) -> None:
    system = [{"type": "text", "text": "Decide. " * 800, "cache_control": {"type": "ephemeral"}}]
    body = anthropic(system=system, tools=[TOOL], tool_choice={"type": "tool", "name": "verdict"})
    first, second = (invoke(runtime_client, SONNET, body) for _ in range(2))
    [use] = first["content"]
    assert (use["type"], use["name"], use["input"]) == ("tool_use", "verdict", {"path": "refund"})
    assert first["stop_reason"] == "tool_use"
    written = first["usage"]["cache_creation_input_tokens"]
    assert written > 1_024
    assert second["usage"]["cache_read_input_tokens"] == written


def test_an_anthropic_conversation_with_a_tool_result_is_understood(runtime_client: Any, server: Any) -> None:
    messages = [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "verdict", "input": {"path": "x"}}]},
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "wrong", "is_error": True}],
        },
    ]
    invoke(runtime_client, HAIKU, anthropic(messages=messages, tools=[TOOL]))
    assert [message.text for message in server.model.calls[-1].messages] == ["hello", '{"path": "x"}', "wrong"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"messages": []}, "anthropic_version"),
        ({"anthropic_version": "bedrock-2023-05-31", "messages": []}, "max_tokens: Field required"),
        (anthropic(messages="hello"), "messages: Input should be a valid list"),
        (anthropic(messages=[{"role": "user", "content": [{"type": "song"}]}]), "messages.0.content.0"),
        (anthropic(max_tokens=0), "greater than or equal to 1"),
        (anthropic(temperature=0.5, top_p=0.5), "cannot both be specified"),
    ],
)
def test_a_wrong_anthropic_body_is_refused(runtime_client: Any, body: dict[str, Any], words: str) -> None:
    with pytest.raises(runtime_client.exceptions.ValidationException) as refused:
        invoke(runtime_client, HAIKU, body)
    assert words in str(refused.value)


def test_an_anthropic_stream_adds_up_to_the_answer(runtime_client: Any) -> None:
    stream = runtime_client.invoke_model_with_response_stream(modelId=HAIKU, body=json.dumps(anthropic()))["body"]
    events = [json.loads(event["chunk"]["bytes"]) for event in stream]
    assert [events[0]["type"], events[-1]["type"]] == ["message_start", "message_stop"]
    text = "".join(event["delta"]["text"] for event in events if event["type"] == "content_block_delta")
    assert text == "You said: Where is my refund?"


def test_a_nova_body_gets_the_answer_of_converse(runtime_client: Any) -> None:
    body = {
        "schemaVersion": "messages-v1",
        "system": [{"text": "Be brief."}],
        "messages": [{"role": "user", "content": [{"text": "hello"}]}],
        "inferenceConfig": {"max_new_tokens": 50, "temperature": 0},
    }
    answer = invoke(runtime_client, LITE, body)
    assert answer["output"]["message"]["content"] == [{"text": "You said: hello"}]
    with pytest.raises(ClientError, match="extraneous key \\[prompt\\]"):
        invoke(runtime_client, LITE, {"prompt": "hello"})


@pytest.mark.parametrize("dimensions", [256, 512, 1024])
def test_titan_embeds_in_the_size_asked_for_and_normalised(runtime_client: Any, dimensions: int) -> None:
    answer = invoke(runtime_client, TITAN, {"inputText": "hello", "dimensions": dimensions})
    assert len(answer["embedding"]) == dimensions
    assert math.hypot(*answer["embedding"]) == pytest.approx(1)
    assert answer["embeddingsByType"]["float"] == answer["embedding"]
    assert answer["inputTextTokenCount"] == 1


def test_titan_leaves_the_length_alone_when_told_to_and_defaults_to_1024(runtime_client: Any) -> None:
    answer = invoke(runtime_client, TITAN, {"inputText": "hello", "normalize": False})
    assert len(answer["embedding"]) == 1_024
    assert math.hypot(*answer["embedding"]) > 1.5


def test_titan_gives_binary_embeddings_alone_when_asked(runtime_client: Any) -> None:
    answer = invoke(runtime_client, TITAN, {"inputText": "hello", "embeddingTypes": ["binary"]})
    assert set(answer["embeddingsByType"]["binary"]) <= {0, 1}
    assert "embedding" not in answer


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "required key [inputText] not found"),
        ({"inputText": ""}, "expected minLength: 1"),
        ({"inputText": "a", "dimensions": 384}, "384 is not a valid enum value"),
        ({"inputText": "a", "normalise": True}, "extraneous key [normalise]"),
        ({"inputText": "a b " * 6_000}, "Too many input tokens. Max input tokens: 8192"),
        ({"inputText": "a" * 50_001}, "expected maxLength: 50000"),
    ],
)
def test_a_wrong_titan_body_is_refused(runtime_client: Any, body: dict[str, Any], words: str) -> None:
    with pytest.raises(runtime_client.exceptions.ValidationException) as refused:
        invoke(runtime_client, TITAN, body)
    assert words in str(refused.value)


def test_a_body_that_is_not_json_is_refused(runtime_client: Any) -> None:
    with pytest.raises(runtime_client.exceptions.ValidationException, match="Malformed input request"):
        runtime_client.invoke_model(modelId=TITAN, body=b"{")


def test_counted_tokens_are_those_of_the_call(runtime_client: Any) -> None:
    messages = [{"role": "user", "content": [{"text": "Where are my tickets?"}]}]
    system = [{"text": "Be brief."}]
    called = runtime_client.converse(modelId=HAIKU, messages=messages, system=system)["usage"]["inputTokens"]
    converse = {"converse": {"messages": messages, "system": system}}
    assert runtime_client.count_tokens(modelId=HAIKU, input=converse)["inputTokens"] == called
    body = anthropic(system="Be brief.", messages=[{"role": "user", "content": "Where are my tickets?"}])
    invoked = {"invokeModel": {"body": json.dumps(body).encode()}}
    assert runtime_client.count_tokens(modelId=HAIKU, input=invoked)["inputTokens"] == called


def converse_cached(client: Any, system: str, model_id: str = LITE, tools: Any = None, **point: str) -> dict[str, int]:
    config = {} if tools is None else {"toolConfig": {"tools": tools}}
    usage: dict[str, int] = client.converse(
        modelId=model_id,
        system=[{"text": system}, {"cachePoint": {"type": "default", **point}}],
        messages=[{"role": "user", "content": [{"text": "hello"}]}],
        **config,
    )["usage"]
    return usage


def test_cached_tokens_are_left_out_of_the_input_and_kept_per_account(make_client: Callable[..., Any]) -> None:
    client, other = make_client(), make_client(key="AKIDOTHER")
    system = "Decide which path it is. " * 200
    first, second = converse_cached(client, system), converse_cached(client, system)
    assert first["cacheWriteInputTokens"] == second["cacheReadInputTokens"] > 1_000
    assert first["inputTokens"] == second["inputTokens"] < 20
    assert second["totalTokens"] == first["totalTokens"]
    assert converse_cached(other, system)["cacheReadInputTokens"] == 0


def test_a_prefix_below_the_models_minimum_is_not_cached(runtime_client: Any) -> None:
    system = "Decide which path it is. " * 200
    for _ in range(2):
        usage = converse_cached(runtime_client, system, HAIKU)
        assert (usage["cacheReadInputTokens"], usage["cacheWriteInputTokens"]) == (0, 0)


def test_what_was_written_for_an_hour_says_so(runtime_client: Any) -> None:
    usage: Any = converse_cached(runtime_client, "Decide which path it is. " * 250, SONNET, ttl="1h")
    assert usage["cacheDetails"] == [{"ttl": "1h", "inputTokens": usage["cacheWriteInputTokens"]}]


def test_a_cache_point_among_the_tools_is_for_claude_only(runtime_client: Any) -> None:
    tools = [
        {"toolSpec": {"name": "t", "inputSchema": {"json": {"type": "object"}}}},
        {"cachePoint": {"type": "default"}},
    ]
    converse_cached(runtime_client, "Be brief.", SONNET, tools)
    with pytest.raises(ClientError, match="extraneous key \\[cachePoint\\]"):
        converse_cached(runtime_client, "Be brief.", LITE, tools)


def test_the_control_plane_lists_models_and_the_regions_profiles(make_client: Callable[..., Any]) -> None:
    bedrock = make_client("bedrock")
    models = {model["modelId"] for model in bedrock.list_foundation_models()["modelSummaries"]}
    assert {"amazon.nova-micro-v1:0", "amazon.nova-lite-v1:0", "amazon.nova-pro-v1:0", TITAN} <= models
    embedding = bedrock.list_foundation_models(byOutputModality="EMBEDDING")["modelSummaries"]
    assert [model["modelId"] for model in embedding] == [TITAN]
    profiles = [p["inferenceProfileId"] for p in bedrock.list_inference_profiles()["inferenceProfileSummaries"]]
    assert LITE in profiles
    assert not any(profile.startswith("us.") for profile in profiles)
    assert bedrock.get_inference_profile(inferenceProfileIdentifier=LITE)["status"] == "ACTIVE"
    with pytest.raises(bedrock.exceptions.ResourceNotFoundException):
        bedrock.get_inference_profile(inferenceProfileIdentifier="us.amazon.nova-lite-v1:0")


def test_quotas_are_listed_in_pages_and_read_one_by_one(make_client: Callable[..., Any]) -> None:
    quotas = make_client("service-quotas")
    pages = quotas.get_paginator("list_service_quotas").paginate(
        ServiceCode="bedrock", PaginationConfig={"PageSize": 5}
    )
    found = [quota for page in pages for quota in page["Quotas"]]
    assert len({quota["QuotaCode"] for quota in found}) == len(found) > 5
    one = quotas.get_service_quota(ServiceCode="bedrock", QuotaCode=found[0]["QuotaCode"])["Quota"]
    assert one == found[0]
    with pytest.raises(quotas.exceptions.NoSuchResourceException):
        quotas.get_service_quota(ServiceCode="bedrock", QuotaCode="L-NONE")


def test_a_request_without_authorization_is_refused_as_aws_refuses_it(server: Any) -> None:
    request = urllib.request.Request(f"{server.url}/model/{LITE}/converse", data=b"{}", method="POST")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=5)
    assert refused.value.code == 403
    assert refused.value.headers["x-amzn-ErrorType"] == "MissingAuthenticationTokenException"
    assert json.load(refused.value) == {"message": "Missing Authentication Token"}
    refused.value.close()


def test_an_operation_that_is_not_served_says_so(runtime_client: Any) -> None:
    with pytest.raises(ClientError, match="UnknownOperationException"):
        runtime_client.list_async_invokes()


def local(server: Any, path: str, method: str = "GET", body: Any = None) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(server.url + path, data=data, method=method)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_faults_latency_and_counters_are_switched_over_http(server: Any, runtime_client: Any) -> None:
    assert local(server, "/_local/faults", "PUT", {"throttle_rate": 1, "retry_after_seconds": 2})[0] == 200
    with pytest.raises(runtime_client.exceptions.ThrottlingException) as throttled:
        runtime_client.converse(modelId=LITE, messages=[{"role": "user", "content": [{"text": "a"}]}])
    assert throttled.value.response["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == "2"
    assert local(server, "/_local/faults", "DELETE")[1]["throttle_rate"] == 0
    assert local(server, "/_local/faults", "PUT", {"throttle_rate": 3}) == (
        400,
        {"message": "throttle_rate: Input should be less than or equal to 1"},
    )
    assert local(server, "/_local/latency", "PUT", {"median_ms": 40, "p95_ms": 40})[0] == 200
    usage = runtime_client.converse(modelId=LITE, messages=[{"role": "user", "content": [{"text": "a"}]}])
    assert usage["metrics"]["latencyMs"] >= 40
    stats = local(server, "/_local/stats")[1]
    assert stats["model"] == "local"
    assert (stats["calls"], stats["errors"], stats["faults"]) == (1, {"ThrottlingException": 1}, {"throttle": 1})
    assert local(server, "/_local/stats", "DELETE")[1]["calls"] == 0


def test_drawn_latencies_follow_the_distribution() -> None:
    latency = Latency(LatencySettings(median_ms=1_200, p95_ms=2_800, seed=1))
    drawn = sorted(latency.draw_seconds() for _ in range(20_000))
    assert drawn[10_000] == pytest.approx(1.2, rel=0.03)
    assert drawn[19_000] == pytest.approx(2.8, rel=0.05)
