"""Retries, repair, budget and limit of the model client, without a socket."""

import asyncio
import gc
import io
import json
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from floodgate.bedrock import (
    BedrockModel,
    BedrockSettings,
    BudgetExceededError,
    ModelRequest,
    Observation,
    Prompt,
)
from keyflow import FatalError, PoisonMessageError, RetryableError, Slot
from prometheus_client import REGISTRY
from pydantic import BaseModel, Field
from structlog.testing import capture_logs


class Verdict(BaseModel):
    """What the fake model is asked for."""

    path: Literal["refund", "other"]
    score: float = Field(ge=0, le=1)


GOOD = {"path": "refund", "score": 0.5}
PROMPT = Prompt(
    name="verdict",
    version="1",
    system="Decide.",
    tool_name="verdict",
    tool_description="Report the verdict.",
    output=Verdict,
    max_tokens=100,
)


def answer(tool_input: Any = None, **changes: Any) -> dict[str, Any]:
    """A Converse response that calls the tool."""
    use = {"toolUse": {"toolUseId": "t1", "name": "verdict", "input": GOOD if tool_input is None else tool_input}}
    usage = {"inputTokens": 100, "outputTokens": 20, "cacheReadInputTokens": 0, "cacheWriteInputTokens": 0}
    response = {
        "output": {"message": {"role": "assistant", "content": [use]}},
        "stopReason": "tool_use",
        "usage": usage,
        "ResponseMetadata": {"HTTPHeaders": {}},
    }
    return {**response, **changes}


@dataclass
class FakeClient:
    """Gives one scripted answer after another; an exception is raised, a callable is called."""

    script: list[Any]
    requests: list[Mapping[str, Any]] = field(default_factory=list)

    def converse(self, **request: Any) -> Any:
        self.requests.append(request)
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(step, Exception):
            raise step
        return step() if callable(step) else step

    def invoke_model(self, **request: Any) -> Any:
        vector = {"embedding": [0.5 + n for n in range(256)], "inputTextTokenCount": 5}
        return {"body": io.BytesIO(json.dumps(vector).encode()), "ResponseMetadata": {"HTTPHeaders": {}}}

    def close(self) -> None:
        """Nothing to close."""


@dataclass
class Rig:
    """The client under test and what it did."""

    model: BedrockModel
    client: FakeClient
    waits: list[float]


@pytest.fixture
def make_rig() -> Callable[..., Rig]:
    def make(*script: Any, limiter: Any = None, **settings: Any) -> Rig:
        client = FakeClient(list(script))
        waits: list[float] = []

        async def sleep(seconds: float) -> None:
            waits.append(seconds)

        model = BedrockModel(
            BedrockSettings(region="eu-central-1", **settings),
            limiter=limiter,
            client_factory=lambda _settings: cast(Any, client),
            jitter=lambda _low, high: high,
            sleep=sleep,
        )
        return Rig(model, client, waits)

    return make


MakeRig = Callable[..., Rig]
FIGURES = ("limit", "in_flight", "waiting", "throttled_total")
REQUEST = ModelRequest(PROMPT, "I want my money back")


def throttled(retry_after: str | None = None) -> ClientError:
    headers = {} if retry_after is None else {"retry-after": retry_after}
    response: Any = {
        "Error": {"Code": "ThrottlingException", "Message": "Too many requests"},
        "ResponseMetadata": {"HTTPStatusCode": 429, "HTTPHeaders": headers},
    }
    return ClientError(response, "Converse")


async def test_the_request_forces_the_tool_and_keeps_the_system_text_apart(make_rig: MakeRig) -> None:
    rig = make_rig(answer())
    await rig.model.call(ModelRequest(PROMPT, "hello", metadata={"task": "verdict"}))
    [sent] = rig.client.requests
    assert sent["modelId"] == "eu.amazon.nova-lite-v1:0"
    assert sent["system"] == [{"text": "Decide."}]
    assert sent["messages"] == [{"role": "user", "content": [{"text": "hello"}]}]
    assert sent["inferenceConfig"] == {"maxTokens": 100, "temperature": 0.0}
    assert sent["toolConfig"]["toolChoice"] == {"tool": {"name": "verdict"}}
    assert sent["requestMetadata"] == {"task": "verdict"}


async def test_no_temperature_is_sent_to_a_model_that_takes_none(make_rig: MakeRig) -> None:
    rig = make_rig(answer(), model_id="eu.anthropic.claude-haiku-5-5")
    await rig.model.call(REQUEST)
    assert rig.client.requests[0]["inferenceConfig"] == {"maxTokens": 100}


