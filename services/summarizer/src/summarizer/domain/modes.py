"""Online or batch inference: which an interaction goes to, and how fresh its record has to be. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from floodgate.events import Interaction

from summarizer.domain.features import event_time_of

ONLINE: Final = "online"
BATCH: Final = "batch"


@dataclass(slots=True)
class ModePolicy:
    """Decides by age and budget; online where neither says otherwise.

    Attributes:
        batch_after_seconds: What ended longer ago than this goes to batch inference: nobody waits for it. None: never.
        online_usd_a_day: Once a day's online records of this process cost as much, the rest of the day (UTC) goes to
            batch inference. None: no such limit.
    """

    batch_after_seconds: float | None = None
    online_usd_a_day: float | None = None
    _day: int = -1
    _usd: float = 0.0

    def mode(self, interaction: Interaction, now: datetime) -> str:
        """`online` or `batch`."""
        age_seconds = (now - event_time_of(interaction)).total_seconds()
        if self.batch_after_seconds is not None and age_seconds > self.batch_after_seconds:
            return BATCH
        self._turn(now)
        if self.online_usd_a_day is not None and self._usd >= self.online_usd_a_day:
            return BATCH
        return ONLINE

    def spent(self, usd: float, now: datetime) -> None:
        """Counts what an online record cost."""
        self._turn(now)
        self._usd += usd

    def _turn(self, now: datetime) -> None:
        day = now.toordinal()
        if day != self._day:
            self._day, self._usd = day, 0.0
