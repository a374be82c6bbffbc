"""What Bedrock refuses in a Converse request although its shape is right, in the words AWS uses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from floodgate_local.aws_wire import check_body, validation_exception
from floodgate_local.bedrock.models import ModelInfo

MAX_CACHE_POINTS: Final = 4


def check_converse(model: ModelInfo, body: Mapping[str, Any], operation: str = "Converse") -> None:
    """Hold a Converse body against the service model and against the rules between its members.

    Raises:
        AwsError: 400 ValidationException with the first broken rule.
    """
    check_body("bedrock-runtime", operation, body)
    check_conversation(model, body)
    _check_inference(model, body.get("inferenceConfig") or {})


def check_conversation(model: ModelInfo, body: Mapping[str, Any]) -> None:
    """The rules that hold for CountTokens as well: messages, tools and cache points."""
    messages: Sequence[Mapping[str, Any]] = body.get("messages") or []
    _check_roles(messages)
    for position, message in enumerate(messages):
        _check_content(position, message)
    _check_tools(body.get("toolConfig"), messages, model)
    _check_tool_results(messages)
    _check_cache_points(body)


def _check_roles(messages: Sequence[Mapping[str, Any]]) -> None:
    if not messages:
        raise validation_exception("A conversation must contain at least one message. Add a message and try again.")
    if messages[0]["role"] != "user":
        raise validation_exception(
            "A conversation must start with a user message. "
            "Try again with a conversation that starts with a user message."
        )
    for before, after in pairwise(messages):
        if before["role"] == after["role"]:
            raise validation_exception(
                "A conversation must alternate between user and assistant roles. "
                "Make sure the conversation alternates between user and assistant roles and try again."
            )


def _check_content(position: int, message: Mapping[str, Any]) -> None:
    content = message["content"]
    if not content:
        raise validation_exception(
            f"The content field in the Message object at messages.{position} is empty. "
            "Add a ContentBlock object to the content field and try again."
        )
    for index, block in enumerate(content):
        if "text" in block and not block["text"].strip():
            raise validation_exception(
                f"The text field in the ContentBlock object at messages.{position}.content.{index} is blank. "
                "Add text to the text field, and try again."
            )
        wrong_side = ("toolUse" in block, "toolResult" in block)
        if wrong_side[0] and message["role"] != "assistant":
            raise validation_exception("toolUse blocks can only be provided in an assistant message.")
        if wrong_side[1] and message["role"] != "user":
            raise validation_exception("toolResult blocks can only be provided in a user message.")


def _check_tools(config: Mapping[str, Any] | None, messages: Sequence[Mapping[str, Any]], model: ModelInfo) -> None:
    if config is None:
        uses_tools = any("toolUse" in block or "toolResult" in block for m in messages for block in m["content"])
        if uses_tools:
            raise validation_exception(
                "The toolConfig field must be defined when using toolUse and toolResult content blocks."
            )
        return
    names = [tool["toolSpec"]["name"] for tool in config["tools"] if "toolSpec" in tool]
    _check_tool_specs(config["tools"], names, model)
    wanted = ((config.get("toolChoice") or {}).get("tool") or {}).get("name")
    if wanted is not None and wanted not in names:
        raise validation_exception(
            f"The tool {wanted} named in toolConfig.toolChoice.tool was not found in toolConfig.tools. "
            "Add the tool and try again."
        )
    _check_tool_uses(messages, names)


def _check_tool_specs(tools: Sequence[Mapping[str, Any]], names: Sequence[str], model: ModelInfo) -> None:
    for name in names:
        if names.count(name) > 1:
            raise validation_exception(f"The toolConfig.tools field has more than one tool named {name}.")
    for position, tool in enumerate(tools):
        if "cachePoint" in tool and "tools" not in model.cache_fields:
            raise validation_exception(
                "The model returned the following errors: Malformed input request: "
                f"#/toolConfig/tools/{position}: extraneous key [cachePoint] is not permitted, "
                "please reformat your input and try again."
            )
        schema = ((tool.get("toolSpec") or {}).get("inputSchema") or {}).get("json")
        if schema is not None and (not isinstance(schema, dict) or schema.get("type") != "object"):
            raise validation_exception(
                f"The value at toolConfig.tools.{position}.toolSpec.inputSchema.json.type must be one of the "
                "following: object."
            )


def _check_tool_uses(messages: Sequence[Mapping[str, Any]], names: Sequence[str]) -> None:
    for position, message in enumerate(messages):
        for index, block in enumerate(message["content"]):
            name = (block.get("toolUse") or {}).get("name")
            if name is not None and name not in names:
                raise validation_exception(
                    f"The tool {name} used at messages.{position}.content.{index}.toolUse was not found in "
                    "toolConfig.tools. Add the tool and try again."
                )


def _check_tool_results(messages: Sequence[Mapping[str, Any]]) -> None:
    for position, message in enumerate(messages):
        results = _ids(message, "toolResult")
        asked = _ids(messages[position - 1], "toolUse") if position else []
        missing = [tool_id for tool_id in asked if tool_id not in results]
        if missing:
            raise validation_exception(
                f"Expected toolResult blocks at messages.{position}.content for the following Ids: {', '.join(missing)}"
            )
        if len(results) > len(asked) or any(tool_id not in asked for tool_id in results):
            raise validation_exception(
                f"The number of toolResult blocks at messages.{position}.content exceeds the number of "
                "toolUse blocks of previous turn."
            )


def _ids(message: Mapping[str, Any], kind: str) -> list[str]:
    return [block[kind]["toolUseId"] for block in message["content"] if kind in block]


def _check_cache_points(body: Mapping[str, Any]) -> None:
    ttls = list(cache_point_ttls(body))
    if len(ttls) > MAX_CACHE_POINTS:
        raise validation_exception(
            f"A maximum of {MAX_CACHE_POINTS} blocks with cache_control may be provided. Found {len(ttls)}."
        )
    if any(before == "5m" and after == "1h" for before, after in pairwise(ttls)):
        raise validation_exception("a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block")


def cache_point_ttls(body: Mapping[str, Any]) -> Iterator[str]:
    """The time to live of every cache point, in the order in which the prompt is processed."""
    lists = [(body.get("toolConfig") or {}).get("tools") or [], body.get("system") or []]
    lists += [message["content"] for message in body.get("messages") or []]
    for blocks in lists:
        for block in blocks:
            if "cachePoint" in block:
                yield block["cachePoint"].get("ttl") or "5m"


def _check_inference(model: ModelInfo, config: Mapping[str, Any]) -> None:
    max_tokens = config.get("maxTokens")
    if max_tokens is not None and max_tokens > model.max_output_tokens:
        raise validation_exception(
            f"The maximum tokens you requested exceeds the model limit of {model.max_output_tokens}. "
            f"Try again with a maximum tokens value that is lower than {model.max_output_tokens}."
        )
    sampling = [name for name in ("temperature", "topP") if config.get(name) is not None]
    if sampling and not model.accepts_sampling:
        raise validation_exception(
            f"This model doesn't support the inferenceConfig.{sampling[0]} field. "
            f"Remove inferenceConfig.{sampling[0]} and try again."
        )
    if len(sampling) > 1 and model.exclusive_sampling:
        raise validation_exception(
            "The model returned the following errors: `temperature` and `top_p` cannot both be specified "
            "for this model. Please use only one."
        )


def check_context(model: ModelInfo, input_tokens: int) -> None:
    """Refuse what is longer than the model's context window.

    Raises:
        AwsError: 400 ValidationException.
    """
    if input_tokens > model.context_tokens:
        raise validation_exception("Input is too long for requested model.")
