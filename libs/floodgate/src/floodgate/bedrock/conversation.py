"""The pure half of a model call: the request to send, and what an answer means."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ValidationError

from floodgate.bedrock.contract import ModelRequest, T, Usage
from floodgate.bedrock.prices import ModelPrice
from floodgate.bedrock.schema import tool_schema

if TYPE_CHECKING:
    from mypy_boto3_bedrock_runtime.type_defs import ConverseRequestTypeDef

MODEL_HEADER: Final = "x-floodgate-model"
_CHARACTERS_PER_TOKEN: Final = 4  # rule of thumb; only used where no count is known yet
_NEAR_MINIMUM: Final = 0.8  # the estimate errs by this much: below it a cache point is hopeless
_MAX_ERRORS_SHOWN: Final = 8
_CUT_MESSAGE: Final = "The answer was cut off at the token limit. Answer again, shorter."


@dataclass(frozen=True)
class Accepted:
    """The answer fits."""

    value: Any
    raw: Mapping[str, Any]


@dataclass(frozen=True)
class Rejected:
    """The answer does not fit; `message` is what the model is shown and what a dead letter keeps."""

    content: Sequence[Mapping[str, Any]]
    message: str


@lru_cache(maxsize=64)
def cached_schema(output: type[BaseModel]) -> dict[str, Any]:
    return tool_schema(output)


@lru_cache(maxsize=64)
def _schema_text(output: type[BaseModel]) -> str:
    # Asked for three times with every call.
    return json.dumps(cached_schema(output))


def estimate_tokens(text: str) -> int:
    return -(-len(text) // _CHARACTERS_PER_TOKEN)


def prefix_text(request: ModelRequest[T]) -> str:
    """What every call of this prompt has in common: tool and system text."""
    prompt = request.prompt
    return prompt.tool_name + prompt.tool_description + _schema_text(prompt.output) + prompt.system


def cache_is_hopeless(request: ModelRequest[T], price: ModelPrice) -> str | None:
    """Why no cache point is worth sending, or None when one is."""
    if price.cache_minimum is None:
        return "the model does not cache prompts"
    tokens = estimate_tokens(prefix_text(request))
    if tokens < price.cache_minimum * _NEAR_MINIMUM:
        return f"the fixed prefix of about {tokens} tokens is below the model's minimum of {price.cache_minimum}"
    return None


def plan_call(
    request: ModelRequest[T], model_id: str, price: ModelPrice, rejected: Rejected | None = None
) -> ConverseRequestTypeDef:
    """The Converse request; with a rejected answer, the one that asks for its repair."""
    prompt = request.prompt
    system: list[Any] = [{"text": prompt.system}]
    if cache_is_hopeless(request, price) is None:
        system.append({"cachePoint": {"type": "default"}})
    inference: dict[str, Any] = {"maxTokens": prompt.max_tokens}
    if price.accepts_sampling:
        inference["temperature"] = 0.0
    specification = {
        "name": prompt.tool_name,
        "description": prompt.tool_description,
        "inputSchema": {"json": cached_schema(prompt.output)},
    }
    planned: dict[str, Any] = {
        "modelId": model_id,
        "system": system,
        "messages": [{"role": "user", "content": [{"text": request.user_text}]}, *_repair_turns(request, rejected)],
        "inferenceConfig": inference,
        "toolConfig": {
            "tools": [{"toolSpec": specification}],
            "toolChoice": {"tool": {"name": prompt.tool_name}},
        },
    }
    if request.metadata:
        planned["requestMetadata"] = dict(request.metadata)
    return planned  # type: ignore[return-value]  # a TypedDict of 30 nested ones, checked by boto itself


def _repair_turns(request: ModelRequest[T], rejected: Rejected | None) -> list[dict[str, Any]]:
    if rejected is None:
        return []
    name = request.prompt.tool_name
    uses = [block["toolUse"] for block in rejected.content if "toolUse" in block]
    if uses:
        answer: list[dict[str, Any]] = [{"toolUse": use} for use in uses]
        result = {"content": [{"text": rejected.message}], "status": "error"}
        reply: list[dict[str, Any]] = [{"toolResult": {"toolUseId": use["toolUseId"], **result}} for use in uses]
    else:
        texts = [block["text"] for block in rejected.content if block.get("text", "").strip()]
        answer = [{"text": "\n".join(texts) or "(no answer)"}]
        reply = [{"text": f"{rejected.message} Call the tool {name}."}]
    return [{"role": "assistant", "content": answer}, {"role": "user", "content": reply}]


def interpret(request: ModelRequest[T], response: Mapping[str, Any]) -> Accepted | Rejected:
    """Hold an answer against the prompt's output model and the request's own check."""
    prompt = request.prompt
    content = (((response.get("output") or {}).get("message")) or {}).get("content") or []
    tool_input = next(
        (b["toolUse"]["input"] for b in content if "toolUse" in b and b["toolUse"]["name"] == prompt.tool_name), None
    )
    cut = response.get("stopReason") == "max_tokens"
    if not isinstance(tool_input, dict):
        message = _CUT_MESSAGE if cut else f"The answer did not call the tool {prompt.tool_name}."
        return Rejected(content, message)
    try:
        value = prompt.output.model_validate(tool_input)
    except ValidationError as error:
        return Rejected(content, _CUT_MESSAGE if cut else _validation_message(error))
    if request.check is not None:
        try:
            request.check(value)
        except ValueError as error:
            return Rejected(content, str(error) or type(error).__name__)
    return Accepted(value, tool_input)


def _validation_message(error: ValidationError) -> str:
    # Without inputs: the message also goes where customer text must not.
    found = error.errors(include_url=False, include_input=False, include_context=False)
    lines = [f"{'.'.join(str(part) for part in item['loc']) or 'input'}: {item['msg']}" for item in found]
    more = f" (and {len(lines) - _MAX_ERRORS_SHOWN} more)" if len(lines) > _MAX_ERRORS_SHOWN else ""
    return "; ".join(lines[:_MAX_ERRORS_SHOWN]) + more


def read_usage(response: Mapping[str, Any], model_id: str, price: ModelPrice, latency_ms: int) -> Usage:
    """What one Converse response used."""
    counts = response.get("usage") or {}
    tokens = {
        "input_tokens": int(counts.get("inputTokens") or 0),
        "output_tokens": int(counts.get("outputTokens") or 0),
        "cache_read_tokens": int(counts.get("cacheReadInputTokens") or 0),
        "cache_write_tokens": int(counts.get("cacheWriteInputTokens") or 0),
    }
    return Usage(
        model_id=model_id,
        model_label=model_label(response, model_id),
        input_tokens=tokens["input_tokens"],
        output_tokens=tokens["output_tokens"],
        cache_read_tokens=tokens["cache_read_tokens"],
        cache_write_tokens=tokens["cache_write_tokens"],
        cost_usd=price.cost_usd(**tokens),
        latency_ms=latency_ms,
        calls=1,
    )


def model_label(response: Mapping[str, Any], model_id: str) -> str:
    """Who answered: the model, or the local model in its place."""
    headers = (response.get("ResponseMetadata") or {}).get("HTTPHeaders") or {}
    bare = model_id.rsplit("/", 1)[-1]
    for geography in ("eu.", "us.", "apac.", "global."):
        bare = bare.removeprefix(geography)
    return f"local model (as {bare})" if headers.get(MODEL_HEADER) == "local" else bare
