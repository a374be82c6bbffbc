"""Intercom's rate limit: so many calls a minute for one app, counted in windows of ten seconds."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

WINDOW_SECONDS: Final = 10
Clock = Callable[[], float]


@dataclass
class RateLimit:
    """One app's limit. Windows are aligned to the clock."""

    per_minute: int
    clock: Clock
    _window: int = field(default=-1, init=False)
    _used: int = field(default=0, init=False)

    @property
    def per_window(self) -> int:
        return max(1, self.per_minute * WINDOW_SECONDS // 60)

    def take(self) -> tuple[bool, dict[str, str]]:
        """Counts one call; says whether it is within the limit, and the headers to answer with."""
        now = self.clock()
        window = math.floor(now / WINDOW_SECONDS)
        if window != self._window:
            self._window, self._used = window, 0
        allowed = self._used < self.per_window
        if allowed:
            self._used += 1
        headers = {
            "X-RateLimit-Limit": str(self.per_window),
            "X-RateLimit-Remaining": str(self.per_window - self._used),
            "X-RateLimit-Reset": str((window + 1) * WINDOW_SECONDS),
        }
        return allowed, headers
