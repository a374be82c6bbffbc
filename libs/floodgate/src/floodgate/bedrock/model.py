"""The one client through which all services call models on Bedrock."""

from __future__ import annotations

import asyncio
import json
import random
import time
from array import array
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog
from keyflow import resting
from keyflow.errors import FatalError, PoisonMessageError, RetryableError
from opentelemetry.trace import SpanKind

from floodgate.bedrock.budget import Budget
from floodgate.bedrock.contract import ModelRequest, ModelResult, T, Usage
from floodgate.bedrock.conversation import (
    Accepted,
    Rejected,
    estimate_tokens,
    interpret,
    plan_call,
    prefix_text,
    read_usage,
)
from floodgate.bedrock.errors import ModelThrottledError
from floodgate.bedrock.limiter import Limiter, embed_limiter
from floodgate.bedrock.lines import Line, Lines
from floodgate.bedrock.prices import ModelPrice, PriceTable
from floodgate.bedrock.settings import BedrockSettings
from floodgate.bedrock.transport import Attempt, Charge, ClientFactory, Transport, make_client
from floodgate.tracing import span

_BACKOFF_BASE_SECONDS: Final = 0.2
_THROTTLED_BASE_SECONDS: Final = 0.5
_BACKOFF_CAP_SECONDS: Final = 8.0
_REQUEST_OVERHEAD_TOKENS: Final = 600  # what a model adds around messages and tools, at the most


