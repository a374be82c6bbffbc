"""Which model is asked: the first and, while that is out, the one named to take its place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from keyflow import CircuitBreaker

from floodgate.bedrock.cache_watch import CacheWatch
from floodgate.bedrock.limiter import Limiter, model_limiter
from floodgate.bedrock.prices import ModelPrice, PriceTable
from floodgate.bedrock.settings import BedrockSettings
from floodgate.telemetry import counter

_TRIES_OF_THE_FIRST: Final = 2
_SHARE_OF_THE_FIRST: Final = 0.5
_CALLS: Final = counter("floodgate_bedrock_fallback_calls_total", "Calls that the fallback model answered.", ("model",))


@dataclass(frozen=True)
class Line:
    """One model and what is kept of it.

    Attributes:
        time_share: How much of the time that is left an attempt may take.
    """

    model_id: str
    price: ModelPrice
    limiter: Limiter
    watch: CacheWatch
    time_share: float = 1.0


class Lines:
    """Chooses the model of each attempt.

    A call's third attempt goes to the fallback, and while most of the first model's calls of late failed all do, but
    for a probe a second. Without a fallback there is one model for everything.

    Args:
        settings: Names both.
        prices: Has a row for both.
        limiter: The first model's.
        log: Told when the first model is out, and when it is back.
        clock: Monotonic, in seconds.

    Raises:
        FatalError: There is no price for one of them.
    """

    def __init__(
        self,
        settings: BedrockSettings,
        prices: PriceTable,
        limiter: Limiter | None,
        log: Any,
        clock: Callable[[], float],
    ) -> None:
        self._log = log
        self._clock = clock
        self._breaker = CircuitBreaker()
        self._fallback: Line | None = None
        share = 1.0
        if settings.fallback_model_id:
            # Its quota is another one; throttling alone tells of it.
            changes = {
                "model_id": settings.fallback_model_id, "requests_per_minute": None, "tokens_per_minute": None
            }  # fmt: skip
            other = settings.model_copy(update=changes)
            self._fallback = _line(other, prices, model_limiter(other), log, 1.0)
            share = _SHARE_OF_THE_FIRST
        self.first = _line(settings, prices, limiter or model_limiter(settings), log, share)

    def choose(self, attempt: int) -> Line:
        """The model to ask with this attempt of a call, 1 being its first."""
        if self._fallback is None:
            return self.first
        if attempt > _TRIES_OF_THE_FIRST or self._breaker.wait_seconds(self._clock()) > 0:
            return self._fallback
        return self.first

    def answered(self, line: Line) -> None:
        """The model answered, be it with a refusal of the request."""
        if line is not self.first:
            _CALLS.labels(line.model_id).inc()
            return
        if self._breaker.is_open:
            self._log.warning("bedrock.model_back", model_id=line.model_id)
        self._breaker.succeeded(self._clock())

    def failed(self, line: Line) -> None:
        """It was throttled, failed, or did not answer in time."""
        if line is not self.first or self._fallback is None:
            return
        was_open = self._breaker.is_open
        self._breaker.failed(self._clock())
        if self._breaker.is_open and not was_open:
            self._log.warning(
                "bedrock.fallback",
                model_id=line.model_id,
                fallback_model_id=self._fallback.model_id,
                reason="most of its calls of late failed",
            )


def _line(settings: BedrockSettings, prices: PriceTable, limiter: Limiter, log: Any, share: float) -> Line:
    model_id = settings.model_id
    return Line(model_id, prices.price(model_id), limiter, CacheWatch(model_id, log), share)
