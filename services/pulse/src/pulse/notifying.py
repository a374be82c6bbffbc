"""The processors that tell people, one for each channel: one that is out holds no other up."""

from __future__ import annotations

from typing import Final, Protocol

from floodgate.events import Metric
from floodgate.telemetry import counter
from keyflow import Outcome, Record, Tools
from pydantic import BaseModel, ConfigDict

_KEPT: Final = 100
_told = counter("floodgate_pulse_notifications", "Alerts that were told, by channel.", ["channel"])


class Notifier(Protocol):
    """A channel."""

    name: str

    async def notify(self, metric: Metric) -> None:
        """Raises RetryableError or PoisonMessageError when it was not taken."""
        ...


class Told(BaseModel):
    """Alerts of one window that were told, by event_id."""

    model_config = ConfigDict(frozen=True)

    alerts: tuple[str, ...] = ()


class NotifyHandler:
    """Tells of each alert once; the engine tries again what is not taken, and makes a dead letter of what never is.

    Args:
        notifier: The channel.
    """

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier

    async def handle(self, record: Record, state: Told | None, tools: Tools) -> Outcome[Told]:
        """A figure is passed over.

        Raises:
            RetryableError: The channel does not take it now.
            PoisonMessageError: It refuses.
        """
        metric: Metric = record.value
        known = state.alerts if state else ()
        if metric.alert is None or str(metric.event_id) in known:
            return Outcome()
        await self._notifier.notify(metric)
        _told.labels(self._notifier.name).inc()
        return Outcome(state=Told(alerts=(*known, str(metric.event_id))[-_KEPT:]))