async def test_retries_back_off_longer_each_time(make_rig: MakeRig) -> None:
    rig = make_rig(throttled(), throttled(), throttled(), answer())
    assert (await rig.model.call(REQUEST)).value.path == "refund"
    assert rig.waits == [1.0, 2.0, 4.0]


async def test_retry_after_is_waited_out(make_rig: MakeRig) -> None:
    rig = make_rig(throttled("3"), answer())
    await rig.model.call(REQUEST)
    assert rig.waits == [3.2]


async def test_a_wait_beyond_the_deadline_is_not_begun(make_rig: MakeRig) -> None:
    rig = make_rig(throttled("120"), answer())
    with pytest.raises(RetryableError):
        await rig.model.call(ModelRequest(PROMPT, "x", deadline_seconds=60))
    assert rig.waits == []


async def test_attempts_are_bounded_and_the_last_error_is_retryable(make_rig: MakeRig) -> None:
    rig = make_rig(ReadTimeoutError(endpoint_url="https://example.com"), max_attempts=3)
    with pytest.raises(RetryableError, match="no answer in time"):
        await rig.model.call(REQUEST)
    assert len(rig.client.requests) == 3


async def test_each_retry_is_logged_without_customer_text(make_rig: MakeRig) -> None:
    rig = make_rig(throttled(), answer())
    with capture_logs() as logs:
        await rig.model.call(REQUEST)
    retries = [log for log in logs if log["event"] == "bedrock.retry"]
    assert [(log["attempt"], log["error"], log["log_level"]) for log in retries] == [
        (1, "ModelThrottledError", "warning")
    ]
    assert "money" not in repr(logs)


async def test_the_repair_shows_the_model_its_own_answer_and_the_message(make_rig: MakeRig) -> None:
    rig = make_rig(answer({"path": "refund", "score": 7}), answer())
    result = await rig.model.call(REQUEST)
    assert result.repaired
    assert result.raw == GOOD
    turns = rig.client.requests[1]["messages"]
    assert turns[1]["content"][0]["toolUse"]["input"] == {"path": "refund", "score": 7}
    outcome = turns[2]["content"][0]["toolResult"]
    assert outcome["status"] == "error"
    assert outcome["content"] == [{"text": "score: Input should be less than or equal to 1"}]


async def test_text_instead_of_a_tool_call_is_repaired_in_text(make_rig: MakeRig) -> None:
    text = {"message": {"role": "assistant", "content": [{"text": "It is a refund."}]}}
    rig = make_rig(answer(output=text, stopReason="end_turn"), answer())
    assert (await rig.model.call(REQUEST)).repaired
    turns = rig.client.requests[1]["messages"]
    assert turns[1]["content"] == [{"text": "It is a refund."}]
    assert "Call the tool verdict." in turns[2]["content"][0]["text"]


async def test_an_empty_answer_is_repaired_too(make_rig: MakeRig) -> None:
    rig = make_rig(answer(output={"message": {"role": "assistant", "content": []}}), answer())
    assert (await rig.model.call(REQUEST)).repaired
    assert rig.client.requests[1]["messages"][1]["content"] == [{"text": "(no answer)"}]


async def test_a_second_invalid_answer_is_poison_and_keeps_both(make_rig: MakeRig) -> None:
    rig = make_rig(answer({"path": "nowhere", "score": 0}), answer({"path": "elsewhere", "score": 0}))
    with pytest.raises(PoisonMessageError) as poison:
        await rig.model.call(REQUEST)
    assert len(rig.client.requests) == 2
    assert "nowhere" not in str(poison.value)
    assert poison.value.raw_output is not None
    assert "nowhere" in poison.value.raw_output
    assert "elsewhere" in poison.value.raw_output


async def test_usage_of_both_calls_is_added_up(make_rig: MakeRig) -> None:
    rig = make_rig(answer({"path": "nowhere", "score": 0}), answer())
    usage = (await rig.model.call(REQUEST)).usage
    assert (usage.calls, usage.input_tokens, usage.output_tokens) == (2, 200, 40)
    assert usage.cost_usd == pytest.approx((200 * 0.06 + 40 * 0.24) / 1e6)
    assert usage.model_label == "amazon.nova-lite-v1:0"


async def test_nothing_is_sent_when_the_first_call_could_pass_the_cap(make_rig: MakeRig) -> None:
    rig = make_rig(answer(), max_usd=0.000001)
    with pytest.raises(BudgetExceededError, match="MAX_USD"):
        await rig.model.call(REQUEST)
    assert rig.client.requests == []


