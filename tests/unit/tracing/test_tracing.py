"""One trace over the topics: each hop's span continues the one before, and nothing is added where nobody records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from floodgate import tracing
from floodgate.bedrock.contract import Usage
from floodgate.timeline.hops import trace_id
from floodgate.tracing import TracedHandler, current_headers, span, traced_app, traced_effects, with_trace
from keyflow import Effect, EffectResult, Emit, FatalError, Outcome, PendingEffect, Record, Tools
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

TOOLS = Tools(lambda: 0, lambda: None)
INCOMING = (("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), ("event-id", b"e"))
TRACE = "0af7651916cd43dd8448eb211c80319c"


class Hop:
    """A handler that passes its record on, with an effect if asked to."""

    def __init__(self, target: str, *, acts: bool = False) -> None:
        self.target = target
        self.acts = acts
        self.payloads: list[Mapping[str, Any]] = []

    async def handle(self, record: Record, state: Any, tools: Tools) -> Outcome[Any]:
        with span("bedrock converse") as current:
            current.set_attributes(Usage("m", "m", 10, 5, 0, 0, 0.01, 3, 1).span_attributes())
        effect = Effect("deliver", "k", {"command": "reply"}) if self.acts else None
        return Outcome([Emit(self.target, record.key, "v", (("event-id", b"x"),))], effect=effect)

    async def resume(self, result: EffectResult, key: str, state: Any, tools: Tools) -> Outcome[Any]:
        self.payloads.append(result.effect.payload)
        return Outcome([Emit(self.target, key, "done")])


def record(topic: str, headers: Any = ()) -> Record:
    return Record(topic, 0, 0, "k", "where is my ticket", headers)


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("test"))
    monkeypatch.setattr(tracing, "recording", lambda: True)
    yield exporter
    provider.shutdown()


def by_name(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {each.name: each for each in exporter.get_finished_spans()}


async def test_one_trace_leads_from_the_webhook_over_the_topics_to_the_effect(spans: InMemorySpanExporter) -> None:
    async def webhook(scope: Any, receive: Any, send: Any) -> None:
        sent.append(with_trace((("event-id", b"m"),)))

    sent: list[Any] = []
    await traced_app("ingest", webhook)({"type": "http", "method": "POST", "headers": []}, None, None)  # type: ignore[arg-type]
    headers = sent[0]
    for name, topic in (("firewall", "support.messages"), ("agent", "support.verdicts")):
        outcome = await TracedHandler(name, Hop("next")).handle(record(topic, headers), None, TOOLS)
        headers = outcome.events[0].headers
    delivery = Hop("none", acts=True)
    outcome = await TracedHandler("delivery", delivery).handle(record("support.replies", headers), None, TOOLS)
    assert outcome.effect is not None
    seen: list[Mapping[str, Any]] = []

    async def deliver(pending: PendingEffect) -> Mapping[str, Any]:
        seen.append(pending.effect.payload)
        return {}

    await traced_effects("delivery", {"deliver": deliver})["deliver"](PendingEffect(outcome.effect, "k"))
    await TracedHandler("delivery", delivery).resume(EffectResult(outcome.effect, "done"), "k", None, TOOLS)
    assert seen == delivery.payloads == [{"command": "reply"}]
    found = by_name(spans)
    assert set(found) == {
        "ingest POST", "firewall process", "agent process", "delivery process", "delivery deliver", "delivery resume",
        "bedrock converse",
    }  # fmt: skip
    assert len({each.context.trace_id for each in found.values() if each.context}) == 1
    for child, parent in (("firewall process", "ingest POST"), ("delivery deliver", "delivery process")):
        assert found[child].parent is not None
        assert found[child].parent.span_id == found[parent].context.span_id  # type: ignore[union-attr]
    assert found["bedrock converse"].attributes["gen_ai.usage.input_tokens"] == 10  # type: ignore[index]
    assert "ticket" not in str([each.to_json() for each in spans.get_finished_spans()])


async def test_an_error_marks_its_span_by_its_type_alone(spans: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="Odile"), span("failing"):
        raise ValueError("Odile Varga, 4111")
    (failed,) = spans.get_finished_spans()
    assert failed.status.description == "ValueError"
    assert "Odile" not in failed.to_json()


async def test_without_recording_a_trace_is_passed_on_and_none_is_begun() -> None:
    hop = TracedHandler("firewall", Hop("next"))
    carried = (await hop.handle(record("support.messages", INCOMING), None, TOOLS)).events[0].headers
    assert trace_id(dict(carried)) == TRACE
    assert dict(carried)["event-id"] == b"x"
    plain = (await hop.handle(record("support.messages"), None, TOOLS)).events[0].headers
    assert plain == (("event-id", b"x"),)
    assert current_headers() == ()


def test_an_endpoint_without_the_sdk_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(tracing.ENDPOINT, "http://127.0.0.1:4318")
    monkeypatch.setitem(__import__("sys").modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(FatalError, match=r"floodgate\[tracing\]"):
        tracing.configure_tracing("firewall")
