"""Health and figures of a service over HTTP: `/healthz` by progress, `/metrics` for Prometheus."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Final

from keyflow import BreakerState
from keyflow.status import COMMIT_BOUNDS_SECONDS, Status
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import REGISTRY, Collector
from prometheus_client.utils import floatToGoString
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from floodgate.telemetry import gauge

_TASKS: Final = gauge("floodgate_asyncio_tasks", "Tasks of the event loop, those of this request included.")
_GAUGES: Final[dict[str, tuple[str, Callable[[Status], float]]]] = {
    "in_flight": ("Records being handled.", lambda status: status.in_flight),
    "buffered": ("Records fetched and not finished.", lambda status: status.buffered),
    "assigned": ("Partitions assigned.", lambda status: status.assigned),
    "paused": ("Partitions paused, their offset map or the buffer being full.", lambda status: status.paused),
    "parked_keys": ("Keys whose records are parked behind a dead letter.", lambda status: status.parked),
    "oldest_unfinished_seconds": (
        "Age of the oldest record that was fetched and is not finished, by its Kafka timestamp.",
        lambda status: status.lag.oldest_seconds,
    ),
    "outage": ("1 while what the handlers or the effects call is down.", lambda status: status.outage),
    "stalled_seconds": (
        "Time with work, fetched or not, and without a commit; outages not counted.",
        lambda status: status.stalled_seconds(),
    ),
}
_COUNTERS: Final[dict[str, tuple[str, Callable[[Status], float]]]] = {
    "retries": ("Attempts after the first.", lambda status: status.retries),
    "outages": ("How often the breaker opened.", lambda status: status.outages),
}


class EngineCollector(Collector):
    """Reads the engines' figures when Prometheus asks."""

    def __init__(self, statuses: Sequence[Status]) -> None:
        self._statuses = statuses

    def collect(self) -> Iterator[Metric]:
        """The figures, one family each."""
        for name, (text, read) in _GAUGES.items():
            gauge = GaugeMetricFamily(f"keyflow_{name}", text, labels=["processor"])
            for status in self._statuses:
                gauge.add_metric([status.name], read(status))
            yield gauge
        for name, (text, read) in _COUNTERS.items():
            counter = CounterMetricFamily(f"keyflow_{name}", text, labels=["processor"])
            for status in self._statuses:
                counter.add_metric([status.name], read(status))
            yield counter
        yield self._finished()
        yield self._lag()
        yield self._breaker()
        yield self._commits()

    def _finished(self) -> Metric:
        family = CounterMetricFamily("keyflow_finished", "Outcomes by kind.", labels=["processor", "kind"])
        for status in self._statuses:
            for kind, count in status.finished.items():
                family.add_metric([status.name, kind], count)
        return family

    def _lag(self) -> Metric:
        text = "Offsets from the lowest unfinished one to the end, over the partitions assigned here."
        family = GaugeMetricFamily("keyflow_lag", text, labels=["processor", "topic"])
        for status in self._statuses:
            for topic, offsets in status.lag.offsets.items():
                family.add_metric([status.name, topic], offsets)
        return family

    def _breaker(self) -> Metric:
        family = GaugeMetricFamily("keyflow_breaker", "1 for the breaker's state.", labels=["processor", "state"])
        for status in self._statuses:
            now = status.breaker_state
            for state in BreakerState:
                family.add_metric([status.name, state.value], float(state is now))
        return family

    def _commits(self) -> Metric:
        family = HistogramMetricFamily("keyflow_commit_seconds", "Time of a transaction.", labels=["processor"])
        bounds = [*map(floatToGoString, COMMIT_BOUNDS_SECONDS), "+Inf"]
        for status in self._statuses:
            counts = accumulate(status.commit_classes)
            family.add_metric([status.name], list(zip(bounds, counts, strict=True)), status.commit_seconds)
        return family


def monitor_app(statuses: Sequence[Status], stall_seconds: float) -> Starlette:
    """The application that answers for a service.

    Args:
        statuses: Its engines' figures.
        stall_seconds: Work without a commit for longer than this is unhealthy.
    """
    registry = CollectorRegistry()
    registry.register(EngineCollector(statuses))

    def healthz(_: Request) -> Response:
        stalled = {status.name: round(status.stalled_seconds(), 1) for status in statuses}
        lag = {status.name: sum(status.lag.offsets.values()) for status in statuses}
        healthy = all(seconds < stall_seconds for seconds in stalled.values())
        body = {"healthy": healthy, "stalled_seconds": stalled, "lag": lag}
        return JSONResponse(body, status_code=200 if healthy else 503)

    def figures() -> bytes:
        return generate_latest(registry) + generate_latest(REGISTRY)

    async def metrics(_: Request) -> Response:
        _TASKS.set(len(asyncio.all_tasks()))
        # In a thread: no record waits while text is made.
        return Response(await run_in_threadpool(figures), media_type=CONTENT_TYPE_LATEST)

    return Starlette(routes=[Route("/healthz", healthz), Route("/metrics", metrics)])