async def test_an_unknown_model_is_fatal_when_the_client_is_made(make_rig: MakeRig) -> None:
    with pytest.raises(FatalError, match="FLOODGATE_BEDROCK_PRICE_FILE"):
        make_rig(answer(), model_id="eu.amazon.nova-imaginary-v1:0")


class RecordingLimiter:
    """Remembers what it was told; lets one call through at a time."""

    def __init__(self) -> None:
        self.acquired: list[int] = []
        self.observed: list[Observation] = []

    async def acquire(self, tokens: int) -> Slot:
        self.acquired.append(tokens)
        return Slot(tokens, 0.0)

    def release(self, slot: Slot, result: Observation) -> None:
        self.observed.append(result)


async def test_the_limiter_learns_how_each_attempt_ended(make_rig: MakeRig) -> None:
    limiter = RecordingLimiter()
    rig = make_rig(throttled(), answer(), limiter=limiter)
    await rig.model.call(REQUEST)
    assert [(seen.throttled, seen.failed, seen.tokens) for seen in limiter.observed] == [
        (True, True, 0),
        (False, False, 120),
    ]
    assert limiter.acquired[0] > PROMPT.max_tokens


async def test_no_more_calls_run_at_once_than_the_limit(make_rig: MakeRig) -> None:
    lock, running, most = threading.Lock(), 0, 0
    gate = threading.Event()

    def work() -> dict[str, Any]:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
            if running == 3:
                gate.set()
        gate.wait(5)
        with lock:
            running -= 1
        return answer()

    rig = make_rig(work, max_in_flight=3)
    await asyncio.gather(*(rig.model.call(REQUEST) for _ in range(12)))
    assert most == 3


async def test_a_slot_that_does_not_come_free_in_time_is_retryable(make_rig: MakeRig) -> None:
    release = threading.Event()

    def stall() -> dict[str, Any]:
        release.wait(5)
        return answer()

    rig = make_rig(stall, max_in_flight=1)
    first = asyncio.create_task(rig.model.call(REQUEST))
    await asyncio.sleep(0)
    try:
        with pytest.raises(RetryableError, match="no slot"):
            await rig.model.call(ModelRequest(PROMPT, "x", deadline_seconds=0.05))
    finally:
        release.set()
        await first


async def test_a_cancelled_call_gives_its_slot_back_when_its_thread_ends(make_rig: MakeRig) -> None:
    release = threading.Event()
    started = threading.Event()

    def stall() -> dict[str, Any]:
        started.set()
        release.wait(5)
        return answer()

    rig = make_rig(stall, max_in_flight=1)
    first = asyncio.create_task(rig.model.call(REQUEST))
    await asyncio.to_thread(started.wait, 5)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    release.set()
    assert (await rig.model.call(REQUEST)).value.path == "refund"
    assert rig.model.spent_usd == pytest.approx(2 * (100 * 0.06 + 20 * 0.24) / 1e6)


async def test_a_timed_out_call_is_counted_at_its_likely_cost(make_rig: MakeRig) -> None:
    rig = make_rig(ReadTimeoutError(endpoint_url="https://example.com"), max_attempts=1)
    with pytest.raises(RetryableError):
        await rig.model.call(REQUEST)
    assert rig.model.spent_usd > 0


async def test_nothing_is_sent_once_the_deadline_has_passed(make_rig: MakeRig) -> None:
    rig = make_rig(answer())
    with pytest.raises(RetryableError, match="deadline passed"):
        await rig.model.call(ModelRequest(PROMPT, "x", deadline_seconds=0))
    assert rig.client.requests == []


def test_settings_come_from_the_environment_and_an_empty_value_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("AWS_REGION", "eu-west-1"), ("MAX_USD", ""), ("FLOODGATE_BEDROCK_MAX_IN_FLIGHT", "7")):
        monkeypatch.setenv(name, value)
    settings = BedrockSettings()
    assert (settings.region, settings.max_usd, settings.max_in_flight) == ("eu-west-1", None, 7)


def test_each_process_takes_its_part_of_the_quota_and_none_is_set_by_default() -> None:
    settings = BedrockSettings(region="eu-west-1", requests_per_minute=200, instances=4)
    assert settings.share(settings.requests_per_minute) == 50
    assert settings.share(BedrockSettings().tokens_per_minute) is None


