"""What every service is started with: its engine, its tasks, its HTTP side, health, figures, a clean stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol
from uuid import UUID

import uvicorn
from keyflow import (
    EffectFunction,
    Emit,
    Engine,
    EngineConfig,
    FailedRecord,
    FatalError,
    Handler,
    Headers,
    KeyflowError,
    Outcome,
    Processor,
    Record,
    StateSpec,
)
from keyflow.status import Status
from pydantic import BaseModel
from starlette.types import ASGIApp

from floodgate import __version__
from floodgate.event_producer import EventProducer as EventProducer  # noqa: PLC0414 - who runs a service finds it here
from floodgate.events import DeadLetter, RecordHeader, edge_event_id
from floodgate.events.serde import AvroSerde
from floodgate.events.times import from_ms, now_ms
from floodgate.events.topics import topics
from floodgate.monitor import monitor_app
from floodgate.settings import KafkaSettings, load
from floodgate.telemetry import configure_logging, get_logger
from floodgate.tracing import configure_tracing, traced, traced_app

log = get_logger(__name__)

STOP_WITH_PARENT: Final = "FLOODGATE_STOP_WITH_PARENT"
"""Environment variable: "1" stops the service when the process that started it is gone."""
DEAD_LETTERS: Final = "support.dead-letters"
EVENT_ID_HEADER: Final = "event-id"
_STALL_SECONDS: Final = 120.0
_GC_THRESHOLDS: Final = (20_000, 20, 100)


class BackgroundTask(Protocol):
    """Something that a service does beside its engine."""

    name: str

    async def run(self, stop: asyncio.Event) -> None:
        """Runs until `stop` is set."""
        ...


@dataclass(frozen=True, slots=True)
class HttpApp:
    """The HTTP side of a service."""

    app: ASGIApp
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Service:
    """What a service consists of, wired and not yet connected to anything."""

    name: str
    processors: Sequence[Processor[Any]] = ()
    tasks: Sequence[BackgroundTask] = ()
    http: HttpApp | None = None
    statuses: Sequence[Status] = ()
    """Progress of what is no processor, for /healthz and /metrics."""
    on_start: Sequence[Callable[[], Awaitable[None]]] = ()
    on_stop: Sequence[Callable[[], Awaitable[None]]] = ()


def make_processor(
    name: str,
    inputs: Sequence[str],
    handler: Handler[Any],
    serde: AvroSerde,
    *,
    state_model: type[BaseModel] | None = None,
    state_ttl_seconds: float | None = None,
    effects: Mapping[str, EffectFunction] | None = None,
    fallback: Callable[[Record, Any, str], Outcome[Any]] | None = None,
    on_poison: Callable[[FailedRecord, Record | None, Any], Outcome[Any]] | None = None,
    budget_seconds: float = 120.0,
    versions: Mapping[str, str] | Callable[[], Mapping[str, str]] | None = None,
    decode: Callable[[str, bytes], Any] | None = None,
    parking: bool = False,
    writes_outside: bool = False,
    followed: Sequence[str] = (),
) -> Processor[Any]:
    """A processor with the project's wire format, state as JSON of a pydantic model, and dead letters.

    Its changelog is `support.<name>.state`, its redrive topic `support.<name>.redrive`.
    """
    state = None
    if state_model is not None:
        state = StateSpec(f"support.{name}.state", encode_state, state_model.model_validate_json, state_ttl_seconds)
    return Processor(
        name=name,
        inputs=tuple(inputs),
        handler=handler,
        decode=decode or serde.decode,
        encode=serde.encode,
        dead_letter=DeadLetters(name, versions or {}),
        state=state,
        effects=dict(effects or {}),
        on_poison=on_poison,
        fallback=fallback,
        budget_seconds=budget_seconds,
        followed=tuple(followed),
        redrive_topic=f"support.{name}.redrive" if f"support.{name}.redrive" in topics() else None,
        parking=parking,
        writes_outside=writes_outside,
        outputs=tuple(topic for topic, spec in topics().items() if name in spec.writers),
    )


def encode_state(state: BaseModel) -> bytes:
    """State as compact JSON; what still has its default is left out."""
    return state.model_dump_json(exclude_defaults=True).encode()


class DeadLetters:
    """Makes the dead letter of a failed record; the same record always gets the same event_id."""

    def __init__(self, service: str, versions: Mapping[str, str] | Callable[[], Mapping[str, str]]) -> None:
        self._service = service
        self._versions = versions

    def __call__(self, failed: FailedRecord) -> Emit:
        """The record to write to support.dead-letters, keyed as the original."""
        place = f"{failed.topic}/{failed.partition}/{failed.offset}/{failed.timestamp_ms}"
        at_ms = now_ms()
        if failed.offset < 0:
            # What failed after an effect that a restart found pending is no record with a place of its own.
            place += f"/{(failed.raw_key or b'').hex()}/{at_ms}"
        letter = DeadLetter(
            event_id=edge_event_id(f"dead-letter:{self._service}", place),
            occurred_at=from_ms(at_ms),
            causation_id=_event_id(failed.headers),
            service=self._service,
            origin_topic=failed.topic,
            origin_partition=failed.partition,
            origin_offset=failed.offset,
            origin_timestamp=from_ms(failed.timestamp_ms) if failed.timestamp_ms > 0 else None,
            key=failed.raw_key,
            value=failed.raw_value,
            headers=tuple(RecordHeader(key=name, value=value) for name, value in failed.headers),
            error_class=failed.error_class,
            error_type=failed.error_type,
            reason=failed.reason,
            attempts=failed.attempts,
            raw_output=failed.raw_output,
            versions={"service": __version__, **(self._versions() if callable(self._versions) else self._versions)},
        )
        key = (failed.raw_key or b"").decode(errors="replace") or str(letter.event_id)
        return Emit(DEAD_LETTERS, key, letter)


def _event_id(headers: Headers) -> UUID | None:
    value = dict(headers).get(EVENT_ID_HEADER)
    if value is None:
        return None
    try:
        return UUID(value.decode())
    except ValueError:
        return None


def run(service: Service) -> None:
    """Runs a service until SIGTERM or SIGINT.

    Raises:
        FatalError: It cannot go on; one clear line.
    """
    configure_logging(service.name)
    flush_spans = configure_tracing(service.name)
    try:
        asyncio.run(_run(service))
    finally:
        flush_spans()


def main(build: Callable[[], Service]) -> None:
    """What `python -m <service>` does: builds and runs it; an expected failure is one clear line and exit code 1."""
    try:
        run(build())
    except KeyflowError as error:
        sys.exit(f"{type(error).__name__}: {error}")


async def _run(service: Service) -> None:
    settings = load(KafkaSettings)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    engines = [Engine(traced(each), engine_config(settings, each.name)) for each in service.processors]
    statuses = [*(engine.status for engine in engines), *service.statuses]
    http = None if service.http is None else replace(service.http, app=traced_app(service.name, service.http.app))
    apps = [app for app in (http, _monitor(service.processors, statuses)) if app is not None]
    # Bound before anything starts: a taken port shall stop the start, not the running service.
    servers = [(_server(app), _bound(app)) for app in apps]
    for hook in service.on_start:
        await hook()
    # What a record is made of lives until its commit; the default of 700 objects would look through all of them
    # again and again (a tenth of the CPU). What was loaded so far stays for good.
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
    log.info("service.started", processors=[processor.name for processor in service.processors])
    running = [asyncio.create_task(engine.run(), name=engine.status.name) for engine in engines]
    running += [asyncio.create_task(task.run(stop), name=task.name) for task in service.tasks]
    serving = [asyncio.create_task(server.serve(sockets=[port]), name="http") for server, port in servers]
    stopped = asyncio.create_task(stop.wait())
    orphaned = asyncio.create_task(_watch_parent(stop))
    try:
        await asyncio.wait([stopped, *running, *serving], return_when=asyncio.FIRST_COMPLETED)
        failure = _first_failure([*running, *serving])
    finally:
        stop.set()
        for engine in engines:
            engine.stop()
        for server, _ in servers:
            server.should_exit = True
        await asyncio.gather(*running, *serving, return_exceptions=True)
        stopped.cancel()
        orphaned.cancel()
        for hook in service.on_stop:
            await hook()
    failure = failure or _first_failure([*running, *serving])
    log.info("service.stopped", clean=failure is None)
    if failure is not None:
        raise failure if isinstance(failure, FatalError) else FatalError(f"{type(failure).__name__}: {failure}")


def _bound(http: HttpApp) -> socket.socket:
    """A listening socket; FatalError when the port is taken or may not be used."""
    try:
        made = socket.create_server((http.host, http.port), backlog=2048)
        # Inherited by every connection: else each answer of two writes waits 40 ms for the other side's receipt.
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made
    except OSError as error:
        remedy = "stop what uses it, or set another port (FLOODGATE_INGEST_PORT, …_CONSOLE_PORT, …_METRICS_PORT)"
        raise FatalError(f"cannot listen on {http.host}:{http.port} ({error.strerror}): {remedy}") from error


async def _watch_parent(stop: asyncio.Event) -> None:
    """Stops a service whose parent was killed without a chance to stop it, where the parent asked for that."""
    if os.environ.get(STOP_WITH_PARENT) != "1":
        return
    parent = os.getppid()
    while os.getppid() == parent:  # noqa: ASYNC110 (nobody sets an event when a parent is killed)
        await asyncio.sleep(1.0)
    log.warning("service.parent_gone")
    stop.set()


def _first_failure(tasks: Sequence[asyncio.Task[None]]) -> BaseException | None:
    for task in tasks:
        if task.done() and not task.cancelled() and task.exception() is not None:
            return task.exception()
    return None


def engine_config(settings: KafkaSettings, name: str) -> EngineConfig:
    """How a processor of this name runs here."""
    return EngineConfig(
        bootstrap_servers=settings.bootstrap_servers,
        group_id=settings.group_prefix + name,
        instance=settings.instance,
        max_in_flight=settings.max_in_flight,
        commit_interval_seconds=settings.commit_interval_seconds,
        start_over=settings.start_over,
        group_protocol=settings.group_protocol,
        leave_on_stop=settings.leave_on_stop,
        client=settings.connection(),
    )


def _monitor(processors: Sequence[Processor[Any]], statuses: Sequence[Status]) -> HttpApp | None:
    port = int(os.environ.get("FLOODGATE_METRICS_PORT", "0"))
    if port == 0:
        return None
    host = os.environ.get("FLOODGATE_METRICS_HOST", "127.0.0.1")
    # A record may take its whole budget: that alone is no stall.
    stall_seconds = max([_STALL_SECONDS, *(1.5 * processor.budget_seconds for processor in processors)])
    return HttpApp(monitor_app(statuses, stall_seconds), host, port)


class _Server(uvicorn.Server):
    """Leaves signals to the service, which stops servers and engines together."""

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield


def _server(http: HttpApp) -> _Server:
    config = uvicorn.Config(http.app, host=http.host, port=http.port, log_config=None, access_log=False, lifespan="off")
    return _Server(config)
