"""Figures and alerts as records of support.metrics. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from floodgate.events import Metric, derive_event_id, edge_event_id
from floodgate.events.times import from_ms

from pulse.domain.alerts import Alert
from pulse.domain.figures import shown
from pulse.domain.windows import Figure

METRICS: Final = "support.metrics"


def key_of(seconds: int, start_ms: int) -> str:
    """All of a window stands in one partition."""
    return f"{seconds}/{datetime.fromtimestamp(start_ms / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"


def figure_record(figure: Figure, now_ms: int) -> Metric:
    """One figure of a window; written twice, it is the same event."""
    place = "/".join((str(figure.seconds), str(figure.start_ms), *figure.cell, figure.name))
    return Metric(
        event_id=derive_event_id(edge_event_id("pulse", place), f"{figure.revision}/{figure.value}"),
        occurred_at=from_ms(now_ms),
        name=figure.name,
        window_start=from_ms(figure.start_ms),
        window_seconds=figure.seconds,
        dimensions=dict(zip(("category", "language", "country"), figure.cell, strict=True)),
        value=shown(figure.name, figure.value),
        revision=figure.revision,
    )


def alert_record(alert: Alert, now_ms: int) -> Metric:
    """An alert; found twice, it is the same event."""
    return Metric(
        event_id=edge_event_id("pulse-alert", alert.identity),
        occurred_at=from_ms(now_ms),
        name=alert.name,
        window_start=from_ms(alert.start_ms),
        window_seconds=alert.seconds,
        dimensions=alert.dimensions,
        value=alert.value,
        alert=alert.text,
    )
