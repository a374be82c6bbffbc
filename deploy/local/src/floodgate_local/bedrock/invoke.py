"""InvokeModel bodies: Anthropic Messages, Nova messages and Titan text embeddings v2.

The first two are translated into a Converse body, so that one set of rules, one prompt cache and one model
call serve both ways in.
"""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final

from floodgate_local.aws_wire import validation_exception
from floodgate_local.bedrock.converse_rules import check_converse
from floodgate_local.bedrock.models import ModelInfo
from floodgate_local.bedrock.runtime import Answer
from floodgate_local.bedrock.tokens import count_tokens

TITAN_DIMENSIONS: Final = (256, 512, 1024)
TITAN_MAX_TOKENS: Final = 8_192
TITAN_MAX_CHARACTERS: Final = 50_000
_TITAN_FIELDS: Final = frozenset({"inputText", "dimensions", "normalize", "embeddingTypes"})
_ANTHROPIC_VERSION: Final = "bedrock-2023-05-31"


def parse_invoke_body(raw: bytes) -> dict[str, Any]:
    """The model's own JSON.

    Raises:
        AwsError: 400 ValidationException in Bedrock's words.
    """
    try:
        body = json.loads(raw)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise malformed("expected type: JSONObject")
    return body


def malformed(detail: str) -> Exception:
    return validation_exception(f"Malformed input request: {detail}, please reformat your input and try again.")


def as_converse(model: ModelInfo, body: Mapping[str, Any]) -> dict[str, Any]:
    """The Converse body that means the same as a model's own, held against the rules.

    Raises:
        AwsError: 400 ValidationException with the first broken rule.
    """
    converse = converse_of_anthropic(body) if model.is_anthropic else converse_of_nova(body)
    check_converse(model, converse)
    return converse


def native_response(model: ModelInfo, answer: Answer) -> dict[str, Any]:
    """The answer as InvokeModel gives it."""
    return anthropic_response(model, answer) if model.is_anthropic else converse_response(answer)


def converse_response(answer: Answer) -> dict[str, Any]:
    """The answer as Converse gives it."""
    usage = answer.usage
    counts: dict[str, Any] = {
        "inputTokens": usage.input_tokens,
        "outputTokens": usage.output_tokens,
        "totalTokens": usage.total_tokens,
        "cacheReadInputTokens": usage.cache_read_tokens,
        "cacheWriteInputTokens": usage.cache_write_tokens,
    }
    if usage.cache_write_ttl:
        counts["cacheDetails"] = [{"ttl": usage.cache_write_ttl, "inputTokens": usage.cache_write_tokens}]
    return {
        "output": {"message": {"role": "assistant", "content": answer.content}},
        "stopReason": answer.stop_reason,
        "usage": counts,
        "metrics": {"latencyMs": answer.latency_ms},
    }


# --- Anthropic Messages -----------------------------------------------------------------------------------


def converse_of_anthropic(body: Mapping[str, Any]) -> dict[str, Any]:
    """The Converse body that means the same.

    Raises:
        AwsError: 400 ValidationException for a missing or malformed member.
    """
    if body.get("anthropic_version") != _ANTHROPIC_VERSION:
        raise validation_exception(
            "anthropic_version: Field required"
            if "anthropic_version" not in body
            else "anthropic_version: unsupported version"
        )
    for name in ("max_tokens", "messages"):
        if name not in body:
            raise validation_exception(f"{name}: Field required")
    converse: dict[str, Any] = {
        "messages": [_message(position, message) for position, message in enumerate(_list(body, "messages"))],
        "inferenceConfig": _inference(
            body,
            {
                "max_tokens": "maxTokens",
                "temperature": "temperature",
                "top_p": "topP",
                "stop_sequences": "stopSequences",
            },
        ),
    }
    system = body.get("system")
    if system:
        blocks = [{"type": "text", "text": system}] if isinstance(system, str) else _list(body, "system")
        converse["system"] = _content(blocks, "system")
    if body.get("tools"):
        converse["toolConfig"] = _tool_config(body)
    return converse


