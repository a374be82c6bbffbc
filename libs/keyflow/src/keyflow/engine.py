"""The engine: takes records in, runs the handler with key-ordered concurrency, commits outcomes exactly once.

One asyncio loop runs handlers; one thread talks to Kafka (`kafka_io`). Records of a key are handled one after the
other, records of different keys at once. A finished record's outputs, state and offset wait in the outbox and go into
the next transaction together; nothing is ever held open across a handler's await.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Generic, TypeVar

from keyflow.breaker import CircuitBreaker
from keyflow.config import EngineConfig
from keyflow.errors import FatalError, RetryableError
from keyflow.kafka_io import ORIGIN_TOPIC_HEADER, KafkaIO, Polled
from keyflow.lag import measured
from keyflow.loops import threads_switching_often
from keyflow.outbox import Outbox
from keyflow.pace import Pace
from keyflow.retry import Backoff
from keyflow.runner import RecordRunner
from keyflow.status import Status
from keyflow.table import Entry
from keyflow.types import Processor
from keyflow.work import Assignment, Finished, Item, Source, Write
from keyflow.workers import UNWAITED_IN_A_ROW, WorkerPool

__all__ = ["ORIGIN_TOPIC_HEADER", "Engine"]

log = logging.getLogger(__name__)
S = TypeVar("S")

_POLL_RECORDS: Final = 2000
_BLOCKED_SECONDS: Final = 0.5
_HOUSEKEEPING_SECONDS: Final = 1.0
_EXPIRE_AT_MOST: Final = 200
_ABORT_PAUSE_SECONDS: Final = 0.1
_CONNECT_ATTEMPTS: Final = 10


class Engine(Generic[S]):
    """Runs one processor until stopped.

    Args:
        processor: What to run.
        config: How.
        clock_ms: Wall clock in milliseconds since the epoch.
    """

    def __init__(
        self,
        processor: Processor[S],
        config: EngineConfig,
        *,
        clock_ms: Callable[[], int] = lambda: int(time.time() * 1000),
    ) -> None:
        self._processor = processor
        self._config = config
        self._clock_ms = clock_ms
        self._outbox = Outbox()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"kafka-{processor.name}")
        self._assignments: dict[int, Assignment[S]] = {}
        self._stopping = asyncio.Event()
        self._room_at = self._read_at = time.monotonic()
        self._ready = 0
        self._commits: deque[tuple[list[Finished], float]] = deque()
        breaker = CircuitBreaker()
        runner = RecordRunner(processor, config.max_message_bytes, clock_ms, Backoff(), breaker=breaker)
        self._workers = WorkerPool(runner, self._outbox, config.max_in_flight, config.revoke_deadline_seconds)
        self._io: KafkaIO[S] = KafkaIO(processor, config, self._outbox, self._workers, self._committed_meanwhile)
        self._pace = Pace(config.commit_interval_seconds, time.monotonic())
        self._housekept = time.monotonic()
        self.status = Status(processor.name, breaker, effects=runner.effects_breaker)

    def stop(self) -> None:
        """Asks the engine to finish what is in flight and leave; safe to call more than once."""
        self._stopping.set()

    async def run(self) -> None:
        """Runs until `stop()`.

        Raises:
            FatalError: It cannot go on; nothing unfinished was committed.
        """
        self._loop = asyncio.get_running_loop()
        self._workers.run_in(self._loop)
        try:
            await self._connect()
            with threads_switching_often():
                while not self._stopping.is_set():
                    await self._turn()
                await self._drain()
        except RetryableError as error:
            self._outbox.discard()
            raise FatalError(f"{error}: start again") from error
        except BaseException:
            self._outbox.discard()
            raise
        finally:
            self._workers.accepting = False
            await self._workers.cancel()
            await self._kafka(self._io.close)
            self._thread.shutdown(wait=True)

    async def _connect(self) -> None:
        backoff = Backoff(base_seconds=0.5, cap_seconds=5.0)
        for attempt in range(1, _CONNECT_ATTEMPTS + 1):
            try:
                await self._kafka(self._io.connect)
            except RetryableError as error:
                if attempt == _CONNECT_ATTEMPTS:
                    raise FatalError(str(error)) from error
                log.warning("keyflow.connect_retry attempt=%d reason=%s", attempt, error)
                await asyncio.sleep(backoff.delay_seconds(attempt, None))
            else:
                return

    async def _kafka(self, function: Callable[..., Any], *args: Any) -> Any:
        return await self._loop.run_in_executor(self._thread, function, *args)

    async def _turn(self) -> None:
        room = await self._room()
        if room <= 0:
            await asyncio.sleep(self._wait_seconds())
        if room > 0 or self._commit_due():
            self._apply(await self._kafka(self._commit_and_read, room))
            self._note_commits()  # and what was taken in
            if self._workers.queued < UNWAITED_IN_A_ROW:
                # Handlers that need not wait finish now, and their outcomes go into the next commit.
                await asyncio.sleep(0)
        if self._workers.failed is not None:
            raise self._workers.failed
        now = time.monotonic()
        if len(self._outbox) != self._ready:
            self._ready = len(self._outbox)
            self._pace.active(now)
        if now - self._housekept > _HOUSEKEEPING_SECONDS:
            self._housekept = now
            await self._keep_house()

    def _commit_due(self) -> bool:
        return self._pace.commit_due(time.monotonic(), len(self._outbox), idle=not len(self._workers))

    def _wait_seconds(self) -> float:
        busy, ready = len(self._workers) > 0, len(self._outbox) > 0
        return self._pace.poll_seconds(time.monotonic(), in_flight=busy, ready=ready, saturated=self._workers.saturated)

    def _commit_and_read(self, room: int) -> Polled[S]:
        """Both with one hand-over between the threads. Kafka thread."""
        if self._commit_due():
            self._commit()
        self._ready = len(self._outbox)
        if room <= 0:
            return Polled()
        # Until the next commit may begin nobody gains by one record more or less; whoever waits begins at once.
        together = 0.0 if len(self._workers) else self._pace.until_commit_seconds(time.monotonic())
        return self._io.poll(min(room, _POLL_RECORDS), self._wait_seconds(), together)

    # Taking records in

    def _apply(self, polled: Polled[S]) -> None:
        for gone in polled.revoked:
            self._forget(gone)
        for assignment in polled.assigned:
            self._assignments[assignment.partition] = assignment
            self._queue_pending(assignment)
        taken = []
        for item in polled.items:
            assignment, offset = item.assignment, item.offset
            if offset is None or not assignment.live:
                continue
            if assignment.trackers[item.source_topic].take(offset, item.timestamp_ms):
                assignment.buffered_bytes += item.size_bytes
                taken.append(item)
        if taken:
            self._pace.active(time.monotonic())
        self._workers.add(taken)

    def _queue_pending(self, assignment: Assignment[S]) -> None:
        if assignment.table is None:
            return
        topic = self._processor.inputs[0]
        pending = assignment.table.pending()
        self._workers.add([Item(assignment, topic, None, topic, key, effect=effect) for key, effect in pending])

    def _forget(self, gone: Assignment[S]) -> None:
        if self._assignments.get(gone.partition) is gone:
            del self._assignments[gone.partition]
        self._workers.forget(gone)

    def _tell(self) -> None:
        self.status.buffered = sum(assignment.buffered for assignment in self._assignments.values())
        self.status.assigned = sum(len(assignment.trackers) for assignment in self._assignments.values())
        self.status.in_flight = len(self._workers)
        self.status.paused = len(self._io.paused)
        tables = [assignment.table for assignment in self._assignments.values() if assignment.table is not None]
        self.status.parked = sum(table.parked_keys for table in tables)

    # Committing, in the Kafka thread

    def _commit(self) -> None:
        try:
            self._committed(*self._io.commit())
        except RetryableError as error:
            # The outbox keeps the outcomes: they go into the next transaction, before whatever comes after them.
            log.warning("keyflow.commit_retry reason=%s", error)
            time.sleep(_ABORT_PAUSE_SECONDS)

    def _committed(self, outcomes: list[Finished], seconds: float) -> None:
        self._pace.committed(time.monotonic(), seconds, len(outcomes), saturated=self._workers.saturated)
        if outcomes:
            self._commits.append((outcomes, seconds))
            if self._outbox.awaited:
                self._loop.call_soon_threadsafe(self._note_commits)

    def _committed_meanwhile(self, outcomes: list[Finished], seconds: float) -> None:
        """A commit while partitions come or go, which may take long."""
        self._committed(outcomes, seconds)
        self._loop.call_soon_threadsafe(self._note_commits)

    # Back in the event loop

    def _note_commits(self) -> None:
        self._outbox.settle()
        while self._commits:
            outcomes, seconds = self._commits.popleft()
            self.status.committed(seconds, outcomes)
        self._tell()

    async def _keep_house(self) -> None:
        self._expire()
        ends, positions = await self._kafka(self._io.ends), await self._kafka(self._io.positions)
        self.status.watched(measured(self._assignments.values(), ends, positions, self._clock_ms()))
        if not len(self._workers) and not len(self._outbox):
            self._commit_positions(positions)

    def _expire(self) -> None:
        """Forgets keys of old: a few at a time, so that nobody notices."""
        now_ms = self._clock_ms()
        tables = [(each, each.table) for each in self._assignments.values() if each.table is not None]
        expired = [(each, table, key) for each, table in tables for key in table.expired(now_ms, _EXPIRE_AT_MOST)]
        busy = self._workers.keys() if expired else set()
        for assignment, table, key in expired:
            if (assignment.partition, key) not in busy:
                table.put(key, Entry(None, None, now_ms))
                item = Item(assignment, self._processor.inputs[0], None, "", key)
                write = Write(table.changelog, key.encode(), None, (), assignment.partition)
                self._outbox.put(Finished(item, None, [write], kind="expired"))

    def _commit_positions(self, positions: dict[Source, int]) -> None:
        """With nothing unfinished, commits where reading stands, beyond transaction markers: no false lag."""
        for (topic, partition), position in positions.items():
            assignment = self._assignments.get(partition)
            if assignment is not None and assignment.trackers[topic].advance(position):
                self._outbox.put(Finished(Item(assignment, topic, None, topic, ""), None, [], kind="position"))

    # Bounds and the end

    async def _room(self) -> int:
        """How many records may be fetched now; pauses partitions whose offset map is full, and only those."""
        full = {number for number, assignment in self._assignments.items() if assignment.full_topics}
        held = sum(assignment.buffered for assignment in self._assignments.values())
        held_bytes = sum(assignment.buffered_bytes for assignment in self._assignments.values())
        room = self._config.max_buffered - held if held_bytes < self._config.max_buffered_bytes else 0
        now = time.monotonic()
        if room > 0:
            self._room_at = now
        elif now - self._room_at > _BLOCKED_SECONDS:
            # Without room nothing is fetched; but a rebalance is served by polling only, so poll with all paused.
            full = set(self._assignments)
            room = 1
        if full != self._io.paused:
            await self._kafka(self._io.pause, full)
        if self._workers.behind and now - self._read_at < _BLOCKED_SECONDS:
            return 0
        self._read_at = now
        return room

    async def _drain(self) -> None:
        """Finishes what is in flight, within one deadline, without fetching more."""
        self._workers.accepting = False
        for assignment in self._assignments.values():
            assignment.closing = True
        self._workers.give_up_waiting()
        deadline = time.monotonic() + self._config.stop_deadline_seconds
        await self._kafka(self._io.pause, set(self._assignments))
        while (len(self._workers) or len(self._outbox)) and time.monotonic() < deadline:
            if len(self._workers):
                await asyncio.wait(list(self._workers.tasks), timeout=0.01)
            if self._workers.failed is not None:
                raise self._workers.failed
            await self._kafka(self._commit)
            self._note_commits()
            self._apply_while_stopping(await self._kafka(self._io.poll, 1, 0.0))
        if len(self._workers):
            log.warning("keyflow.stop_abandons records=%d (they are read again)", len(self._workers))

    def _apply_while_stopping(self, polled: Polled[S]) -> None:
        for gone in polled.revoked:
            self._forget(gone)
        self._tell()
