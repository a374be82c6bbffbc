"""The fold over support.pulse.counts: windows, their closing, corrections, surges, gaps. Pure.

State is a flat table of JSON values, which becomes the changelog. Every entry says by itself what was counted in it
(the last offset of each source partition), so that reading a stretch of the log twice, as happens after a crash,
changes nothing: what a process publishes after it is what it would have published without.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Final

from pulse.domain.alerts import Alert, first_letter, gap_alert, surge_alert
from pulse.domain.figures import Cell
from pulse.domain.log import Count, Tick
from pulse.domain.surges import LEAST, surge

SIZES: Final = (60, 900, 3600)
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
_KEPT_SECONDS: Final = {60: 2 * 3600, 900: 12 * 3600, 3600: 48 * 3600}
_HISTORY_DAYS: Final = 14
_KEPT_MS: Final = {"w": 0, "h": (_HISTORY_DAYS + 1) * DAY_MS, "g": 2 * DAY_MS, "a": 2 * DAY_MS, "i": 7 * DAY_MS}
_FORGOTTEN_AT_ONCE: Final = 2000
_TICK_FORGOTTEN_MS: Final = 60_000
_SEPARATOR: Final = "\x1f"
WATERMARK: Final = "watermark"

Store = MutableMapping[str, Any]


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure to publish."""

    name: str
    start_ms: int
    seconds: int
    cell: Cell
    value: int
    revision: int


