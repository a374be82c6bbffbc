"""What is finished and not committed yet. An outcome leaves it by a commit, or when its partition is taken away."""

from __future__ import annotations

import threading
from collections import deque

from keyflow.offsets import FULL_METADATA_CHARS
from keyflow.work import Assignment, CommitBatch, Finished


class Outbox:
    """Outcomes in the order in which they were finished, which is the order per key.

    Handlers put in from the event loop; batches are taken by the loop, and by a rebalance in the Kafka thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Appending and taking from the left are atomic, so that to put something in needs no lock.
        self._ready: deque[Finished] = deque()
        self._taken: list[Finished] = []
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
            count = len(waiting)
            while count:
                offsets = _plan(waiting[:count])
                if offsets is not None:
                    break
                count //= 2
            self._taken = waiting[:count]
            ready.extendleft(reversed(waiting[count:]))
            if not count or offsets is None:
                return CommitBatch()
            return CommitBatch([write for finished in self._taken for write in finished.writes], offsets)

    def mark_committed(self) -> list[Finished]:
        """The batch that was taken last went through; what it held."""
        with self._lock:
            taken, self._taken = self._taken, []
            for finished in taken:
                offset = finished.offset
                if offset is not None:
                    item = finished.item
                    assignment = item.assignment
                    assignment.trackers[item.source_topic].finish(offset)
                    assignment.buffered_bytes -= item.size_bytes
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
            self._taken, self._committed = [], []
            self._ready.clear()


def _plan(batch: list[Finished]) -> dict[tuple[str, int], tuple[int, str]] | None:
    # A source without a finished record takes part too: the broker checks our membership by its offset.
    finishing: dict[tuple[str, int], tuple[Assignment[object], set[int]]] = {}
    for finished in batch:
        item = finished.item
        assignment = item.assignment
        source = (item.source_topic, assignment.partition)
        entry = finishing.get(source)
        if entry is None:
            entry = finishing[source] = (assignment, set())
        if finished.offset is not None:
            entry[1].add(finished.offset)
    offsets: dict[tuple[str, int], tuple[int, str]] = {}
    for source, (assignment, done) in finishing.items():
        place = assignment.trackers[source[0]].preview(done)
        if place is None:
            assignment.full_topics.add(source[0])
            return None
        if len(place[1]) > FULL_METADATA_CHARS:
            assignment.full_topics.add(source[0])
        else:
            assignment.full_topics.discard(source[0])
        offsets[source] = place
    return offsets
