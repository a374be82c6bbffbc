"""When to commit and how long to wait for records: at once when idle, in batches when busy. Pure: time is given."""

from __future__ import annotations

from typing import Final

_IDLE_POLL_SECONDS: Final = 0.25
_SHORTEST_POLL_SECONDS: Final = 0.002
_LONGEST_POLL_SECONDS: Final = 0.05
_IDLE_AFTER_SECONDS: Final = 0.01
_LARGE_BATCH: Final = 8_000
_BUSY_RECORDS: Final = 32
_SATURATED_RECORDS: Final = 8
_BUSY_FACTOR: Final = 5.0
_SATURATED_FACTOR: Final = 10.0
_QUIET_FACTOR: Final = 1.25
_LONGEST_QUIET_GAP_SECONDS: Final = 0.01
_LONGEST_GAP_SECONDS: Final = 0.25


class Pace:
    """The rhythm of one engine.

    A transaction costs about the same for one record and for hundreds. So after a small commit the next one waits a
    little longer than it took, 10 ms at most; after a larger one five times as long, and ten times when keys wait for a
    slot anyway. A slow broker and a high load make larger batches by themselves, and the first record after a pause is
    committed at once.

    Args:
        interval_seconds: Shortest time between the end of a commit and the next one.
    """

    def __init__(self, interval_seconds: float, now: float) -> None:
        self._interval_seconds = interval_seconds
        self._next_commit = now
        self._active_at = now

    def committed(self, now: float, took_seconds: float, outcomes: int, *, saturated: bool) -> None:
        """A commit went through; `saturated`: keys wait for a slot."""
        factor, longest = _QUIET_FACTOR, _LONGEST_QUIET_GAP_SECONDS
        if saturated and outcomes > _SATURATED_RECORDS:
            factor, longest = _SATURATED_FACTOR, _LONGEST_GAP_SECONDS
        elif outcomes > _BUSY_RECORDS:
            factor, longest = _BUSY_FACTOR, _LONGEST_GAP_SECONDS
        gap = max(min(took_seconds * factor, longest), self._interval_seconds)
        self._next_commit = now + gap
        self._active_at = now

    def active(self, now: float) -> None:
        """Records came in or were finished."""
        self._active_at = now

    def commit_due(self, now: float, ready: int, *, idle: bool) -> bool:
        """Whether the outcomes that are ready should be committed now.

        Early when there are so many that the cost of a transaction is nothing beside theirs: handlers go on during a
        commit as long as there is something to handle. And when idle, because nothing more can join them soon.
        """
        if not ready:
            return False
        early = ready >= _LARGE_BATCH or (idle and now - self._active_at > _IDLE_AFTER_SECONDS)
        return early or now >= self._next_commit

    def until_commit_seconds(self, now: float) -> float:
        """How long until the next commit may begin."""
        return max(self._next_commit - now, 0.0)

    def poll_seconds(self, now: float, *, in_flight: bool, ready: bool, saturated: bool) -> float:
        """How long to wait for records.

        While handlers run, a tenth of the time for which nothing has happened: what a handler gains later by
        waking the engine at once is small beside what it took already. When keys wait for a slot as well, new
        records are in no hurry. When nothing runs, only a record or the next commit is worth waking for.
        """
        if not in_flight:
            return min(self.until_commit_seconds(now), _IDLE_AFTER_SECONDS) if ready else _IDLE_POLL_SECONDS
        quiet = (now - self._active_at) / 10.0
        wait = _LONGEST_POLL_SECONDS if saturated else min(max(quiet, _SHORTEST_POLL_SECONDS), _LONGEST_POLL_SECONDS)
        return min(wait, self.until_commit_seconds(now)) if ready else wait