@dataclass(slots=True)
class Windows:
    """Counts and closes windows.

    Args:
        store: The table.
        grace_ms: How long after its end a window waits for what is under way.
        gap_ms: How long an interaction may be without a record.
    """

    store: Store
    grace_ms: int = 15_000
    gap_ms: int = 30 * 60_000
    _open: dict[str, int] = field(default_factory=dict)
    _totals: dict[int, defaultdict[str, int]] = field(default_factory=dict)
    _waiting: dict[str, int] = field(default_factory=dict)
    _ends: dict[str, int] = field(default_factory=dict)
    _republish: dict[int, set[str]] = field(default_factory=dict)
    _ticks: dict[str, Tick] = field(default_factory=dict)
    _forgotten: int = 0

    def restore(self) -> None:
        """Looks through the table once, after it was read from its changelog."""
        for index in (self._open, self._totals, self._waiting, self._ends, self._republish):
            index.clear()
        for key, entry in self.store.items():
            kind, *parts = key.split(_SEPARATOR)
            if kind == "w":
                self._index(key, entry, int(parts[0]), int(parts[1]))
                self._add_up(key, int(parts[0]), int(parts[1]), entry["f"])
                if entry["p"]:
                    self._republish.setdefault(entry["o"], set()).add(key)
            elif kind == "i" and not entry["done"]:
                self._waiting[key] = entry["at"]
            elif kind in {"i", "g", "a", "h"}:
                self._ends[key] = entry["at"]

    def _index(self, key: str, entry: dict[str, Any], seconds: int, start_ms: int) -> None:
        self._ends[key] = start_ms + (seconds + _KEPT_SECONDS[seconds]) * 1000
        if entry["n"] != entry["p"]:
            self._open[key] = start_ms + seconds * 1000 + self.grace_ms

    # Counting

    def count(self, count: Count) -> list[Alert]:
        """Takes in what an event adds."""
        for seconds in SIZES:
            self._count_in(count, seconds)
        if count.opens or count.closes:
            self._book(count)
        return self._letter(count) if count.letter else []

    def _count_in(self, count: Count, seconds: int) -> None:
        start_ms = count.at_ms // (seconds * 1000) * seconds * 1000
        figures, cell = count.figures, count.cell
        if start_ms + (seconds + _KEPT_SECONDS[seconds]) * 1000 <= self.watermark_ms:
            # The window is forgotten: counted as late where it arrived.
            start_ms = self.watermark_ms // (seconds * 1000) * seconds * 1000
            figures, cell = {"late": 1}, ("", "", "")
        key = _SEPARATOR.join(("w", str(seconds), str(start_ms), *cell))
        entry = self.store.get(key) or {"f": {}, "s": {}, "n": 0, "p": 0, "r": -1, "o": -1}
        if count.offset <= entry["s"].get(count.source, -1):
            return
        added = {name: entry["f"].get(name, 0) + value for name, value in figures.items()}
        sources = {**entry["s"], count.source: count.offset}
        self.store[key] = entry = {**entry, "f": {**entry["f"], **added}, "s": sources, "n": entry["n"] + 1}
        self._index(key, entry, seconds, start_ms)
        self._add_up(key, seconds, start_ms, figures)

    def _add_up(self, key: str, seconds: int, start_ms: int, figures: dict[str, int]) -> None:
        """The sums of an hour that surges go by: over all, and by category."""
        if seconds != 3600:
            return
        totals = self._totals.setdefault(start_ms, defaultdict(int))
        category = key.split(_SEPARATOR)[3]
        for name in LEAST.keys() & figures.keys():
            totals[f"{name}{_SEPARATOR}"] += figures[name]
            if category:
                totals[f"{name}{_SEPARATOR}{category}"] += figures[name]

    def _letter(self, count: Count) -> list[Alert]:
        assert count.letter is not None
        key = _SEPARATOR.join(("g", *count.letter))
        entry = self.store.get(key)
        by = f"{count.source}/{count.offset}"
        if entry and count.at_ms - entry["at"] < DAY_MS and entry["by"] != by:
            if count.at_ms - entry["at"] > HOUR_MS:
                self._keep(key, {**entry, "at": count.at_ms})
            return []
        self._keep(key, {"at": count.at_ms, "by": by})
        return [first_letter(count)]

    def _keep(self, key: str, entry: dict[str, Any]) -> None:
        self.store[key] = entry
        self._ends[key] = entry["at"]

    def _book(self, count: Count) -> None:
        key = _SEPARATOR.join(("i", count.opens or count.closes))
        entry = self.store.get(key)
        if count.closes:
            if entry is None or not entry["done"]:
                self._waiting.pop(key, None)
                self._keep(key, {"at": count.timestamp_ms, "done": True, "told": False})
        elif entry is None:
            self.store[key] = {"at": count.timestamp_ms, "done": False, "told": False}
            self._waiting[key] = count.timestamp_ms

    # Closing

    @property
    def watermark_ms(self) -> int:
        """Whatever is older was counted."""
        found: int = self.store.get(WATERMARK) or 0
        return found

    def tick(self, tick: Tick, offset: int) -> tuple[list[Figure], list[Alert]]:
        """What is to be published now; `offset` is the tick's own place in the log.

        A tick that was read before publishes again what it published: whether it arrived, nobody knows.
        """
        self._advance(tick)
        due = [key for key, at_ms in self._open.items() if at_ms <= self.watermark_ms]
        again = [key for key in self._republish.pop(offset, ()) if key in self.store]
        figures = [figure for key in dict.fromkeys([*again, *due]) for figure in self._publish(key, offset)]
        alerts = [*self._surges(tick.now_ms, offset), *self._gaps(offset)]
        self._forget()
        return figures, alerts

    def _advance(self, tick: Tick) -> None:
        self._ticks[tick.instance] = tick
        fresh = [each for each in self._ticks.values() if tick.now_ms - each.now_ms < _TICK_FORGOTTEN_MS]
        watermark_ms = min(each.watermark_ms for each in fresh)
        if watermark_ms > self.watermark_ms:
            self.store[WATERMARK] = watermark_ms

    def _publish(self, key: str, offset: int) -> Iterator[Figure]:
        entry = self.store[key]
        if entry["n"] != entry["p"]:
            entry = {**entry, "p": entry["n"], "r": entry["r"] + 1, "o": offset}
            self.store[key] = entry
            self._open.pop(key, None)
        _, seconds, start_ms, category, language, country = key.split(_SEPARATOR)
        if seconds == "3600":
            self._remember(int(start_ms))
        for name, value in entry["f"].items():
            yield Figure(name, int(start_ms), int(seconds), (category, language, country), value, entry["r"])

    def _remember(self, start_ms: int) -> None:
        """Keeps an hour's sums for the days to come."""
        totals = dict(self._totals.get(start_ms, {}))
        key = _SEPARATOR.join(("h", str(start_ms)))
        if (self.store.get(key) or {}).get("f") != totals:
            self._keep(key, {"at": start_ms, "f": totals})

    # What is out of the ordinary

    def _surges(self, now_ms: int, offset: int) -> Iterator[Alert]:
        this_hour = now_ms // HOUR_MS * HOUR_MS
        for start_ms in (this_hour - HOUR_MS, this_hour):
            for name, value in self._totals.get(start_ms, {}).items():
                figure, category = name.split(_SEPARATOR)
                found = surge(figure, value, self._earlier(start_ms, name))
                if found and self._once(f"surge.{figure}.{category}.{start_ms}", start_ms, offset):
                    yield surge_alert(figure, category, start_ms, found)

    def _earlier(self, start_ms: int, name: str) -> list[int]:
        starts = (start_ms - day * DAY_MS for day in range(1, _HISTORY_DAYS + 1))
        days = (self.store.get(_SEPARATOR.join(("h", str(start)))) for start in starts)
        # An hour in which nothing was counted at all says that nobody counted, not that nothing happened.
        return [day["f"].get(name, 0) for day in days if day]

    def _gaps(self, offset: int) -> Iterator[Alert]:
        late = [key for key, at_ms in self._waiting.items() if at_ms + self.gap_ms <= self.watermark_ms]
        hours: dict[int, int] = defaultdict(int)
        for key in late:
            at_ms = self._waiting.pop(key)
            hours[at_ms // HOUR_MS * HOUR_MS] += 1
            self._keep(key, {"at": at_ms, "done": False, "told": True})
        for start_ms, number in hours.items():
            if self._once(f"gap.{start_ms}", start_ms, offset):
                yield gap_alert(start_ms, number, self.gap_ms)

    def _once(self, name: str, at_ms: int, offset: int) -> bool:
        key = _SEPARATOR.join(("a", name))
        entry = self.store.get(key)
        if entry is None:
            self._keep(key, {"at": at_ms, "o": offset})
        return entry is None or entry["o"] == offset

    def _forget(self) -> None:
        """Drops what is too old to matter: once a minute, a few at a time."""
        minute = self.watermark_ms // 60_000
        if minute == self._forgotten:
            return
        self._forgotten = minute
        before = {kind: self.watermark_ms - kept_ms for kind, kept_ms in _KEPT_MS.items()}
        old = [key for key, at_ms in self._ends.items() if at_ms <= before[key[0]] and key not in self._open]
        for key in old[:_FORGOTTEN_AT_ONCE]:
            del self._ends[key]
            self.store.pop(key, None)
        horizon = self.watermark_ms - _KEPT_SECONDS[3600] * 1000 - HOUR_MS
        for start_ms in [start_ms for start_ms in self._totals if start_ms < horizon]:
            del self._totals[start_ms]