async def test_a_remembered_vector_is_a_few_objects_and_not_one_for_each_number(make_rig: MakeRig) -> None:
    rig = make_rig()
    await rig.model.embed(["What everything needs once."])
    gc.collect()
    before = sys.getallocatedblocks()
    for number in range(200):
        await rig.model.embed([f"Where is parcel {number}?"])
    gc.collect()
    assert (sys.getallocatedblocks() - before) / 200 < 60
    assert await rig.model.embed(["Where is parcel 3?"]) == [[0.5 + n for n in range(256)]]


async def test_calls_beyond_the_share_wait_and_embeddings_have_a_limit_of_their_own(make_rig: MakeRig) -> None:
    rig = make_rig(answer(), requests_per_minute=1)
    for _ in range(2):  # the burst, and one on credit
        await rig.model.call(REQUEST)
    with pytest.raises(RetryableError, match="no slot"):
        await rig.model.call(ModelRequest(PROMPT, "x", deadline_seconds=0.05))
    assert len(rig.client.requests) == 2
    assert len(await rig.model.embed(["Where are my tickets?"])) == 1


async def test_the_limiters_figures_are_shown_by_model(make_rig: MakeRig) -> None:
    rig = make_rig(throttled(), answer(), max_in_flight=9)
    await rig.model.call(REQUEST)
    model = {"model": "eu.amazon.nova-lite-v1:0"}
    shown = {name: REGISTRY.get_sample_value(f"floodgate_bedrock_{name}", model) for name in FIGURES}
    assert shown == {"limit": 6.0, "in_flight": 0.0, "waiting": 0.0, "throttled_total": 1.0}


FIRST, SECOND = "eu.amazon.nova-lite-v1:0", "eu.anthropic.claude-haiku-5-5"


def asked(rig: Rig) -> list[str]:
    return [str(request["modelId"]) for request in rig.client.requests]


def down() -> ClientError:
    response: Any = {"Error": {"Code": "InternalServerException"}, "ResponseMetadata": {"HTTPStatusCode": 500}}
    return ClientError(response, "Converse")


async def test_a_calls_third_attempt_goes_to_the_fallback_which_the_usage_names(make_rig: MakeRig) -> None:
    rig = make_rig(down(), down(), answer(), fallback_model_id=SECOND)
    result = await rig.model.call(REQUEST)
    assert asked(rig) == [FIRST, FIRST, SECOND]
    assert result.usage.model_id == SECOND
    assert result.usage.model_label == "anthropic.claude-haiku-5-5"
    assert result.usage.cost_usd > (await make_rig(answer()).model.call(REQUEST)).usage.cost_usd


async def test_once_most_calls_failed_the_fallback_is_asked_at_once_and_told_of_once(make_rig: MakeRig) -> None:
    rig = make_rig(*[down(), down(), answer()] * 4, answer(), fallback_model_id=SECOND)
    with capture_logs() as logs:
        for _ in range(5):
            await rig.model.call(REQUEST)
    assert asked(rig)[-1:] == [SECOND]
    assert asked(rig).count(FIRST) == 8
    assert [line["event"] for line in logs if line["event"] == "bedrock.fallback"] == ["bedrock.fallback"]


async def test_the_first_model_is_asked_again_once_it_is_back(make_rig: MakeRig) -> None:
    rig = make_rig(*[down(), down(), answer()] * 4, answer(), fallback_model_id=SECOND)
    for _ in range(4):
        await rig.model.call(REQUEST)
    rig.model._lines._clock = lambda: 1e12  # a probe is due
    await rig.model.call(REQUEST)
    await rig.model.call(REQUEST)
    assert asked(rig)[-2:] == [FIRST, FIRST]


async def test_without_a_fallback_every_attempt_is_the_first_models(make_rig: MakeRig) -> None:
    rig = make_rig(down(), down(), down(), answer())
    await rig.model.call(REQUEST)
    assert set(asked(rig)) == {FIRST}


async def test_a_refused_request_says_nothing_of_the_model(make_rig: MakeRig) -> None:
    response: Any = {"Error": {"Code": "ValidationException"}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    rig = make_rig(*[ClientError(response, "Converse")] * 12, answer(), fallback_model_id=SECOND)
    for _ in range(12):
        with pytest.raises(PoisonMessageError):
            await rig.model.call(REQUEST)
    await rig.model.call(REQUEST)
    assert set(asked(rig)) == {FIRST}


def test_a_fallback_that_is_the_model_itself_or_has_no_price_is_refused_at_the_start(make_rig: MakeRig) -> None:
    with pytest.raises(ValueError, match="name another one"):
        BedrockSettings(model_id=FIRST, fallback_model_id=FIRST)
    with pytest.raises(FatalError, match="no price"):
        make_rig(answer(), fallback_model_id="nobody.nothing-v1")
