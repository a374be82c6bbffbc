"""What is finished and not committed yet. An outcome leaves it by a commit, or when its partition is taken away."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

from keyflow.offsets import FULL_METADATA_CHARS
from keyflow.work import Assignment, CommitBatch, Finished, Source


class Outbox:
    """Outcomes in the order in which they were finished, which is the order per key.

    Handlers put in from the event loop; batches are taken by the loop, and by a rebalance in the Kafka thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Appending and taking from the left are atomic, so that to put something in needs no lock.
        self._ready: deque[Finished] = deque()
        self._taken: list[Finished] = []
        self._sources: dict[Source, tuple[Assignment[Any], set[int]]] = {}
        self._committed: list[Finished] = []

    def __len__(self) -> int:
        return len(self._ready) + len(self._taken)

    @property
    def awaited(self) -> bool:
        """Whether effects wait for a commit that went through."""
        return bool(self._committed)

    def put(self, finished: Finished) -> None:
        """An outcome is ready for the next commit."""
        self._ready.append(finished)

    def take(self) -> CommitBatch:
        """The next transaction: all that is ready, and what an aborted one left behind.

        As much as the offset maps hold: the longest prefix found by halving. What does not fit waits for lower
        offsets to finish; once everything in flight has finished, everything fits.
        """
        with self._lock:
            ready = self._ready
            waiting = [*self._taken, *(ready.popleft() for _ in range(len(ready)))]
            waiting = [finished for finished in waiting if finished.item.assignment.live]
            count, offsets = len(waiting), None
            while count and offsets is None:
                self._taken = waiting[:count]
                self._sources = _sources(self._taken)
                offsets = _plan(self._sources)
                count //= 2
            if offsets is None:
                self._taken, self._sources = [], {}
            ready.extendleft(reversed(waiting[len(self._taken) :]))
            return CommitBatch([write for finished in self._taken for write in finished.writes], offsets or {})

    def mark_committed(self) -> list[Finished]:
        """The batch that was taken last went through; what it held."""
        with self._lock:
            taken, self._taken = self._taken, []
            for (topic, _), (assignment, done) in self._sources.items():
                assignment.trackers[topic].finish(done)
            for finished in taken:
                if finished.offset is not None:
                    finished.item.assignment.buffered_bytes -= finished.item.size_bytes
                if finished.waiter is not None:
                    self._committed.append(finished)
            return taken

    def settle(self) -> None:
        """Lets the effects of committed outcomes run; event loop only."""
        with self._lock:
            committed, self._committed = self._committed, []
        for finished in committed:
            waiter = finished.waiter
            # The next owner of the partition runs the effect of one that was taken away.
            if waiter is not None and not waiter.done() and finished.item.assignment.live:
                waiter.set_result(None)

    def discard(self) -> None:
        """Drops everything: after a fatal failure nothing is committed."""
        with self._lock:
            self._taken, self._sources, self._committed = [], {}, []
            self._ready.clear()


def _sources(batch: list[Finished]) -> dict[Source, tuple[Assignment[Any], set[int]]]:
    """Which offsets the batch finishes, by source.

    A source without a finished record takes part too: the broker checks our membership by its offset.
    """
    sources: dict[Source, tuple[Assignment[Any], set[int]]] = {}
    topic, assignment, done = "", None, set[int]()
    for finished in batch:
        item = finished.item
        if item.assignment is not assignment or item.source_topic != topic:  # records come source by source
            topic, assignment = item.source_topic, item.assignment
            _, done = sources.setdefault((topic, assignment.partition), (assignment, set()))
        if finished.offset is not None:
            done.add(finished.offset)
    return sources


def _plan(sources: dict[Source, tuple[Assignment[Any], set[int]]]) -> dict[Source, tuple[int, str]] | None:
    """Offset and map of each source; None when a map grows too long."""
    offsets: dict[Source, tuple[int, str]] = {}
    for source, (assignment, done) in sources.items():
        topic = source[0]
        place = assignment.trackers[topic].preview(done)
        if place is None or len(place[1]) > FULL_METADATA_CHARS:
            assignment.full_topics.add(topic)
        else:
            assignment.full_topics.discard(topic)
        if place is None:
            return None
        offsets[source] = place
    return offsets