class BedrockModel:
    """Asks a model through Converse with a forced tool, validates, repairs once, retries, and keeps the books.

    Nothing is opened before the first call. One instance belongs to one event loop.

    Args:
        settings: Where, which model, how many at a time, how much money.
        prices: The price table; the packaged one, or the file that the settings name, when left out.
        limiter: The limit on calls of the first model; an adaptive one within the share of the settings when left out.
        budget: The cap on spending, where several clients share one; one of its own when left out.
        client_factory: Makes the boto3 client (tests pass a fake).
        on_usage: Called with the usage of every answer that arrived in time, failed repairs included.
        jitter: Draws a wait between two bounds, in seconds.
        sleep: Waits between attempts.
        log: Where warnings go; structlog's configured logger when left out.
    """

    def __init__(
        self,
        settings: BedrockSettings,
        prices: PriceTable | None = None,
        limiter: Limiter | None = None,
        *,
        budget: Budget | None = None,
        client_factory: ClientFactory = make_client,
        on_usage: Callable[[Usage], None] | None = None,
        jitter: Callable[[float, float], float] = random.uniform,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        log: Any = None,
    ) -> None:
        log = log if log is not None else structlog.get_logger("floodgate.bedrock")
        self._settings = settings
        self._prices = prices or PriceTable.load(settings.price_file)
        self._embed_price = self._prices.price(settings.embed_model_id)
        self._budget = budget or Budget(settings.max_usd)
        self._lines = Lines(settings, self._prices, limiter, log, time.monotonic)
        self._embed_limiter = embed_limiter(settings)
        self._transport = Transport(settings, self._budget, client_factory)
        self._on_usage = on_usage
        self._jitter = jitter
        self._sleep = sleep
        # Numbers as they are, 8 bytes each: in a list of floats they take four times that.
        self._vectors: OrderedDict[str, array[float]] = OrderedDict()
        self._log = log

    @property
    def spent_usd(self) -> float:
        """What this process spent so far, late answers included."""
        return self._budget.spent_usd

    def close(self) -> None:
        """Close the connections; calls under way are not waited for."""
        self._transport.close()

    async def call(self, request: ModelRequest[T]) -> ModelResult[T]:
        """Ask the model and return a validated answer.

        Raises:
            RetryableError: Throttling, failures or time-outs outlasted the attempts or the deadline.
            PoisonMessageError: The answer still broke the schema or the check after one repair, or Bedrock
                refuses this request.
            FatalError: Credentials, access, model or budget do not allow the call.
        """
        ends_at = self._ends_at(request)
        outcome, usage = await self._ask(request, None, ends_at)
        return await self._settled(request, outcome, usage, ends_at)

    async def take(self, request: ModelRequest[T], response: Mapping[str, Any], usage: Usage) -> ModelResult[T]:
        """Like `call`, for an answer that is there already (batch inference): only a repair asks the model.

        Args:
            request: The question.
            response: The answer, in Converse's form.
            usage: What the answer cost.

        Raises:
            RetryableError: As for `call`.
            PoisonMessageError: As for `call`.
            FatalError: As for `call`.
        """
        self._report(usage)
        return await self._settled(request, interpret(request, response), usage, self._ends_at(request))

    def _ends_at(self, request: ModelRequest[T]) -> float:
        own = request.deadline_seconds
        return time.monotonic() + (self._settings.deadline_seconds if own is None else own)

    async def _settled(
        self, request: ModelRequest[T], first: Accepted | Rejected, usage: Usage, ends_at: float
    ) -> ModelResult[T]:
        if isinstance(first, Accepted):
            return ModelResult(first.value, usage, repaired=False, raw=first.raw)
        self._log.warning(
            "bedrock.repair", prompt=request.prompt.name, prompt_version=request.prompt.version, stage="asked"
        )
        outcome, repair_usage = await self._ask(request, first, ends_at)
        if isinstance(outcome, Accepted):
            return ModelResult(outcome.value, usage + repair_usage, repaired=True, raw=outcome.raw)
        raise _poison(request, first, outcome)

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector per text, in order; the latest texts are remembered.

        Raises:
            RetryableError: As for `call`.
            PoisonMessageError: As for `call`.
            FatalError: As for `call`.
        """
        ends_at = time.monotonic() + self._settings.deadline_seconds
        known = {text: self._vectors[text] for text in texts if text in self._vectors}
        missing = list(dict.fromkeys(text for text in texts if text not in known))
        found = await asyncio.gather(*(self._embed_one(text, ends_at) for text in missing))
        known.update((text, array("d", vector)) for text, vector in zip(missing, found, strict=True))
        self._remember(known)
        return [list(known[text]) for text in texts]

    async def _ask(
        self, request: ModelRequest[T], rejected: Rejected | None, ends_at: float
    ) -> tuple[Accepted | Rejected, Usage]:
        def of(number: int) -> _Try:
            line = self._lines.choose(number)
            planned = plan_call(request, line.model_id, line.price, rejected)

            def run() -> Attempt:
                started_at = time.monotonic()
                response = self._transport.converse(planned)
                latency_ms = round((time.monotonic() - started_at) * 1_000)
                return Attempt(response, read_usage(response, line.model_id, line.price, latency_ms), started_at)

            return _Try(run, _charge(request, rejected, line.price), line.limiter, line)

        asked = {"gen_ai.system": "aws.bedrock", "floodgate.prompt": f"{request.prompt.name}@{request.prompt.version}"}
        with span("bedrock converse", asked, kind=SpanKind.CLIENT) as current:
            attempt, line = await self._retrying("Converse", of, ends_at)
            current.set_attributes(attempt.usage.span_attributes())
        usage = attempt.usage
        if line is not None:
            line.watch.observe(request, usage, line.price, attempt.started_at, time.monotonic())
        self._report(usage)
        return interpret(request, attempt.response), usage

    async def _embed_one(self, text: str, ends_at: float) -> list[float]:
        settings, price = self._settings, self._embed_price
        body = {"inputText": text, "dimensions": settings.embed_dimensions, "normalize": True}
        most = price.most_usd(len(text.encode()) + 1, 0)
        likely = price.cost_usd(estimate_tokens(text), 0)

        def run() -> Attempt:
            started_at = time.monotonic()
            response = self._transport.invoke(settings.embed_model_id, body)
            latency_ms = round((time.monotonic() - started_at) * 1_000)
            tokens = int(response["body"].get("inputTextTokenCount") or 0)
            counted = {"usage": {"inputTokens": tokens}, "ResponseMetadata": response["ResponseMetadata"]}
            return Attempt(response, read_usage(counted, settings.embed_model_id, price, latency_ms), started_at)

        asked = _Try(run, Charge(most, likely, estimate_tokens(text)), self._embed_limiter)
        attempt, _ = await self._retrying("InvokeModel", lambda _: asked, ends_at)
        self._report(attempt.usage)
        vector = attempt.response["body"].get("embedding")
        if not isinstance(vector, list) or len(vector) != settings.embed_dimensions:
            raise FatalError(
                f"{settings.embed_model_id} did not answer {settings.embed_dimensions} dimensions: choose a model "
                "and a size that fit each other (FLOODGATE_BEDROCK_EMBED_MODEL_ID, _EMBED_DIMENSIONS)"
            )
        return [float(value) for value in vector]

    async def _retrying(self, operation: str, of: Callable[[int], _Try], ends_at: float) -> tuple[Attempt, Line | None]:
        attempts = self._settings.max_attempts
        for number in range(1, attempts + 1):
            try:
                return await self._attempted(of(number), ends_at - time.monotonic())
            except RetryableError as error:
                wait_seconds = self._backoff(error, number)
                if number == attempts or time.monotonic() + wait_seconds >= ends_at:
                    raise
                self._log.warning(
                    "bedrock.retry",
                    operation=operation,
                    attempt=number,
                    wait_seconds=round(wait_seconds, 3),
                    error=type(error).__name__,
                )
                with resting():
                    await self._sleep(wait_seconds)
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _attempted(self, one: _Try, remaining_seconds: float) -> tuple[Attempt, Line | None]:
        line = one.line
        share = 1.0 if line is None else line.time_share
        try:
            attempt = await self._transport.attempt(one.run, one.charge, one.limiter, remaining_seconds * share)
        except RetryableError:
            if line is not None:
                self._lines.failed(line)
            raise
        except PoisonMessageError:
            if line is not None:
                self._lines.answered(line)
            raise
        if line is not None:
            self._lines.answered(line)
        return attempt, line

    def _report(self, usage: Usage) -> None:
        if self._on_usage is not None:
            self._on_usage(usage)

    def _backoff(self, error: RetryableError, attempt: int) -> float:
        if error.retry_after_seconds is not None:
            # Everybody was told the same second: spread the return.
            return error.retry_after_seconds + self._jitter(0.0, _BACKOFF_BASE_SECONDS)
        base = _THROTTLED_BASE_SECONDS if isinstance(error, ModelThrottledError) else _BACKOFF_BASE_SECONDS
        return self._jitter(0.0, min(base * 2**attempt, _BACKOFF_CAP_SECONDS))

    def _remember(self, vectors: dict[str, array[float]]) -> None:
        for text, vector in vectors.items():
            self._vectors[text] = vector
            self._vectors.move_to_end(text)
        while len(self._vectors) > self._settings.embed_cache_size:
            self._vectors.popitem(last=False)


@dataclass(frozen=True)
class _Try:
    """One attempt; `line` is the model that answers, None for the one that embeds."""

    run: Callable[[], Attempt]
    charge: Charge
    limiter: Limiter
    line: Line | None = None


def _charge(request: ModelRequest[T], rejected: Rejected | None, price: ModelPrice) -> Charge:
    shown = "" if rejected is None else json.dumps(list(rejected.content)) + rejected.message
    varying = request.user_text + shown
    # A byte-pair token is never shorter than one byte, so the bytes are an upper bound of the tokens.
    text = prefix_text(request) + varying
    most_tokens = len(text.encode()) + _REQUEST_OVERHEAD_TOKENS
    likely_tokens = estimate_tokens(text)
    max_tokens = request.prompt.max_tokens
    return Charge(
        most_usd=price.most_usd(most_tokens, max_tokens),
        likely_usd=price.cost_usd(likely_tokens, max_tokens // 2),
        quota_tokens=likely_tokens + max_tokens,
    )


def _poison(request: ModelRequest[T], first: Rejected, second: Rejected) -> PoisonMessageError:
    # What the model wrote may hold customer text: it goes into the dead letter only, never into the reason.
    raw = {
        "answers": [list(first.content), list(second.content)],
        "errors": [first.message, second.message],
    }
    prompt = request.prompt
    return PoisonMessageError(
        f"the model's answer to prompt {prompt.name} {prompt.version} is still invalid after one repair",
        raw_output=json.dumps(raw, ensure_ascii=False, default=str),
    )
