"""What an engine tells about itself: health goes by progress, not by being alive."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from keyflow.breaker import BreakerState
from keyflow.lag import Lag
from keyflow.work import HOUSEKEEPING

if TYPE_CHECKING:
    from keyflow.breaker import CircuitBreaker
    from keyflow.work import Finished

COMMIT_BOUNDS_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
"""Upper bounds of the classes of commit times; one more holds what took longer."""

_KIND: Final = attrgetter("kind")
_ATTEMPTS: Final = attrgetter("attempts")


class Status:
    """Figures of one engine, written by its loop and read by anyone."""

    def __init__(
        self,
        name: str,
        breaker: CircuitBreaker | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        *,
        effects: CircuitBreaker | None = None,
    ) -> None:
        self.name = name
        self.assigned = 0
        self.buffered = 0
        self.in_flight = 0
        self.paused = 0
        self.parked = 0
        self.lag = Lag({})
        self.finished: Counter[str] = Counter()
        self.retries = 0
        self.commit_seconds = 0.0
        self.commit_classes = [0] * (len(COMMIT_BOUNDS_SECONDS) + 1)
        self._breaker = breaker
        self._watched_breakers = [each for each in (breaker, effects) if each is not None]
        self._monotonic = monotonic
        self._last_progress = monotonic()

    @property
    def breaker_state(self) -> BreakerState:
        """What the breaker does with a call that comes now."""
        return BreakerState.CLOSED if self._breaker is None else self._breaker.state(self._monotonic())

    @property
    def outage(self) -> bool:
        """Whether what the handlers or the effects call is down, as far as this engine can tell."""
        # A single record that fails again and again is too little to open a breaker.
        return any(breaker.is_open or breaker.all_failed for breaker in self._watched_breakers)

    @property
    def outages(self) -> int:
        """How often the breaker has opened."""
        return 0 if self._breaker is None else self._breaker.opened

    @property
    def commits(self) -> int:
        """Transactions that went through."""
        return sum(self.commit_classes)

    def committed(self, seconds: float, outcomes: Sequence[Finished] = ()) -> None:
        """A transaction went through."""
        kinds = Counter(map(_KIND, outcomes))
        for kind in HOUSEKEEPING:
            del kinds[kind]
        self.finished += kinds
        self.retries += sum(map(_ATTEMPTS, outcomes)) - len(outcomes)
        self.commit_classes[bisect_left(COMMIT_BOUNDS_SECONDS, seconds)] += 1
        self.commit_seconds += seconds
        self._last_progress = self._monotonic()

    def watched(self, lag: Lag) -> None:
        """Told about once a second how far the engine is behind."""
        self.lag = lag
        if self._excused:
            self._last_progress = self._monotonic()

    def stalled_seconds(self) -> float:
        """How long there has been work, fetched or not, without a commit; 0 when there is nothing to do.

        An outage does not count: it is waited out here, and starting again would not end it.
        """
        return 0.0 if self._excused else self._monotonic() - self._last_progress

    @property
    def _excused(self) -> bool:
        # A record whose effect runs is finished and in flight.
        return self.outage or (self.buffered == 0 and self.in_flight == 0 and not self.lag.behind)
