"""Times as the records carry them: aware UTC, to the millisecond."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now_ms() -> int:
    """Wall clock in milliseconds since the epoch; for edges. Handlers use `tools.now_ms`."""
    return int(time.time() * 1000)


def from_ms(milliseconds: int) -> datetime:
    """A record's time from milliseconds since the epoch."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
