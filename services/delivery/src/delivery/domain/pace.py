"""A token bucket: how long to wait before the next call, by a clock that is given."""

from __future__ import annotations


class TokenBucket:
    """Allows a rate with short bursts. Not for several threads.

    Args:
        per_minute: Calls a minute in the long run.
        burst: Calls at once after a pause.
    """

    def __init__(self, per_minute: float, burst: int) -> None:
        if per_minute <= 0 or burst < 1:
            raise ValueError("a token bucket needs a positive rate and a burst of at least one")
        self._per_second = per_minute / 60.0
        self._burst = float(burst)
        self._tokens = float(burst)
        self._at_seconds: float | None = None

    def reserve(self, now_seconds: float) -> float:
        """Takes one token; returns the seconds to wait until it is there."""
        if self._at_seconds is not None:
            passed = max(0.0, now_seconds - self._at_seconds)
            self._tokens = min(self._burst, self._tokens + passed * self._per_second)
        self._at_seconds = now_seconds if self._at_seconds is None else max(now_seconds, self._at_seconds)
        self._tokens -= 1.0
        return max(0.0, -self._tokens / self._per_second)

    def pause(self, now_seconds: float, seconds: float) -> None:
        """Stops everyone for a while: the other side said that it has had enough."""
        self.reserve(now_seconds)
        self._tokens = min(self._tokens, -seconds * self._per_second)
