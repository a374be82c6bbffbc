"""When to try again."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential back-off with full jitter (Brooker, "Exponential Backoff And Jitter", AWS 2015)."""

    base_seconds: float = 0.2
    cap_seconds: float = 15.0

    def delay_seconds(
        self, attempt: int, asked_seconds: float | None, uniform: Callable[[], float] = random.random
    ) -> float:
        """Time to wait after the given attempt (1 is the first); never less than the other side asked for."""
        ceiling = min(self.cap_seconds, self.base_seconds * 2.0 ** min(attempt, 16))
        return max(ceiling * uniform(), asked_seconds or 0.0)
