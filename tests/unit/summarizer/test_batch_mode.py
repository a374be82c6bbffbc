"""What goes to batch inference, what its answers become, and what it costs."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from floodgate.bedrock import ModelPrice, ModelResult, Usage
from floodgate.bedrock.native import batch_usage, converse_response, native_body
from floodgate.events import Versions
from floodgate.events.times import from_ms
from hypothesis import given
from hypothesis import strategies as st
from keyflow import KEEP, Outcome
from keyflow.errors import FatalError
from summarizer.domain.answers import answer_of, unanswered
from summarizer.domain.batches import (
    Limits,
    NextStep,
    Span,
    job_name,
    name_of,
    next_offsets,
    next_step,
    record_id,
    results_of,
    spans_of,
)
from summarizer.domain.modes import BATCH, ONLINE, ModePolicy
from summarizer.handlers import ANSWERED, BATCHED, SummarizerHandler
from summarizer.settings import SummarizerSettings

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
PRICE = ModelPrice(input=0.06, output=0.24, cache_minimum=1000, batch_factor=0.5)
ASKED_BY = Versions(service="1.2.2", catalogue="older", prompt="summarize@1")


class FakeAnswers:
    """Takes an answer as it is."""

    def __init__(self) -> None:
        self.read_answers: list[Any] = []

    async def read(self, request: Any, answer: Any) -> ModelResult[Any]:
        self.read_answers.append(answer)
        value = request.prompt.output.model_validate_json(answer.output)
        request.check(value)
        usage = Usage(answer.model_id, "m", 700, 60, 0, 0, 0.00003, 0, 1, "batch")
        return ModelResult(value, usage, repaired=False, raw={})


@pytest.fixture
def answers() -> FakeAnswers:
    return FakeAnswers()


@pytest.fixture
def batching(catalogue, model, languages, answers) -> SummarizerHandler:
    return SummarizerHandler(
        catalogue=catalogue, model=model, languages=languages, settings=SummarizerSettings(), service_version="1.2.3",
        answers=answers, modes=ModePolicy(batch_after_seconds=3600.0),
    )  # fmt: skip


async def sent(batching, record, interaction, tools) -> tuple[Any, Outcome[Any]]:
    finished = interaction()
    outcome = await batching.handle(record(finished), None, tools)
    (emit,) = outcome.events
    assert (emit.topic, emit.value) == (BATCHED, finished)
    return finished, outcome


def answered(finished: Any, answer: dict[str, Any]) -> Any:
    line = {"recordId": "x", "modelOutput": answer}
    return answer_of(
        finished, from_ms(0), line, job="j", ended="Completed", model_id="amazon.nova-lite-v1:0", versions=ASKED_BY
    )


async def test_an_old_interaction_goes_to_batch_and_no_model_is_asked(
    batching, model, record, interaction, tools
) -> None:
    _, outcome = await sent(batching, record, interaction, tools)
    assert model.requests == []
    assert len(outcome.state.in_batch) == 1


async def test_its_answer_becomes_the_record_that_an_online_one_would_be(
    batching, answers, record, interaction, answer, tools
) -> None:
    finished, outcome = await sent(batching, record, interaction, tools)
    found = await batching.handle(record(answered(finished, answer()), ANSWERED), outcome.state, tools)
    (emit,) = found.events
    summary = emit.value
    assert (emit.topic, emit.key) == ("support.summaries", str(finished.interaction_id))
    assert (summary.causation_id, summary.summary) == (finished.event_id, answer()["summary"])
    assert (summary.usage.mode, summary.usage.cost_usd) == ("batch", 0.00003)
    assert summary.versions == ASKED_BY
    assert found.state.in_batch == ()


async def test_the_same_answer_again_gives_nothing(batching, record, interaction, answer, tools) -> None:
    finished, outcome = await sent(batching, record, interaction, tools)
    reply = record(answered(finished, answer()), ANSWERED)
    first = await batching.handle(reply, outcome.state, tools)
    again = await batching.handle(reply, first.state, tools)
    assert (again.events, again.state) == ((), KEEP)


async def test_without_an_answer_the_model_is_asked_online(batching, model, record, interaction, answer, tools) -> None:
    model.answers = [answer()]
    finished, outcome = await sent(batching, record, interaction, tools)
    back = unanswered(finished, from_ms(0), "job Failed", "j")
    found = await batching.handle(record(back, ANSWERED), outcome.state, tools)
    assert len(model.requests) == 1
    assert found.events[0].value.usage.mode == "online"
    assert found.state.in_batch == ()


async def test_a_dead_letter_of_the_batcher_comes_back_online(
    batching, model, record, interaction, answer, tools
) -> None:
    model.answers = [answer()]
    finished, outcome = await sent(batching, record, interaction, tools)
    found = await batching.handle(record(finished, BATCHED), outcome.state, tools)
    assert found.events[0].value.causation_id == finished.event_id


async def test_a_repeated_interaction_is_not_sent_again(batching, record, interaction, tools) -> None:
    finished, outcome = await sent(batching, record, interaction, tools)
    assert (await batching.handle(record(finished), outcome.state, tools)).events == ()


async def test_one_that_went_on_meanwhile_leaves_the_first_answer_due(batching, record, interaction, tools) -> None:
    _, outcome = await sent(batching, record, interaction, tools)
    longer = interaction("My tickets never came", "Sent again.", "Thanks")
    following = await batching.handle(record(longer), outcome.state, tools)
    assert len(following.state.in_batch) == 2


def test_age_and_the_day_s_budget_decide(interaction) -> None:
    policy = ModePolicy(batch_after_seconds=3600.0, online_usd_a_day=1.0)
    young = interaction(ended_at=NOW - timedelta(minutes=5))
    assert policy.mode(young, NOW) == ONLINE
    assert policy.mode(interaction(ended_at=NOW - timedelta(hours=2)), NOW) == BATCH
    policy.spent(1.2, NOW)
    assert policy.mode(young, NOW) == BATCH
    assert policy.mode(interaction(ended_at=NOW), NOW + timedelta(days=1)) == BATCH  # old by then
    tomorrow = NOW + timedelta(days=1)
    assert policy.mode(interaction(ended_at=tomorrow), tomorrow) == ONLINE


def test_without_settings_everything_is_online(interaction) -> None:
    assert ModePolicy().mode(interaction(ended_at=NOW - timedelta(days=900)), NOW) == ONLINE


spans = st.lists(
    st.builds(lambda p, first, more: Span(p, first, first + more), st.integers(0, 5), st.integers(0, 10**9),
              st.integers(0, 10**6)),
    min_size=1, max_size=6, unique_by=lambda span: span.partition,
)  # fmt: skip


@given(spans)
def test_a_name_says_what_it_holds(found) -> None:
    assert spans_of(name_of(found)) == tuple(sorted(found))
    assert next_offsets([name_of(found)]) == {span.partition: span.last + 1 for span in found}


@pytest.mark.parametrize("name", ["", "manifest.json", "p0_1-2", "p0_1-2.x.jsonl", "done.jsonl"])
def test_what_is_no_input_is_not_taken_for_one(name) -> None:
    assert spans_of(name) == ()


def test_names_of_jobs_and_records_fit_bedrock() -> None:
    name = job_name("s3://bucket/x", "p0_1-2.jsonl")
    assert name == job_name("s3://bucket/x", "p0_1-2.jsonl") != job_name("s3://bucket/y", "p0_1-2.jsonl")
    assert len(name) <= 63
    assert record_id(3, 12).isalnum()
    assert len(record_id(0, 0)) >= 11


LIMITS = Limits(min_records=100, max_records=1000, max_bytes=10_000, max_wait_seconds=60)


@pytest.mark.parametrize(
    ("records", "size_bytes", "seconds", "step"),
    [
        (0, 0, 0, NextStep.WAIT),
        (99, 10, 59, NextStep.WAIT),
        (100, 10, 59, NextStep.WAIT),
        (100, 10, 60, NextStep.WRITE),
        (99, 10, 60, NextStep.SEND_BACK),
        (1000, 10, 1, NextStep.WRITE),
        (101, 10_000, 1, NextStep.WRITE),
    ],
)
def test_a_job_starts_when_it_is_full_or_has_waited_long_enough(records, size_bytes, seconds, step) -> None:
    assert next_step(records, size_bytes, seconds, LIMITS) is step


def test_lines_of_an_output_are_joined_by_id_and_broken_ones_count_as_unanswered() -> None:
    data = b'{"recordId": "a", "modelOutput": {}}\nnot json\n\n{"recordId": "b", "error": {}}\n[1]\n'
    assert set(results_of(data)) == {"a", "b"}


async def test_a_question_reads_the_same_to_nova_and_to_claude(batching, interaction) -> None:
    request = batching._asker.question(interaction()).request
    nova = native_body(request, "amazon.nova-lite-v1:0", PRICE)
    claude = native_body(request, "eu.anthropic.claude-haiku-5-5", PRICE.model_copy(update={"accepts_sampling": False}))
    assert nova["system"] == [{"text": request.prompt.system}]
    assert claude["system"] == request.prompt.system
    assert nova["messages"][0]["content"][0]["text"] == claude["messages"][0]["content"][0]["text"]
    schema = nova["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"]["json"]
    assert claude["tools"][0]["input_schema"] == schema
    assert claude["tool_choice"] == {"type": "tool", "name": request.prompt.tool_name}
    assert "temperature" not in claude
    with pytest.raises(FatalError, match="Nova and Anthropic"):
        native_body(request, "meta.llama", PRICE)


def test_an_answer_costs_half() -> None:
    output = {
        "output": {},
        "usage": {"inputTokens": 1_000_000, "outputTokens": 1_000_000},
        "x-floodgate-model": "local",
    }
    usage = batch_usage(converse_response(output), "amazon.nova-lite-v1:0", PRICE)
    assert usage.cost_usd == pytest.approx((0.06 + 0.24) / 2)
    assert (usage.mode, usage.model_label) == ("batch", "local model (as amazon.nova-lite-v1:0)")


def test_an_answer_of_claude_reads_like_one_of_converse() -> None:
    output = {
        "type": "message", "stop_reason": "tool_use",
        "content": [{"type": "text", "text": "so"}, {"type": "tool_use", "id": "1", "name": "t", "input": {"a": 1}}],
        "usage": {"input_tokens": 5, "output_tokens": 2},
    }  # fmt: skip
    found = json.loads(json.dumps(converse_response(output)))
    assert found["output"]["message"]["content"][1] == {"toolUse": {"toolUseId": "1", "name": "t", "input": {"a": 1}}}
    assert (found["stopReason"], found["usage"]["inputTokens"]) == ("tool_use", 5)
