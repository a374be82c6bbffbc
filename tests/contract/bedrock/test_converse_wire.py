"""boto3 unmodified against the local Bedrock Runtime server: Converse and its errors."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

LITE = "eu.amazon.nova-lite-v1:0"
TOOL = {
    "toolSpec": {
        "name": "verdict",
        "description": "Report the verdict.",
        "inputSchema": {
            "json": {
                "type": "object",
                "properties": {"path": {"enum": ["refund", "other"]}, "note": {"type": "string"}},
                "required": ["path", "note"],
            }
        },
    }
}
FORCED = {"tools": [TOOL], "toolChoice": {"tool": {"name": "verdict"}}}


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"text": text}]}


def assistant(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": [{"text": text}]}


def test_a_forced_tool_is_called_with_input_and_usage(runtime_client: Any) -> None:
    response = runtime_client.converse(
        modelId=LITE, messages=[user("Where is my refund?")], toolConfig=FORCED, system=[{"text": "Be brief."}]
    )
    [block] = response["output"]["message"]["content"]
    assert block["toolUse"]["name"] == "verdict"
    assert block["toolUse"]["input"] == {"path": "refund", "note": "Where is my refund?"}
    assert response["stopReason"] == "tool_use"
    usage = response["usage"]
    assert usage["inputTokens"] > 0
    assert usage["totalTokens"] == usage["inputTokens"] + usage["outputTokens"]
    assert response["ResponseMetadata"]["HTTPHeaders"]["x-floodgate-model"] == "local"


def test_the_model_gets_system_text_flattened_tool_results_and_metadata(runtime_client: Any, server: Any) -> None:
    runtime_client.converse(
        modelId=LITE,
        system=[{"text": "One."}, {"text": "Two."}],
        messages=[
            user("Hello"),
            {"role": "assistant", "content": [{"toolUse": {"toolUseId": "t1", "name": "verdict", "input": {"a": 1}}}]},
            {
                "role": "user",
                "content": [{"toolResult": {"toolUseId": "t1", "content": [{"text": "wrong"}], "status": "error"}}],
            },
        ],
        toolConfig=FORCED,
        inferenceConfig={"maxTokens": 77},
        requestMetadata={"task": "verdict"},
    )
    [call] = server.model.calls
    assert call.system == "One.\n\nTwo."
    assert [(m.role, m.text) for m in call.messages] == [
        ("user", "Hello"),
        ("assistant", '{"a": 1}'),
        ("user", "wrong"),
    ]
    assert call.tool is not None
    assert call.tool.name == "verdict"
    assert (call.max_tokens, dict(call.metadata)) == (77, {"task": "verdict"})


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"messages": [user("a"), user("b")]}, "alternate between user and assistant"),
    ({"messages": [assistant("a")]}, "must start with a user message"),
    ({"messages": []}, "at least one message"),
    ({"messages": [{"role": "user", "content": []}]}, "content field in the Message object at messages.0 is empty"),
    ({"messages": [{"role": "user", "content": [{"text": " "}]}]}, "messages.0.content.0 is blank"),
    ({"messages": [user("a")], "toolConfig": {"tools": [TOOL], "toolChoice": {"tool": {"name": "nope"}}}}, "nope"),
    ({"messages": [user("a")], "toolConfig": {"tools": [TOOL, TOOL]}}, "more than one tool named verdict"),
    (
        {
            "messages": [
                user("a"),
                {"role": "assistant", "content": [{"toolUse": {"toolUseId": "x", "name": "ghost", "input": {}}}]},
                {"role": "user", "content": [{"toolResult": {"toolUseId": "x", "content": [{"text": "r"}]}}]},
            ],
            "toolConfig": {"tools": [TOOL]},
        },
        "The tool ghost used at messages.1.content.0",
    ),
    (
        {
            "messages": [
                user("a"),
                {"role": "assistant", "content": [{"toolUse": {"toolUseId": "x", "name": "verdict", "input": {}}}]},
                user("b"),
            ],
            "toolConfig": {"tools": [TOOL]},
        },
        "Expected toolResult blocks at messages.2.content for the following Ids: x",
    ),
    (
        {"messages": [user("a")], "system": [{"text": "s"}, {"cachePoint": {"type": "default"}}] * 5},
        "A maximum of 4 blocks with cache_control may be provided. Found 5.",
    ),
    ({"messages": [user("a")], "inferenceConfig": {"maxTokens": 10_001}}, "exceeds the model limit of 10000"),
    (
        {"messages": [user("a")], "inferenceConfig": {"temperature": 1.5}},
        "Value '1.5' at 'inferenceConfig.temperature' failed to satisfy constraint: "
        "Member must have value less than or equal to 1",
    ),
    (
        {"messages": [{"role": "robot", "content": [{"text": "a"}]}]},
        "at 'messages.1.member.role' failed to satisfy constraint: Member must satisfy enum value set",
    ),
]


@pytest.mark.parametrize(("request_", "words"), REFUSED)
def test_what_bedrock_refuses_is_refused_in_its_words(make_client: Any, request_: dict[str, Any], words: str) -> None:
    client = make_client()
    with pytest.raises(client.exceptions.ValidationException) as refused:
        client.converse(modelId=LITE, **request_)
    assert words in str(refused.value)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


@pytest.mark.parametrize(
    ("model_id", "words"),
    [
        ("amazon.nova-imaginary-v1:0", "The provided model identifier is invalid."),
        ("us.amazon.nova-lite-v1:0", "The provided model identifier is invalid."),
        ("anthropic.claude-haiku-4-5-20251001-v1:0", "with on-demand throughput isn’t supported"),
        ("amazon.titan-embed-text-v2:0", "Try again with a supported text or chat model."),
    ],
)
def test_a_model_that_cannot_be_called_is_refused(runtime_client: Any, model_id: str, words: str) -> None:
    with pytest.raises(ClientError) as refused:
        runtime_client.converse(modelId=model_id, messages=[user("a")])
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    assert words in str(refused.value)


def test_an_arn_of_an_inference_profile_names_the_model(runtime_client: Any) -> None:
    arn = f"arn:aws:bedrock:eu-central-1:000000000000:inference-profile/{LITE}"
    response = runtime_client.converse(modelId=arn, messages=[user("hello")])
    assert response["output"]["message"]["content"] == [{"text": "You said: hello"}]


def test_sampling_is_refused_where_the_model_takes_none(runtime_client: Any) -> None:
    with pytest.raises(ClientError, match=r"doesn't support the inferenceConfig.temperature"):
        runtime_client.converse(
            modelId="eu.anthropic.claude-haiku-5-5", messages=[user("a")], inferenceConfig={"temperature": 0}
        )


def test_output_beyond_max_tokens_is_cut_and_says_so(runtime_client: Any) -> None:
    response = runtime_client.converse(modelId=LITE, messages=[user("word " * 50)], inferenceConfig={"maxTokens": 10})
    assert response["stopReason"] == "max_tokens"
    assert response["usage"]["outputTokens"] <= 10


def test_json_text_is_answered_where_the_output_config_asks_for_it(runtime_client: Any) -> None:
    schema = '{"type": "object", "properties": {"ok": {"type": "boolean"}}}'
    text_format = {"type": "json_schema", "structure": {"jsonSchema": {"schema": schema, "name": "out"}}}
    response = runtime_client.converse(modelId=LITE, messages=[user("a")], outputConfig={"textFormat": text_format})
    assert response["output"]["message"]["content"] == [{"text": '{"ok": true}'}]


def test_a_stream_carries_the_same_answer_as_converse(runtime_client: Any) -> None:
    stream = runtime_client.converse_stream(modelId=LITE, messages=[user("Refund?")], toolConfig=FORCED)["stream"]
    events = list(stream)
    names = [next(iter(event)) for event in events]
    assert names[:2] == ["messageStart", "contentBlockStart"]
    assert names[-3:] == ["contentBlockStop", "messageStop", "metadata"]
    parts = [e["contentBlockDelta"]["delta"]["toolUse"]["input"] for e in events if "contentBlockDelta" in e]
    assert "".join(parts) == '{"path": "refund", "note": "Refund?"}'
    assert events[-1]["metadata"]["usage"]["outputTokens"] > 0


def test_a_model_that_breaks_is_an_internal_server_exception(
    runtime_client: Any, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_call: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(server.model, "complete", fail)
    with pytest.raises(runtime_client.exceptions.InternalServerException):
        runtime_client.converse(modelId=LITE, messages=[user("a")])
