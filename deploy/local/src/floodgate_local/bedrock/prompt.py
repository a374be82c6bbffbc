"""A Converse request as the prompt cache sees it (blocks) and as the model sees it (a `ModelCall`)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from floodgate_nlu.types import ChatMessage, ModelCall, ToolSpec

from floodgate_local.bedrock.models import ModelInfo
from floodgate_local.bedrock.prompt_cache import Block
from floodgate_local.bedrock.tokens import MESSAGE_OVERHEAD_TOKENS, TOOL_OVERHEAD_TOKENS, count_tokens

DEFAULT_MAX_TOKENS: Final = 4_096
MEDIA_TOKENS: Final = 1_600  # what an image or a page costs on average; only text reaches the local model


def prompt_blocks(body: Mapping[str, Any], model: ModelInfo) -> list[Block]:
    """The request in the order in which prefixes are cached: tools, system, messages."""
    tools = (body.get("toolConfig") or {}).get("tools") or []
    parts: list[tuple[str, Sequence[Mapping[str, Any]]]] = [
        ("tools", tools),
        ("system", body.get("system") or []),
    ]
    blocks: list[Block] = []
    for name, items in parts:
        _append(blocks, items, f"{name}\0", name in model.cache_fields)
    for message in body.get("messages") or []:
        role = message["role"]
        blocks.append(Block(f"message\0{role}", MESSAGE_OVERHEAD_TOKENS))
        _append(blocks, message["content"], f"{role}\0", "messages" in model.cache_fields)
    return blocks


def _append(blocks: list[Block], items: Sequence[Mapping[str, Any]], prefix: str, cacheable: bool) -> None:
    for item in items:
        point = item.get("cachePoint")
        if point is None:
            blocks.append(_block(item, prefix))
        elif cacheable and blocks:
            last = blocks[-1]
            blocks[-1] = Block(last.content, last.tokens, point.get("ttl") or "5m")


def _block(item: Mapping[str, Any], prefix: str) -> Block:
    if "text" in item:
        return Block(prefix + item["text"], count_tokens(item["text"]))
    content = json.dumps(item, ensure_ascii=False, separators=(",", ":"))
    if any(kind in item for kind in ("image", "document", "video", "audio")):
        return Block(prefix + content, MEDIA_TOKENS)
    overhead = TOOL_OVERHEAD_TOKENS if "toolSpec" in item else 0
    return Block(prefix + content, count_tokens(content) + overhead)


def model_call(body: Mapping[str, Any], model: ModelInfo) -> ModelCall:
    """What the local model is asked."""
    config = body.get("inferenceConfig") or {}
    system = "\n\n".join(block["text"] for block in body.get("system") or [] if "text" in block)
    return ModelCall(
        system=system,
        messages=tuple(ChatMessage(m["role"], _message_text(m["content"])) for m in body.get("messages") or []),
        tool=_tool(body),
        max_tokens=config.get("maxTokens") or min(DEFAULT_MAX_TOKENS, model.max_output_tokens),
        metadata=dict(body.get("requestMetadata") or {}),
    )


def wants_json_text(body: Mapping[str, Any]) -> bool:
    """True when `outputConfig.textFormat` asks for JSON as the answer's text instead of a tool call."""
    return _text_format(body) is not None and not (body.get("toolConfig") or {}).get("tools")


def _text_format(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    text_format = ((body.get("outputConfig") or {}).get("textFormat")) or {}
    return ((text_format.get("structure")) or {}).get("jsonSchema")


def _tool(body: Mapping[str, Any]) -> ToolSpec | None:
    config = body.get("toolConfig") or {}
    specs = [tool["toolSpec"] for tool in config.get("tools") or [] if "toolSpec" in tool]
    choice = config.get("toolChoice") or {}
    if "tool" in choice:
        specs = [spec for spec in specs if spec["name"] == choice["tool"]["name"]]
    # With several tools and no forced one the local model has no ground to choose: it answers in text, or
    # takes the first where any tool must be called.
    if len(specs) == 1 or (specs and "any" in choice):
        spec = specs[0]
        return ToolSpec(spec["name"], spec.get("description") or "", spec["inputSchema"].get("json") or {})
    wanted = _text_format(body)
    if not specs and wanted is not None:
        return ToolSpec(wanted.get("name") or "output", wanted.get("description") or "", json.loads(wanted["schema"]))
    return None


def _message_text(content: Sequence[Mapping[str, Any]]) -> str:
    return "\n".join(text for block in content for text in _texts(block))


def _texts(block: Mapping[str, Any]) -> Iterator[str]:
    if "text" in block:
        yield block["text"]
    elif "guardContent" in block:
        yield ((block["guardContent"].get("text")) or {}).get("text", "")
    elif "toolUse" in block:
        yield json.dumps(block["toolUse"]["input"], ensure_ascii=False)
    elif "toolResult" in block:
        for item in block["toolResult"]["content"]:
            yield item["text"] if "text" in item else json.dumps(item.get("json"), ensure_ascii=False)
