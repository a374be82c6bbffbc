"""One trace from the webhook to the reply: W3C trace context in Kafka's headers, a span for every hop.

Spans leave the process only where OTEL_EXPORTER_OTLP_ENDPOINT is set (and the extra `floodgate[tracing]` installed).
Without it nothing is recorded, and a trace that comes in is passed on as it stands. No span carries customer text.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final, TypeVar, cast

from keyflow import (
    Effect,
    EffectFunction,
    EffectResult,
    FatalError,
    Handler,
    Headers,
    Outcome,
    PendingEffect,
    Processor,
    Record,
    ResumingHandler,
    Tools,
)
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import ASGIApp, Receive, Scope, Send

S = TypeVar("S")
Attributes = Mapping[str, str | int | float | bool]

ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
CONTEXT_HEADERS: Final = frozenset({"traceparent", "tracestate"})
_IN_EFFECT: Final = "_trace"
_propagator: Final = TraceContextTextMapPropagator()
_tracer: Final = trace.get_tracer("floodgate")


def configure_tracing(service: str) -> Callable[[], None]:
    """Sends spans to the OTLP endpoint that the environment names; does nothing where it names none.

    Returns:
        What sends the last ones at the end.

    Raises:
        FatalError: The SDK is not installed.
    """
    if not os.environ.get(ENDPOINT):
        return lambda: None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 (optional)
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError as error:
        raise FatalError(f"{ENDPOINT} is set, but spans cannot be sent: install floodgate[tracing]") from error
    resource = Resource.create({"service.name": f"floodgate-{service}"})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return provider.shutdown


def recording() -> bool:
    """Whether spans go anywhere."""
    # The API's own provider stands in until one is set.
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


@contextmanager
def span(
    name: str,
    attributes: Attributes | None = None,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    parent: Context | None = None,
) -> Iterator[Span]:
    """A span around what is done within; an error marks it by its type, since its text may be anybody's."""
    if not recording() and parent is None:
        yield trace.INVALID_SPAN
        return
    with _tracer.start_as_current_span(
        name, context=parent, kind=kind, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as current:
        try:
            yield current
        except Exception as error:
            current.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise


def context_in(headers: Headers) -> Context | None:
    """The trace that a record belongs to."""
    carried = {name: value.decode(errors="replace") for name, value in headers if name in CONTEXT_HEADERS and value}
    return _propagator.extract(carried) if carried else None


def current_headers() -> Headers:
    """The current trace as headers; none when there is none."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return tuple((name, value.encode()) for name, value in carrier.items())


def with_trace(headers: Headers) -> Headers:
    """Headers with the current trace in place of another; as they are when there is none."""
    found = current_headers()
    if not found:
        return headers
    return (*(header for header in headers if header[0] not in CONTEXT_HEADERS), *found)


class TracedHandler:
    """A handler whose span continues the record's trace and whose outputs carry it on.

    Args:
        name: The processor's.
        handler: What is traced.
    """

    def __init__(self, name: str, handler: Handler[Any]) -> None:
        self._name = name
        self._handler = handler

    async def handle(self, record: Record, state: Any, tools: Tools) -> Outcome[Any]:
        """As the handler."""
        parent = context_in(record.headers)
        if parent is None and not recording():
            return await self._handler.handle(record, state, tools)
        attributes: Attributes = {
            "messaging.system": "kafka",
            "messaging.destination.name": record.topic,
            "messaging.destination.partition.id": str(record.partition),
            "messaging.kafka.offset": record.offset,
            "floodgate.attempt": record.attempt,
        }
        with span(f"{self._name} process", attributes, kind=SpanKind.CONSUMER, parent=parent):
            return _carrying(await self._handler.handle(record, state, tools))

    async def resume(self, result: EffectResult, key: str, state: Any, tools: Tools) -> Outcome[Any]:
        """As the handler, within the trace of the record that decided the effect."""
        effect, parent = _taken_out(result.effect)
        handler = cast(ResumingHandler[Any], self._handler)
        result = replace(result, effect=effect)
        if parent is None:
            return await handler.resume(result, key, state, tools)
        with span(f"{self._name} resume", {"floodgate.effect.status": result.status}, parent=parent):
            return _carrying(await handler.resume(result, key, state, tools))


def traced(processor: Processor[S]) -> Processor[S]:
    """The processor with a span for every record and effect."""
    return replace(
        processor,
        handler=TracedHandler(processor.name, processor.handler),
        effects=traced_effects(processor.name, processor.effects),
    )


def traced_effects(name: str, effects: Mapping[str, EffectFunction]) -> dict[str, EffectFunction]:
    """Effect functions, each with a span in the trace of the record that decided it."""
    return {kind: _traced_effect(f"{name} {kind}", function) for kind, function in effects.items()}


def _traced_effect(name: str, function: EffectFunction) -> EffectFunction:
    async def run(pending: PendingEffect) -> Mapping[str, Any]:
        effect, parent = _taken_out(pending.effect)
        if parent is None:
            return await function(pending)
        attributes = {"floodgate.maybe_repeated": pending.maybe_repeated}
        with span(name, attributes, kind=SpanKind.CLIENT, parent=parent):
            return await function(replace(pending, effect=effect))

    return run


def _carrying(outcome: Outcome[Any]) -> Outcome[Any]:
    """The outcome with the current trace in its outputs, and in its effect until that has run."""
    found = current_headers()
    if not found:
        return outcome
    events = [emit._replace(headers=with_trace(emit.headers)) for emit in outcome.events]
    effect = outcome.effect
    if effect is not None:
        carried = {header: value.decode() for header, value in found}
        effect = replace(effect, payload={**effect.payload, _IN_EFFECT: carried})
    return outcome._replace(events=events, effect=effect)


def _taken_out(effect: Effect) -> tuple[Effect, Context | None]:
    carried = effect.payload.get(_IN_EFFECT)
    if not isinstance(carried, Mapping):
        return effect, None
    payload = {name: value for name, value in effect.payload.items() if name != _IN_EFFECT}
    return replace(effect, payload=payload), _propagator.extract(dict(carried))


def traced_app(service: str, app: ASGIApp) -> ASGIApp:
    """An HTTP side whose requests begin or continue a trace; as it is where nothing is recorded."""
    if not recording():
        return app

    async def traced(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        headers = tuple((name.decode("latin-1").lower(), value) for name, value in scope["headers"])
        parent = context_in(headers) or Context()
        # No path: it may hold somebody's id.
        attributes = {"http.request.method": scope["method"]}
        with span(f"{service} {scope['method']}", attributes, kind=SpanKind.SERVER, parent=parent):
            await app(scope, receive, send)

    return traced
