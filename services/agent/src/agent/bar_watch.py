"""Looks at the evidence now and then; a category whose bar is broken falls back to shadow by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Final

from floodgate.catalogue.models import Automation, Catalogue, Category
from floodgate.events import ModeChange, SwitchMode
from floodgate.events.times import from_ms
from floodgate.mode_switch import EventSink, set_mode
from floodgate.modes import EVERYTHING, LEVELS, Modes
from floodgate.tailing import Tail
from floodgate.telemetry import get_logger, one_line
from floodgate.waiting import until_stopped
from keyflow.errors import KeyflowError

from agent.domain.evidence import EvidenceBook

log = get_logger(__name__)

ACTOR: Final = "evidence"
TOPICS: Final = (
    "support.replies",
    "support.escalations",
    "support.proposals",
    "support.approvals",
    "support.feedback",
    "support.messages",
)
_REST_SECONDS: Final = 5.0
_READ_SECONDS: Final = 1.0


def since_of(category: Category, modes: Modes, now: datetime) -> datetime:
    """From when evidence counts: the bar's window, or a person's word that lifted the limit later."""
    start = now - timedelta(days=category.bar.window_days)
    lifted = [change for target in (EVERYTHING, category.id) if (change := modes.changes.get(target)) is not None]
    return max([start, *(change.occurred_at for change in lifted if change.mode is SwitchMode.ON)])


def falling(catalogue: Catalogue, modes: Modes, book: EvidenceBook, now: datetime) -> Iterator[tuple[Category, str]]:
    """The categories that act although their bar is broken, with the reason."""
    for category in catalogue.categories:
        if LEVELS.index(modes.automation(category)) <= LEVELS.index(Automation.SHADOW):
            continue
        broken = book.of(category.id, since=since_of(category, modes, now), now=now).broken(category.bar)
        if broken:
            yield category, "bar broken: " + "; ".join(broken)


async def fall_back(
    catalogue: Catalogue, modes: Modes, book: EvidenceBook, sink: EventSink, now: datetime
) -> list[ModeChange]:
    """Limits every category whose bar is broken to shadow, with its entry in the audit.

    Raises:
        KeyflowError: Kafka does not take it.
    """
    changes = []
    for category, reason in falling(catalogue, modes, book, now):
        log.warning("bar.broken", category=category.id, falls_back_to="shadow", reason=reason)
        changes.append(await set_mode(sink, category.id, SwitchMode.SHADOW, actor=ACTOR, reason=reason, at=now))
    return changes


class BarWatch:
    """A task of the agent's first instance.

    Args:
        catalogue: The catalogue of now.
        modes: The limits of now.
        open_tail: Follows `TOPICS`.
        open_sink: Writes to Kafka.
        now_ms: Wall clock.
        every_seconds: Between two looks.
    """

    name = "bars"

    def __init__(
        self,
        catalogue: Callable[[], Catalogue],
        modes: Callable[[], Modes],
        open_tail: Callable[[], Tail],
        open_sink: Callable[[], EventSink],
        *,
        now_ms: Callable[[], int],
        every_seconds: float,
    ) -> None:
        self._catalogue = catalogue
        self._modes = modes
        self._open_tail = open_tail
        self._open_sink = open_sink
        self._now_ms = now_ms
        self._every_ms = int(every_seconds * 1000)
        self._book = EvidenceBook()

    async def run(self, stop: asyncio.Event) -> None:
        """Watches until `stop` is set."""
        tail, sink, looked_ms = self._open_tail(), self._open_sink(), self._now_ms()
        while not stop.is_set():
            try:
                self._book.take(await asyncio.to_thread(tail.read, _READ_SECONDS))
                if tail.caught_up and self._now_ms() - looked_ms >= self._every_ms:
                    looked_ms = self._now_ms()
                    await fall_back(self._catalogue(), self._modes(), self._book, sink, from_ms(looked_ms))
            except KeyflowError as error:
                log.warning("bars.unreachable", reason=one_line(error))
                await until_stopped(stop, _REST_SECONDS)
        await asyncio.to_thread(tail.close)
