"""What becomes of a record: of an input, what it adds; of what was added, what is published."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from floodgate.events import Metric
from floodgate.events.serde import AvroSerde
from floodgate.telemetry import counter, get_logger
from keyflow import PoisonMessageError

from pulse.domain.alerts import FIRST_LETTER, GAP, SURGE
from pulse.domain.figures import COST, counted, shown
from pulse.domain.log import Count, Tick, read
from pulse.domain.metrics import alert_record, figure_record, key_of
from pulse.domain.surges import LEAST
from pulse.domain.windows import Figure, Windows

log = get_logger(__name__)
_unreadable = counter("floodgate_pulse_unreadable", "Records that are not what their topic carries.", ["topic"])
_cost = counter("floodgate_pulse_cost_usd_total", "US dollars that the events say they cost.")
_alerts = counter("floodgate_pulse_alerts_total", "Alerts by name.", ["name"])
for _name in (FIRST_LETTER, GAP, *(SURGE + figure for figure in LEAST)):
    # From the start, so that Prometheus sees the first one as an increase.
    _alerts.labels(_name)
_published = counter("floodgate_pulse_published", "Figures and alerts written.", ["kind"])


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record stands."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int


class Counting:
    """Turns an input record into what it adds.

    Args:
        serde: Decodes it.
        declared: Declared name of each topic that is read.
    """

    def __init__(self, serde: AvroSerde, declared: Mapping[str, str]) -> None:
        self._serde = serde
        self._declared = declared

    def __call__(self, place: Place, value: bytes | None) -> Count | None:
        """None for what is not counted.

        Raises:
            RetryableError: The registry cannot be reached.
        """
        topic = self._declared[place.topic]
        try:
            found = None if value is None else counted(self._serde.decode(topic, value))
        except PoisonMessageError as error:
            # Its own readers send it to the dead letters, where it is counted.
            _unreadable.labels(topic).inc()
            log.warning("pulse.unreadable", topic=place.topic, partition=place.partition, offset=place.offset,
                        reason=error.reason)  # fmt: skip
            return None
        if found is None:
            return None
        _cost.inc(shown(COST, found.figures.get(COST, 0)))
        return Count(
            topic=topic,
            partition=place.partition,
            offset=place.offset,
            timestamp_ms=place.timestamp_ms,
            at_ms=found.at_ms,
            cell=found.cell,
            figures=found.figures,
            letter=found.letter,
            opens=found.opens,
            closes=found.closes,
        )


class Folding:
    """Turns what was added into what is published.

    Args:
        windows: The fold, on its table.
        now_ms: Wall clock.
    """

    def __init__(self, windows: Windows, now_ms: Callable[[], int]) -> None:
        self._windows = windows
        self._now_ms = now_ms
        self.stale = True
        """Whether the table may be another one than before: its partition came here anew."""

    def __call__(self, offset: int, value: bytes) -> list[tuple[str, Metric]]:
        """Keys and records to write."""
        if self.stale:
            self._windows.restore()
            self.stale = False
        item: Count | Tick = read(value)
        if isinstance(item, Count):
            figures: list[Figure] = []
            alerts = self._windows.count(item)
        else:
            figures, alerts = self._windows.tick(item, offset)
        now_ms = self._now_ms()
        found = [(key_of(each.seconds, each.start_ms), figure_record(each, now_ms)) for each in figures]
        told = [(key_of(each.seconds, each.start_ms), alert_record(each, now_ms)) for each in alerts]
        for each in alerts:
            _alerts.labels(each.name).inc()
        for kind, number in (("figure", len(found)), ("alert", len(told))):
            if number:
                _published.labels(kind).inc(number)
        return found + told


def whole(value: Any) -> bytes:
    """A model as the bytes that stand on the topic."""
    data: bytes = value.model_dump_json(exclude_defaults=False).encode()
    return data
