"""The boto3 client, its threads, and one attempt at a call."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config
from keyflow import PoisonMessageError, Slot

from floodgate.bedrock.budget import Budget
from floodgate.bedrock.contract import Usage
from floodgate.bedrock.errors import ModelThrottledError, ModelTimeoutError, translate_boto_errors
from floodgate.bedrock.limiter import Limiter, Observation
from floodgate.bedrock.settings import BedrockSettings

if TYPE_CHECKING:
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient
    from mypy_boto3_bedrock_runtime.type_defs import ConverseRequestTypeDef

ClientFactory = Callable[[BedrockSettings], "BedrockRuntimeClient"]
_USER_AGENT: Final = "floodgate"


def make_client(settings: BedrockSettings) -> BedrockRuntimeClient:
    """The boto3 client. Its own retries are off: ours know the deadline, and boto leaves 408 and 424 out."""
    config = Config(
        retries={"mode": "standard", "total_max_attempts": 1},
        max_pool_connections=_most_at_once(settings),
        connect_timeout=settings.connect_timeout_seconds,
        read_timeout=settings.read_timeout_seconds,
        user_agent_extra=_USER_AGENT,
    )
    # A session of our own: the default one is shared and not made for threads.
    return boto3.session.Session().client("bedrock-runtime", region_name=settings.region, config=config)


def _most_at_once(settings: BedrockSettings) -> int:
    # The model that answers and the one that embeds have a limit each.
    return 2 * settings.max_in_flight


@dataclass(frozen=True)
class Charge:
    """What an attempt may cost: at the most (set aside), and probably (counted when the answer is unknown)."""

    most_usd: float
    likely_usd: float
    quota_tokens: int


@dataclass(frozen=True)
class Attempt:
    """An answer, what it used, and when (monotonic) it was asked for."""

    response: Mapping[str, Any]
    usage: Usage
    started_at: float

    @property
    def quota_tokens(self) -> int:
        """What counts toward the quota: cache reads do not."""
        return self.usage.input_tokens + self.usage.cache_write_tokens + self.usage.output_tokens


class Transport:
    """Runs attempts in threads, within a limit and the budget."""

    def __init__(self, settings: BedrockSettings, budget: Budget, client_factory: ClientFactory) -> None:
        self._settings = settings
        self._budget = budget
        self._client_factory = client_factory
        self._client: BedrockRuntimeClient | None = None
        self._client_lock = threading.Lock()
        self._threads: ThreadPoolExecutor | None = None

    async def attempt(
        self, call: Callable[[], Attempt], charge: Charge, limiter: Limiter, remaining_seconds: float
    ) -> Attempt:
        """One attempt; an answer that comes after the deadline is dropped, and its cost counted.

        The wait for the limiter is part of the time.

        Raises:
            RetryableError: Throttled, failed, or out of time.
            FatalError: The budget, the credentials or the model do not allow the call.
            PoisonMessageError: Bedrock refuses this request.
        """
        if remaining_seconds <= 0:
            raise ModelTimeoutError("the deadline passed before Bedrock was asked")
        ends_at = time.monotonic() + remaining_seconds
        try:
            async with asyncio.timeout(remaining_seconds):
                await self._budget.reserve(charge.most_usd)
                slot = await self._acquire(charge, limiter)
        except TimeoutError:
            raise ModelTimeoutError("no slot for a Bedrock call came free within the deadline") from None
        running = asyncio.get_running_loop().run_in_executor(self._pool(), call)
        # The slot and the reservation belong to the thread: they come back when it ends, however we leave here.
        running.add_done_callback(lambda ended: self._settle(ended, charge, limiter, slot))
        done, _ = await asyncio.wait({running}, timeout=max(ends_at - time.monotonic(), 0.0))
        if not done:
            raise ModelTimeoutError("the deadline passed before Bedrock answered")
        return running.result()

    def converse(self, planned: ConverseRequestTypeDef) -> Mapping[str, Any]:
        """Call Converse; blocks."""
        model_id = planned["modelId"]
        with translate_boto_errors("Converse", model_id):
            return self._connected().converse(**planned)

    def invoke(self, model_id: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Call InvokeModel with a JSON body and read its JSON answer; blocks."""
        with translate_boto_errors("InvokeModel", model_id):
            response = self._connected().invoke_model(
                modelId=model_id,
                body=json.dumps(body),
                contentType="application/json",
                accept="application/json",
            )
            raw = response["body"].read()
        try:
            answer = json.loads(raw)
        except ValueError as error:
            raise PoisonMessageError(f"Bedrock InvokeModel on {model_id}: the answer is not JSON") from error
        return {"body": answer, "ResponseMetadata": response["ResponseMetadata"]}

    def close(self) -> None:
        """Close the connections; calls under way are not waited for."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
        if self._client is not None:
            self._client.close()

    async def _acquire(self, charge: Charge, limiter: Limiter) -> Slot:
        try:
            return await limiter.acquire(charge.quota_tokens)
        except BaseException:  # cancelled while waiting for a slot: nothing was spent
            self._budget.settle(charge.most_usd, 0.0)
            raise

    def _settle(self, ended: asyncio.Future[Attempt], charge: Charge, limiter: Limiter, slot: Slot) -> None:
        error = asyncio.CancelledError() if ended.cancelled() else ended.exception()
        if error is None:
            cost_usd, tokens = ended.result().usage.cost_usd, ended.result().quota_tokens
        else:
            # A time-out may well be charged although nothing arrived; a refusal is not.
            timed_out = isinstance(error, ModelTimeoutError)
            cost_usd, tokens = (charge.likely_usd, slot.tokens) if timed_out else (0.0, 0)
        self._budget.settle(charge.most_usd, cost_usd)
        limiter.release(
            slot,
            Observation(throttled=isinstance(error, ModelThrottledError), failed=error is not None, tokens=tokens),
        )

    def _pool(self) -> ThreadPoolExecutor:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_most_at_once(self._settings), thread_name_prefix="bedrock")
        return self._threads

    def _connected(self) -> BedrockRuntimeClient:
        with self._client_lock:
            if self._client is None:
                self._client = self._client_factory(self._settings)
            return self._client
