"""Counters for `GET /_local/stats`."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """The tokens of one call; `input_tokens` leaves out what the cache took over, as on AWS."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_ttl: str | None = None

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens + self.cache_read_tokens + self.cache_write_tokens


class Stats:
    """What the server did since it started or since `DELETE /_local/stats`."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._since = time.time()
        self._calls: Counter[str] = Counter()
        self._models: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._faults: Counter[str] = Counter()
        self._tokens: Counter[str] = Counter()
        self._cache: Counter[str] = Counter()
        self.in_flight = 0
        self._in_flight_max = 0

    def begin(self) -> None:
        self.in_flight += 1
        self._in_flight_max = max(self._in_flight_max, self.in_flight)

    def end(self) -> None:
        self.in_flight = max(self.in_flight - 1, 0)

    def call(self, operation: str, model_id: str) -> None:
        self._calls[operation] += 1
        self._models[model_id] += 1

    def error(self, error_type: str) -> None:
        self._errors[error_type] += 1

    def fault(self, kind: str) -> None:
        self._faults[kind] += 1

    def usage(self, usage: TokenUsage) -> None:
        self._tokens["input"] += usage.input_tokens
        self._tokens["output"] += usage.output_tokens
        self._tokens["cache_read"] += usage.cache_read_tokens
        self._tokens["cache_write"] += usage.cache_write_tokens
        self._cache["reads"] += usage.cache_read_tokens > 0
        self._cache["writes"] += usage.cache_write_tokens > 0

    def snapshot(self, cache_entries: int) -> dict[str, Any]:
        return {
            "model": "local",
            "since_epoch_seconds": round(self._since, 3),
            "calls": sum(self._calls.values()),
            "calls_by_operation": dict(self._calls),
            "calls_by_model": dict(self._models),
            "errors": dict(self._errors),
            "faults": dict(self._faults),
            "tokens": dict(self._tokens),
            "cache": {**self._cache, "entries": cache_entries},
            "in_flight": self.in_flight,
            "in_flight_max": self._in_flight_max,
        }
