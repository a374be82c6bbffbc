"""Health and figures of a service over HTTP: `/healthz` by progress, `/metrics` for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from keyflow.status import Status
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import REGISTRY, Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


class EngineCollector(Collector):
    """Reads the engines' figures when Prometheus asks."""

    def __init__(self, statuses: Sequence[Status]) -> None:
        self._statuses = statuses

    def collect(self) -> Iterator[Metric]:
        """The figures, one family each."""
        finished = CounterMetricFamily("keyflow_finished", "Outcomes by kind.", labels=["processor", "kind"])
        commits = CounterMetricFamily("keyflow_commits", "Transactions committed.", labels=["processor"])
        seconds = CounterMetricFamily("keyflow_commit_seconds", "Time spent in transactions.", labels=["processor"])
        retries = CounterMetricFamily("keyflow_retries", "Attempts after the first.", labels=["processor"])
        outages = CounterMetricFamily("keyflow_outages", "How often the breaker opened.", labels=["processor"])
        gauges = {
            "keyflow_in_flight": "Records being handled.",
            "keyflow_buffered": "Records fetched and not finished.",
            "keyflow_assigned": "Partitions assigned.",
            "keyflow_stalled_seconds": "Time with work and without a commit, outages not counted.",
            "keyflow_paused": "Partitions paused, their offset map or the buffer being full.",
            "keyflow_breaker_open": "1 while most calls of the last seconds failed.",
        }
        families = {name: GaugeMetricFamily(name, text, labels=["processor"]) for name, text in gauges.items()}
        for status in self._statuses:
            for kind, count in status.finished.items():
                finished.add_metric([status.name, kind], count)
            commits.add_metric([status.name], status.commits)
            seconds.add_metric([status.name], status.commit_seconds)
            retries.add_metric([status.name], status.retries)
            families["keyflow_in_flight"].add_metric([status.name], status.in_flight)
            families["keyflow_buffered"].add_metric([status.name], status.buffered)
            families["keyflow_assigned"].add_metric([status.name], status.assigned)
            families["keyflow_paused"].add_metric([status.name], status.paused)
            families["keyflow_breaker_open"].add_metric([status.name], float(status.breaker_open))
            outages.add_metric([status.name], status.outages)
            families["keyflow_stalled_seconds"].add_metric([status.name], status.stalled_seconds())
        yield from (finished, commits, seconds, retries, outages, *families.values())


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
        healthy = all(seconds < stall_seconds for seconds in stalled.values())
        return JSONResponse({"healthy": healthy, "stalled_seconds": stalled}, status_code=200 if healthy else 503)

    def metrics(_: Request) -> Response:
        return Response(generate_latest(registry) + generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)

    return Starlette(routes=[Route("/healthz", healthz), Route("/metrics", metrics)])
