"""The model client against the local Bedrock server, over real sockets with boto3."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest
from floodgate.bedrock import (
    BedrockModel,
    BedrockSettings,
    BudgetExceededError,
    ModelAccessError,
    ModelRequest,
    Prompt,
    Usage,
)
from floodgate_local.bedrock.faults import FaultSettings
from keyflow import AdaptiveLimiter, LimitConfig, PoisonMessageError, RetryableError
from pydantic import BaseModel, Field
from structlog.testing import capture_logs


class Verdict(BaseModel):
    path: Literal["refund", "other"]
    score: float = Field(ge=0, le=1)
    note: str


PROMPT = Prompt(
    name="verdict",
    version="1",
    system="Decide which path the message belongs to.",
    tool_name="verdict",
    tool_description="Report the verdict.",
    output=Verdict,
    max_tokens=200,
)
LONG_PROMPT = Prompt(
    name="verdict-long",
    version="2",
    system="Decide which path the message belongs to. " * 150,
    tool_name="verdict",
    tool_description="Report the verdict.",
    output=Verdict,
    max_tokens=200,
)
ModelFactory = Callable[..., BedrockModel]


@pytest.fixture
def make_model(server: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelFactory]:
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", server.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")
    made = []

    async def no_sleep(_seconds: float) -> None:
        await asyncio.sleep(0)

    def make(*, limiter: Any = None, **settings: Any) -> BedrockModel:
        model = BedrockModel(BedrockSettings(region="eu-central-1", **settings), limiter=limiter, sleep=no_sleep)
        made.append(model)
        return model

    yield make
    for model in made:
        model.close()


async def until(condition: Callable[[], bool], within_seconds: float = 5.0) -> None:
    async with asyncio.timeout(within_seconds):
        while not condition():  # noqa: ASYNC110 - there is no event for an answer that was dropped
            await asyncio.sleep(0.01)


async def test_a_call_returns_a_validated_value_labelled_as_the_local_models(make_model: ModelFactory) -> None:
    model = make_model()
    result = await model.call(ModelRequest(PROMPT, "I want my money back"))
    assert result.value == Verdict(path="refund", score=0.5, note="I want my money back")
    assert not result.repaired
    assert result.usage.model_label == "local model (as amazon.nova-lite-v1:0)"
    assert result.usage.calls == 1
    expected = (result.usage.input_tokens * 0.06 + result.usage.output_tokens * 0.24) / 1e6
    assert result.usage.cost_usd == pytest.approx(expected)
    assert model.spent_usd == pytest.approx(expected)


async def test_the_fixed_prefix_is_written_once_and_read_from_then_on(make_model: ModelFactory) -> None:
    model = make_model()
    with capture_logs() as logs:
        first = await model.call(ModelRequest(LONG_PROMPT, "one"))
        second = await model.call(ModelRequest(LONG_PROMPT, "two"))
    assert first.usage.cache_write_tokens > 1_000
    assert second.usage.cache_read_tokens == first.usage.cache_write_tokens
    assert second.usage.cost_usd < first.usage.cost_usd
    assert [log for log in logs if log["event"] == "bedrock.cache_inactive"] == []


async def test_caching_that_cannot_happen_is_told_once_per_prompt_version(make_model: ModelFactory) -> None:
    model = make_model()
    with capture_logs() as logs:
        await model.call(ModelRequest(PROMPT, "one"))
        await model.call(ModelRequest(PROMPT, "two"))
    [warning] = [log for log in logs if log["event"] == "bedrock.cache_inactive"]
    assert warning["prompt"] == "verdict"
    assert "below the model's minimum of 1000" in warning["reason"]


@pytest.mark.parametrize("kind", ["text", "truncated", "malformed_tool_use"])
async def test_malformed_output_is_repaired_once(make_model: ModelFactory, server: Any, kind: Any) -> None:
    server.runtime.faults.set(FaultSettings(malformed_rate=1, malformed_kind=kind, max_faults=1))
    result = await make_model().call(ModelRequest(PROMPT, "hello"))
    assert result.repaired
    assert result.usage.calls == 2
    roles = [message.role for message in server.model.calls[-1].messages]
    assert roles == ["user", "assistant", "user"]


async def test_schema_breaking_output_is_repaired_with_the_validators_message(
    make_model: ModelFactory, server: Any
) -> None:
    server.runtime.faults.set(FaultSettings(schema_breaking_rate=1, max_faults=1, seed=3))
    result = await make_model().call(ModelRequest(PROMPT, "hello"))
    assert result.repaired
    shown = server.model.calls[-1].messages[-1].text
    assert any(field in shown for field in ("path", "score", "note"))


async def test_output_that_stays_broken_is_poison_with_the_raw_output(make_model: ModelFactory, server: Any) -> None:
    server.runtime.faults.set(FaultSettings(schema_breaking_rate=1))
    with pytest.raises(PoisonMessageError, match="verdict 1 is still invalid after one repair") as poison:
        await make_model().call(ModelRequest(PROMPT, "my secret words"))
    assert "my secret words" not in str(poison.value)
    assert poison.value.raw_output is not None
    assert "toolUse" in poison.value.raw_output


async def test_a_failed_check_shows_its_message_to_the_model(make_model: ModelFactory, server: Any) -> None:
    seen: list[str] = []

    def check(verdict: Verdict) -> None:
        seen.append(verdict.note)
        if len(seen) == 1:
            raise ValueError("the note names nothing from the message")

    result = await make_model().call(ModelRequest(PROMPT, "hello", check=check))
    assert result.repaired
    assert server.model.calls[-1].messages[-1].text == "the note names nothing from the message"


@pytest.mark.parametrize(
    "faults",
    [
        {"throttle_rate": 1, "retry_after_seconds": 0},
        {"server_error_rate": 1},
        {"model_timeout_rate": 1},
        {"model_error_rate": 1},
    ],
)
async def test_passing_faults_are_outlived_by_retries(make_model: ModelFactory, server: Any, faults: Any) -> None:
    server.runtime.faults.set(FaultSettings(**faults, max_faults=2))
    result = await make_model().call(ModelRequest(PROMPT, "hello"))
    assert not result.repaired
    assert sum(server.runtime.stats.snapshot(0)["faults"].values()) == 2


async def test_faults_that_stay_end_as_retryable(make_model: ModelFactory, server: Any) -> None:
    server.runtime.faults.set(FaultSettings(throttle_rate=1, retry_after_seconds=7))
    with pytest.raises(RetryableError, match="429 ThrottlingException") as error:
        await make_model(max_attempts=2, deadline_seconds=30).call(ModelRequest(PROMPT, "hello"))
    assert error.value.retry_after_seconds == 7


async def test_throttling_loses_no_call_and_the_limit_comes_down_and_recovers(
    make_model: ModelFactory, server: Any
) -> None:
    limiter = AdaptiveLimiter(LimitConfig(most=32, start=24))
    limits: list[int] = []
    model = make_model(limiter=limiter, max_attempts=30)

    async def ask(number: int) -> str:
        result = await model.call(ModelRequest(PROMPT, f"m{number}"))
        limits.append(limiter.limit)
        return result.value.note

    server.runtime.faults.set(FaultSettings(throttle_rate=0.5, max_faults=60))
    assert await asyncio.gather(*(ask(n) for n in range(300))) == [f"m{n}" for n in range(300)]
    assert server.runtime.stats.snapshot(0)["faults"] == {"throttle": 60}
    assert (limiter.throttled, limiter.in_flight, limiter.waiting) == (60, 0, 0)
    assert min(limits) < 12
    assert limiter.limit >= 24


async def test_the_wait_for_the_limiter_ends_with_the_deadline(make_model: ModelFactory, server: Any) -> None:
    limiter = AdaptiveLimiter(requests_per_minute=0.1)
    model = make_model(limiter=limiter)
    for _ in range(2):  # the burst, and one on credit
        await model.call(ModelRequest(PROMPT, "hello"))
    with pytest.raises(RetryableError, match="no slot for a Bedrock call came free within the deadline"):
        await model.call(ModelRequest(PROMPT, "hello", deadline_seconds=0.05))
    assert (limiter.in_flight, limiter.waiting, len(server.model.calls)) == (0, 0, 2)


async def test_an_outage_ends_as_retryable(make_model: ModelFactory, server: Any) -> None:
    server.runtime.faults.set(FaultSettings(outage=True))
    with pytest.raises(RetryableError, match="503"):
        await make_model().call(ModelRequest(PROMPT, "hello"))


async def test_a_stall_beyond_the_read_timeout_is_retried(make_model: ModelFactory, server: Any) -> None:
    server.runtime.faults.set(FaultSettings(stall_rate=1, stall_seconds=3, max_faults=1))
    result = await make_model(read_timeout_seconds=0.3).call(ModelRequest(PROMPT, "hello"))
    assert result.value.path == "refund"


async def test_an_answer_after_the_deadline_is_dropped_and_its_cost_counted(
    make_model: ModelFactory, server: Any
) -> None:
    server.runtime.faults.set(FaultSettings(stall_rate=1, stall_seconds=0.5, max_faults=1))
    model = make_model()
    with pytest.raises(RetryableError, match="deadline passed"):
        await model.call(ModelRequest(PROMPT, "hello", deadline_seconds=0.1))
    assert model.spent_usd == 0
    await until(lambda: model.spent_usd > 0)


async def test_the_cap_on_spending_stops_with_one_line_and_is_never_passed(make_model: ModelFactory) -> None:
    cap = 0.0005
    model = make_model(max_usd=cap)
    with pytest.raises(BudgetExceededError, match="MAX_USD") as stop:
        await asyncio.gather(*(model.call(ModelRequest(PROMPT, "hello")) for _ in range(100)))
    assert "\n" not in str(stop.value)
    assert 0 < model.spent_usd <= cap


async def test_a_model_of_another_geography_is_fatal_with_a_remedy(make_model: ModelFactory) -> None:
    with pytest.raises(ModelAccessError, match="FLOODGATE_BEDROCK_MODEL_ID"):
        await make_model(model_id="us.amazon.nova-lite-v1:0").call(ModelRequest(PROMPT, "hello"))


async def test_missing_credentials_are_fatal_with_a_remedy(
    make_model: ModelFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "does-not-exist")
    with pytest.raises(ModelAccessError, match="no usable AWS credentials"):
        await make_model().call(ModelRequest(PROMPT, "hello"))


async def test_an_endpoint_that_is_not_there_is_retryable(
    make_model: ModelFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "http://127.0.0.1:9")
    with pytest.raises(RetryableError, match="connection failed"):
        await make_model(max_attempts=2).call(ModelRequest(PROMPT, "hello"))


async def test_texts_are_embedded_in_order_and_remembered(make_model: ModelFactory, server: Any) -> None:
    model = make_model()
    vectors = await model.embed(["a", "bb", "a"])
    assert [len(vector) for vector in vectors] == [256, 256, 256]
    assert vectors[0] == vectors[2] != vectors[1]
    await model.embed(["bb"])
    assert server.runtime.stats.snapshot(0)["calls_by_operation"] == {"InvokeModel": 2}


async def test_hundreds_of_calls_share_one_client(make_model: ModelFactory, server: Any) -> None:
    model = make_model(max_in_flight=32)
    results = await asyncio.gather(*(model.call(ModelRequest(PROMPT, f"m{n}")) for n in range(200)))
    assert [result.value.note for result in results] == [f"m{n}" for n in range(200)]
    assert server.runtime.stats.snapshot(0)["in_flight_max"] <= 32


async def test_an_answer_that_is_there_already_is_taken_without_a_call(server: Any, make_model: ModelFactory) -> None:
    model = make_model()
    request = ModelRequest(prompt=PROMPT, user_text="I want my money back")
    answer = {"path": "refund", "score": 0.9, "note": "asks for a refund"}
    content = [{"toolUse": {"toolUseId": "t1", "name": "verdict", "input": answer}}]
    response = {"output": {"message": {"role": "assistant", "content": content}}, "stopReason": "tool_use"}
    used = Usage("m", "m", 100, 20, 0, 0, 0.00001, 0, 1, "batch")
    result = await model.take(request, response, used)
    assert (result.value.path, result.repaired, result.usage) == ("refund", False, used)
    assert server.model.calls == []


async def test_one_that_is_refused_is_repaired_online_and_both_are_paid(server: Any, make_model: ModelFactory) -> None:
    model = make_model()
    request = ModelRequest(prompt=PROMPT, user_text="I want my money back")
    content = [{"toolUse": {"toolUseId": "t1", "name": "verdict", "input": {"path": "nowhere"}}}]
    response = {"output": {"message": {"role": "assistant", "content": content}}, "stopReason": "tool_use"}
    result = await model.take(request, response, Usage("m", "m", 100, 20, 0, 0, 0.00001, 0, 1, "batch"))
    assert (result.value.path, result.repaired) == ("refund", True)
    assert (result.usage.mode, result.usage.calls) == ("batch", 2)
    assert result.usage.cost_usd > 0.00001
    (call,) = server.model.calls
    assert "path" in call.messages[-1].text
