"""Tells one failing record from a dependency that is down for everyone. Pure: time is given."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import Final

_MOST: Final = 0.5
_SLICES: Final = 10


class BreakerState(Enum):
    """Closed lets calls through, open holds them back, half open lets one through to see."""

    CLOSED = "closed"
    HALF_OPEN = "half_open"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class BreakerConfig:
    """When calls count as an outage.

    Attributes:
        window_seconds: How far back calls count.
        least_calls: Fewer calls than this say nothing.
        probe_after_seconds: Time from opening, or from a failed probe, to the next probe.
    """

    window_seconds: float = 10.0
    least_calls: int = 8
    probe_after_seconds: float = 1.0


class CircuitBreaker:
    """Opens when most calls of the last seconds failed; closes with the first probe that succeeds.

    Not thread-safe. `now` is monotonic, in seconds.
    """

    def __init__(self, config: BreakerConfig | None = None) -> None:
        self._config = config or BreakerConfig()
        # Slices of the window: end, calls, failed calls.
        self._slices: deque[list[float]] = deque()
        self._probe_at: float | None = None
        self.opened = 0

    @property
    def is_open(self) -> bool:
        """Whether there is an outage; half open counts as one."""
        return self._probe_at is not None

    @property
    def all_failed(self) -> bool:
        """Whether not one call of the window up to the last one ended well."""
        return bool(self._slices) and all(part[1] == part[2] for part in self._slices)

    def state(self, now: float) -> BreakerState:
        """What it does with a call that comes now."""
        if self._probe_at is None:
            return BreakerState.CLOSED
        return BreakerState.HALF_OPEN if now >= self._probe_at else BreakerState.OPEN

    def wait_seconds(self, now: float) -> float:
        """0 when a call may start now; else when to ask again. A probe that is allowed counts as started."""
        if self._probe_at is None:
            return 0.0
        if now < self._probe_at:
            return self._probe_at - now
        # A probe that never reports (cancelled) must not keep the breaker open: the next one follows in time.
        self._probe_at = now + self._config.probe_after_seconds
        return 0.0

    def succeeded(self, now: float) -> None:
        """A call ended well."""
        if self._probe_at is not None:
            self._close()
        self._note(now, failed=False)

    def failed(self, now: float) -> None:
        """A call failed for a reason that is not the record's."""
        self._note(now, failed=True)
        if self._probe_at is not None:
            self._probe_at = max(self._probe_at, now + self._config.probe_after_seconds)
        elif self._most_failed():
            self._probe_at = now + self._config.probe_after_seconds
            self.opened += 1

    def _close(self) -> None:
        self._probe_at = None
        self._slices.clear()

    def _most_failed(self) -> bool:
        calls = sum(part[1] for part in self._slices)
        return calls >= self._config.least_calls and sum(part[2] for part in self._slices) > _MOST * calls

    def _note(self, now: float, *, failed: bool) -> None:
        slices = self._slices
        if not slices or now >= slices[-1][0]:
            length = self._config.window_seconds / _SLICES
            slices.append([now + length, 0, 0])
            while slices[0][0] <= now + length - self._config.window_seconds:
                slices.popleft()
        newest = slices[-1]
        newest[1] += 1
        newest[2] += failed
