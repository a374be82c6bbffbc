"""The limit on calls in flight of one model: found out by throttling, within a static share of the account's quota."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol
from weakref import WeakValueDictionary

from keyflow import AdaptiveLimiter, LimitConfig, Slot
from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from floodgate.bedrock.settings import BedrockSettings

_START: Final = 16


@dataclass(frozen=True)
class Observation:
    """How a call that had a slot ended; what an adaptive limit learns from.

    `tokens` is what the call used of the quota; cache reads do not count toward it.
    """

    throttled: bool
    failed: bool
    tokens: int


class Limiter(Protocol):
    """Hands out slots for calls."""

    async def acquire(self, tokens: int) -> Slot:
        """Wait until a call that reserves `tokens` of the quota may start; cancelled, it takes nothing."""
        ...

    def release(self, slot: Slot, result: Observation) -> None:
        """Give the slot back, once per `acquire`."""
        ...


def model_limiter(settings: BedrockSettings) -> AdaptiveLimiter:
    """The limiter of the model that answers, with its figures."""
    limiter = _limiter(settings, settings.requests_per_minute, settings.tokens_per_minute)
    return _figures.watch(settings.model_id, limiter)


def embed_limiter(settings: BedrockSettings) -> AdaptiveLimiter:
    """The limiter of the embedding model: Bedrock counts each model's quota by itself."""
    limiter = _limiter(settings, settings.embed_requests_per_minute, settings.embed_tokens_per_minute)
    return _figures.watch(settings.embed_model_id, limiter)


def _limiter(settings: BedrockSettings, requests: float | None, tokens: float | None) -> AdaptiveLimiter:
    most = settings.max_in_flight
    return AdaptiveLimiter(
        LimitConfig(most=most, start=min(_START, most)),
        requests_per_minute=settings.share(requests),
        tokens_per_minute=settings.share(tokens),
    )


class LimiterCollector(Collector):
    """Reads the limiters' figures when Prometheus asks; of two for one model, the later one's."""

    def __init__(self) -> None:
        self._limiters: WeakValueDictionary[str, AdaptiveLimiter] = WeakValueDictionary()

    def watch(self, model_id: str, limiter: AdaptiveLimiter) -> AdaptiveLimiter:
        """Shows a limiter's figures for as long as it is there."""
        self._limiters[model_id] = limiter
        return limiter

    def collect(self) -> Iterator[Metric]:
        """The figures, one family each."""
        limit = GaugeMetricFamily("floodgate_bedrock_limit", "Calls that may be in flight now.", labels=["model"])
        in_flight = GaugeMetricFamily("floodgate_bedrock_in_flight", "Calls in flight.", labels=["model"])
        waiting = GaugeMetricFamily("floodgate_bedrock_waiting", "Calls that wait to start.", labels=["model"])
        throttled = CounterMetricFamily("floodgate_bedrock_throttled", "Calls that were throttled.", labels=["model"])
        for model_id, limiter in sorted(self._limiters.items()):
            limit.add_metric([model_id], limiter.limit)
            in_flight.add_metric([model_id], limiter.in_flight)
            waiting.add_metric([model_id], limiter.waiting)
            throttled.add_metric([model_id], limiter.throttled)
        yield from (limit, in_flight, waiting, throttled)


_figures: Final = LimiterCollector()
REGISTRY.register(_figures)
