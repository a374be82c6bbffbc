"""One model call from the checked request to content, stop reason and usage."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from floodgate_nlu.types import Completion, ModelCall

from floodgate_local.aws_wire import Caller
from floodgate_local.bedrock.config import Latency, TextModel
from floodgate_local.bedrock.converse_rules import check_context
from floodgate_local.bedrock.faults import Fault, FaultInjector, break_schema, raise_fault
from floodgate_local.bedrock.models import ModelInfo
from floodgate_local.bedrock.prompt import model_call, prompt_blocks, wants_json_text
from floodgate_local.bedrock.prompt_cache import PromptCache
from floodgate_local.bedrock.stats import Stats, TokenUsage
from floodgate_local.bedrock.tokens import count_tokens, truncate_to_tokens

_TOOL_USE_ID_BYTES: Final = 16
_MALFORMED_KINDS: Final = ("text", "truncated", "malformed_tool_use")


@dataclass(frozen=True, slots=True)
class Answer:
    """What every text operation answers, each in its own form."""

    content: list[dict[str, Any]]
    stop_reason: str
    usage: TokenUsage
    latency_ms: int


@dataclass(frozen=True, slots=True)
class _Output:
    content: list[dict[str, Any]]
    stop_reason: str
    tokens: int


class Runtime:
    """The model, the prompt cache, the latency and the faults behind the wire."""

    def __init__(self, model: TextModel, latency: Latency, faults: FaultInjector, threads: int) -> None:
        self._model = model
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="local-model")
        self.latency = latency
        self.faults = faults
        self.cache = PromptCache(time.monotonic)
        self.stats = Stats()

    async def answer(self, caller: Caller, model: ModelInfo, body: Mapping[str, Any], fault: Fault | None) -> Answer:
        """Answer a Converse body that was checked before."""
        started = time.monotonic()
        blocks = prompt_blocks(body, model)
        input_tokens = sum(block.tokens for block in blocks)
        check_context(model, input_tokens)
        plan = self.cache.look(caller.account, model, blocks)
        call = model_call(body, model)
        completion = await self._in_pool(self._model.complete, call)
        output = self._output(call, completion, fault, as_text=wants_json_text(body))
        await self.hold(started, fault)
        self.cache.keep(plan)
        cached = plan.use.read_tokens + plan.use.write_tokens
        usage = TokenUsage(
            input_tokens - cached,
            output.tokens,
            plan.use.read_tokens,
            plan.use.write_tokens,
            plan.use.write_ttl,
        )
        self.stats.usage(usage)
        return Answer(output.content, output.stop_reason, usage, round((time.monotonic() - started) * 1_000))

    async def embed(self, text: str, dimensions: int, fault: Fault | None) -> list[float]:
        """One embedding, and its tokens counted."""
        started = time.monotonic()
        vector = await self._in_pool(self._model.embed, text, dimensions)
        await self.hold(started, fault)
        self.stats.usage(TokenUsage(input_tokens=count_tokens(text)))
        return [float(value) for value in vector]

    def draw_fault(self, operation: str) -> Fault | None:
        """The fault that hits this call; one that refuses it is raised.

        Raises:
            AwsError: The refusal.
        """
        fault = self.faults.draw(operation)
        if fault is not None:
            self.stats.fault(fault.value)
            raise_fault(fault, self.faults)
        return fault

    async def hold(self, started: float, fault: Fault | None) -> None:
        """Wait out the drawn response time, and the stall if this call stalls."""
        wait = started + self.latency.draw_seconds() - time.monotonic()
        if fault is Fault.STALL:
            wait = max(wait, 0) + self.faults.settings.stall_seconds
        if wait > 0:
            await asyncio.sleep(wait)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _in_pool(self, function: Any, *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *args)

    def _output(self, call: ModelCall, completion: Completion, fault: Fault | None, *, as_text: bool) -> _Output:
        tool_input = completion.tool_input
        if tool_input is None or call.tool is None:
            return _text_output(completion.text or "", call.max_tokens)
        if fault is Fault.SCHEMA_BREAKING:
            tool_input = break_schema(tool_input, call.tool.schema, self.faults)
        if fault is Fault.MALFORMED:
            return self._malformed(call, tool_input)
        if as_text:
            return _text_output(json.dumps(tool_input, ensure_ascii=False), call.max_tokens)
        return _tool_output(call.tool.name, tool_input, call.max_tokens)

    def _malformed(self, call: ModelCall, tool_input: Mapping[str, Any]) -> _Output:
        kind: str = self.faults.settings.malformed_kind
        if kind == "any":
            kind = self.faults.variant(_MALFORMED_KINDS)
        text = json.dumps(tool_input, ensure_ascii=False)
        if kind == "text":
            return _text_output(f"Here is the result: {text}", call.max_tokens)
        cut = text[: max(len(text) // 2, 1)]
        stop_reason = "max_tokens" if kind == "truncated" else "malformed_tool_use"
        return _Output([{"text": cut}], stop_reason, count_tokens(cut))


def _text_output(text: str, max_tokens: int) -> _Output:
    shown = truncate_to_tokens(text, max_tokens)
    stop_reason = "end_turn" if len(shown) == len(text) else "max_tokens"
    return _Output([{"text": shown}] if shown else [], stop_reason, count_tokens(shown))


def _tool_output(name: str, tool_input: Mapping[str, Any], max_tokens: int) -> _Output:
    kept, tokens = _leading_members(tool_input, max_tokens)
    tool_use = {
        "toolUseId": f"tooluse_{secrets.token_urlsafe(_TOOL_USE_ID_BYTES)}",
        "name": name,
        "input": kept,
    }
    complete = len(kept) == len(tool_input)
    return _Output([{"toolUse": tool_use}], "tool_use" if complete else "max_tokens", tokens)


def _leading_members(tool_input: Mapping[str, Any], max_tokens: int) -> tuple[dict[str, Any], int]:
    """The members that fit: a tool call cut by maxTokens arrives with the members finished until then."""
    kept: dict[str, Any] = {}
    tokens = 2  # the braces
    for name, value in tool_input.items():
        cost = count_tokens(json.dumps({name: value}, ensure_ascii=False))
        if tokens + cost > max_tokens:
            return kept, max_tokens
        kept[name] = value
        tokens += cost
    return kept, tokens
