"""What an engine tells about itself: health goes by progress, not by being alive."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keyflow.breaker import CircuitBreaker
    from keyflow.work import Finished


class Status:
    """Figures of one engine, written by its loop and read by anyone."""

    def __init__(self, name: str, breaker: CircuitBreaker | None = None) -> None:
        self.name = name
        self.assigned = 0
        self.buffered = 0
        self.in_flight = 0
        self.paused = 0
        self.parked = 0
        self.finished: Counter[str] = Counter()
        self.retries = 0
        self.commits = 0
        self.commit_seconds = 0.0
        self._breaker = breaker
        self._last_progress = time.monotonic()

    @property
    def breaker_open(self) -> bool:
        """Whether most calls of the last seconds failed."""
        return self._breaker is not None and self._breaker.is_open

    @property
    def outages(self) -> int:
        """How often the breaker has opened."""
        return 0 if self._breaker is None else self._breaker.opened

    def noticed(self, finished: Finished) -> None:
        """An outcome is ready."""
        self.finished[finished.kind] += 1
        if finished.attempts > 1:
            self.retries += finished.attempts - 1

    def committed(self, seconds: float) -> None:
        """A transaction went through."""
        self.commits += 1
        self.commit_seconds += seconds
        self._last_progress = time.monotonic()

    def stalled_seconds(self) -> float:
        """How long there has been work without a commit; 0 when there is nothing to do.

        An outage does not count: it is waited out here, and starting again would not end it.
        """
        # A record whose effect runs is finished and in flight.
        if (self.buffered == 0 and self.in_flight == 0) or self.breaker_open:
            self._last_progress = time.monotonic()
            return 0.0
        return time.monotonic() - self._last_progress
