"""A question in a model's own form, as batch inference takes it, and its answer in Converse's form. Pure.

Jobs of the type Converse refuse tools; those of the type InvokeModel take them in the model's own body.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from keyflow.errors import FatalError

from floodgate.bedrock.contract import ModelRequest, T, Usage
from floodgate.bedrock.conversation import MODEL_HEADER, plan_call, read_usage
from floodgate.bedrock.prices import ModelPrice

BATCH: Final = "batch"


def native_body(request: ModelRequest[T], model_id: str, price: ModelPrice) -> dict[str, Any]:
    """The body of InvokeModel for a question; without a cache point, which batch inference does not read.

    Raises:
        FatalError: Neither Nova nor Claude.
    """
    planned: dict[str, Any] = {**plan_call(request, model_id, price)}
    planned["system"] = [block for block in planned["system"] if "text" in block]
    if "anthropic." in model_id:
        return _anthropic(planned)
    if "amazon.nova" in model_id:
        return {
            "schemaVersion": "messages-v1",
            **{name: planned[name] for name in ("system", "messages", "inferenceConfig", "toolConfig")},
        }
    raise FatalError(f"batch inference knows the bodies of Amazon Nova and Anthropic Claude only, not of {model_id}")


def _anthropic(planned: Mapping[str, Any]) -> dict[str, Any]:
    inference, tools = planned["inferenceConfig"], planned["toolConfig"]
    specifications = [tool["toolSpec"] for tool in tools["tools"]]
    return {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": inference["maxTokens"],
        **({"temperature": inference["temperature"]} if "temperature" in inference else {}),
        "system": "\n\n".join(block["text"] for block in planned["system"]),
        "messages": [
            {"role": message["role"], "content": [{"type": "text", "text": b["text"]} for b in message["content"]]}
            for message in planned["messages"]
        ],
        "tools": [
            {"name": s["name"], "description": s["description"], "input_schema": s["inputSchema"]["json"]}
            for s in specifications
        ],
        "tool_choice": {"type": "tool", "name": tools["toolChoice"]["tool"]["name"]},
    }


def converse_response(output: Mapping[str, Any]) -> Mapping[str, Any]:
    """A model's own answer as Converse gives it; Nova's is that already."""
    metadata = {"ResponseMetadata": {"HTTPHeaders": {MODEL_HEADER: str(output.get(MODEL_HEADER, ""))}}}
    if output.get("type") != "message":
        return {**output, **metadata}
    usage = output.get("usage") or {}
    return {
        "output": {"message": {"role": "assistant", "content": [_block(b) for b in output.get("content") or []]}},
        "stopReason": output.get("stop_reason"),
        "usage": {
            "inputTokens": usage.get("input_tokens"),
            "outputTokens": usage.get("output_tokens"),
            "cacheReadInputTokens": usage.get("cache_read_input_tokens"),
            "cacheWriteInputTokens": usage.get("cache_creation_input_tokens"),
        },
        **metadata,
    }


def _block(block: Mapping[str, Any]) -> dict[str, Any]:
    if block.get("type") == "tool_use":
        return {"toolUse": {"toolUseId": block["id"], "name": block["name"], "input": block["input"]}}
    return {"text": str(block.get("text", ""))}


def batch_usage(response: Mapping[str, Any], model_id: str, price: ModelPrice) -> Usage:
    """What one answer of a job used, at the price of batch inference; nobody measures its latency."""
    usage = read_usage(response, model_id, price, latency_ms=0)
    return replace(usage, cost_usd=usage.cost_usd * price.batch_factor, mode=BATCH)