def _inference(body: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {name: body[key] for key, name in names.items() if body.get(key) is not None}


def _list(body: Mapping[str, Any], name: str) -> list[Any]:
    value = body[name]
    if not isinstance(value, list):
        raise validation_exception(f"{name}: Input should be a valid list")
    return value


def _message(position: int, message: Any) -> dict[str, Any]:
    if not isinstance(message, dict) or "role" not in message or "content" not in message:
        raise validation_exception(f"messages.{position}: Input should be an object with role and content")
    content = message["content"]
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return {"role": message["role"], "content": _content(blocks, f"messages.{position}.content")}


def _content(blocks: Any, path: str) -> list[dict[str, Any]]:
    if not isinstance(blocks, list):
        raise validation_exception(f"{path}: Input should be a valid list")
    converted = []
    for position, block in enumerate(blocks):
        try:
            converted.append(_block(block))
        except (KeyError, TypeError, AttributeError):
            raise validation_exception(f"{path}.{position}: Input does not match any content block") from None
        if block.get("cache_control"):
            converted.append(_cache_point(block["cache_control"]))
    return converted


def _block(block: Mapping[str, Any]) -> dict[str, Any]:
    match block["type"]:
        case "text":
            return {"text": block["text"]}
        case "tool_use":
            return {"toolUse": {"toolUseId": block["id"], "name": block["name"], "input": block["input"]}}
        case "tool_result":
            return {"toolResult": _tool_result(block)}
        case "image":
            source = block["source"]
            image_format = source["media_type"].partition("/")[2]
            return {"image": {"format": image_format, "source": {"bytes": source["data"]}}}
        case _:
            raise KeyError(block["type"])


def _tool_result(block: Mapping[str, Any]) -> dict[str, Any]:
    content = block.get("content") or ""
    texts = [{"text": content}] if isinstance(content, str) else [{"text": part["text"]} for part in content]
    status = "error" if block.get("is_error") else "success"
    return {"toolUseId": block["tool_use_id"], "content": texts, "status": status}


def _cache_point(control: Mapping[str, Any]) -> dict[str, Any]:
    point = {"type": "default"}
    if control.get("ttl"):
        point["ttl"] = control["ttl"]
    return {"cachePoint": point}


def _tool_config(body: Mapping[str, Any]) -> dict[str, Any]:
    tools: list[dict[str, Any]] = []
    for position, tool in enumerate(_list(body, "tools")):
        if not isinstance(tool, dict) or "name" not in tool or "input_schema" not in tool:
            raise validation_exception(f"tools.{position}: Input should have name and input_schema")
        spec = {"name": tool["name"], "inputSchema": {"json": tool["input_schema"]}}
        if tool.get("description"):
            spec["description"] = tool["description"]
        tools.append({"toolSpec": spec})
        if tool.get("cache_control"):
            tools.append(_cache_point(tool["cache_control"]))
    config: dict[str, Any] = {"tools": tools}
    choice = body.get("tool_choice") or {}
    match choice.get("type"):
        case "any" | "auto" as kind:
            config["toolChoice"] = {kind: {}}
        case "tool":
            config["toolChoice"] = {"tool": {"name": choice.get("name")}}
        case None:
            pass
        case _:
            raise validation_exception("tool_choice: Input tag does not match any of: 'auto', 'any', 'tool'")
    return config


def anthropic_response(model: ModelInfo, answer: Answer) -> dict[str, Any]:
    """The answer as the Messages API gives it."""
    usage = answer.usage
    return {
        "model": model.model_id.removeprefix("anthropic.").removesuffix("-v1:0"),
        "id": f"msg_bdrk_{secrets.token_hex(12)}",
        "type": "message",
        "role": "assistant",
        "content": [_anthropic_block(block) for block in answer.content],
        "stop_reason": answer.stop_reason,
        "stop_sequence": None,
        "usage": {
            "input_tokens": usage.input_tokens,
            "cache_creation_input_tokens": usage.cache_write_tokens,
            "cache_read_input_tokens": usage.cache_read_tokens,
            "output_tokens": usage.output_tokens,
        },
    }


def _anthropic_block(block: Mapping[str, Any]) -> dict[str, Any]:
    if "toolUse" not in block:
        return {"type": "text", "text": block["text"]}
    use = block["toolUse"]
    return {"type": "tool_use", "id": use["toolUseId"], "name": use["name"], "input": use["input"]}


# --- Nova -------------------------------------------------------------------------------------------------


def converse_of_nova(body: Mapping[str, Any]) -> dict[str, Any]:
    """Nova's own body is Converse with other names in `inferenceConfig`.

    Raises:
        AwsError: 400 ValidationException for a key that Nova does not know.
    """
    known = {"schemaVersion", "messages", "system", "inferenceConfig", "toolConfig"}
    unknown = sorted(set(body) - known)
    if unknown:
        raise malformed(f"#: extraneous key [{unknown[0]}] is not permitted")
    config = body.get("inferenceConfig") or {}
    if not isinstance(config, dict):
        raise malformed("#/inferenceConfig: expected type: JSONObject")
    names = {
        "max_new_tokens": "maxTokens",
        "maxTokens": "maxTokens",
        "temperature": "temperature",
        "top_p": "topP",
        "topP": "topP",
        "stopSequences": "stopSequences",
    }
    converse = {name: body[name] for name in ("messages", "system", "toolConfig") if name in body}
    return {**converse, "inferenceConfig": _inference(config, names)}


# --- Titan text embeddings v2 -----------------------------------------------------------------------------


def check_titan(body: Mapping[str, Any]) -> tuple[str, int, bool, Sequence[str]]:
    """The text, the dimensions, whether to normalise and the kinds of embedding asked for.

    Raises:
        AwsError: 400 ValidationException in Titan's words.
    """
    unknown = sorted(set(body) - _TITAN_FIELDS)
    if unknown:
        raise malformed(f"extraneous key [{unknown[0]}] is not permitted")
    text = body.get("inputText")
    if not isinstance(text, str):
        raise malformed("required key [inputText] not found")
    if not text:
        raise malformed("expected minLength: 1, actual: 0")
    if len(text) > TITAN_MAX_CHARACTERS:
        raise malformed(f"expected maxLength: {TITAN_MAX_CHARACTERS}, actual: {len(text)}")
    dimensions = body.get("dimensions", 1_024)
    if dimensions not in TITAN_DIMENSIONS:
        raise malformed(f"{dimensions!r} is not a valid enum value")
    normalize = body.get("normalize", True)
    if not isinstance(normalize, bool):
        raise malformed("#/normalize: expected type: Boolean")
    kinds = body.get("embeddingTypes", ["float"])
    if not isinstance(kinds, list) or not kinds or not set(kinds) <= {"float", "binary"}:
        raise malformed("#/embeddingTypes: expected values: float, binary")
    tokens = count_tokens(text)
    if tokens > TITAN_MAX_TOKENS:
        raise validation_exception(
            f"400 Bad Request: Too many input tokens. Max input tokens: {TITAN_MAX_TOKENS}, "
            f"request input token count: {tokens} "
        )
    return text, dimensions, normalize, kinds


def titan_response(vector: list[float], text: str, *, normalize: bool, kinds: Sequence[str]) -> dict[str, Any]:
    """The embedding as Titan answers it."""
    if normalize:
        length = math.sqrt(sum(value * value for value in vector)) or 1.0
        vector = [value / length for value in vector]
    by_kind: dict[str, list[float]] = {}
    if "float" in kinds:
        by_kind["float"] = vector
    if "binary" in kinds:
        by_kind["binary"] = [1 if value > 0 else 0 for value in vector]
    response: dict[str, Any] = {"inputTextTokenCount": count_tokens(text), "embeddingsByType": by_kind}
    return {"embedding": vector, **response} if "float" in kinds else response
