"""The engine: takes records in, runs the handler with key-ordered concurrency, commits outcomes exactly once.

One asyncio loop runs handlers; one thread talks to Kafka (`kafka_io`). Records of a key are handled one after the
other, records of different keys at once. A finished record's outputs, state and offset wait in the outbox and go into
the next transaction together; nothing is ever held open across a handler's await.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Generic, TypeVar

from keyflow.breaker import CircuitBreaker
from keyflow.config import EngineConfig
from keyflow.errors import FatalError, RetryableError
from keyflow.kafka_io import ORIGIN_TOPIC_HEADER, KafkaIO, Polled
from keyflow.lag import measured
from keyflow.leaving import Seat
from keyflow.outbox import Outbox
from keyflow.pace import Pace
from keyflow.retry import Backoff
from keyflow.runner import RecordRunner
from keyflow.scheduler import KeyScheduler
from keyflow.status import Status
from keyflow.table import Entry
from keyflow.types import Processor
from keyflow.work import Assignment, Finished, Item, Source, Write

__all__ = ["ORIGIN_TOPIC_HEADER", "Engine"]

log = logging.getLogger(__name__)
S = TypeVar("S")

_POLL_RECORDS: Final = 4000
_BLOCKED_SECONDS: Final = 0.5
_HOUSEKEEPING_SECONDS: Final = 1.0
_EXPIRE_AT_MOST: Final = 200
_ABORT_PAUSE_SECONDS: Final = 0.1
_UNWAITED_IN_A_ROW: Final = 256
_LOOP_SECONDS: Final = 0.001
_CONNECT_ATTEMPTS: Final = 10


class _Abandoned(Exception):
    """The partition was taken away while its record was being handled."""


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
        self._io: KafkaIO[S] = KafkaIO(processor, config, self._outbox, self, self._committed_meanwhile)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"kafka-{processor.name}")
        self._assignments: dict[int, Assignment[S]] = {}
        self._scheduler: KeyScheduler[Item] = KeyScheduler()
        self._workers: dict[asyncio.Task[None], Seat | None] = {}
        self._waiting = 0
        self._accepting = True
        self._failed: BaseException | None = None
        self._stopping = asyncio.Event()
        self._room_at = time.monotonic()
        breaker = CircuitBreaker()
        self._runner = RecordRunner(processor, config.max_message_bytes, clock_ms, Backoff(), breaker=breaker)
        self._pace = Pace(config.commit_interval_seconds, time.monotonic())
        self._housekept = time.monotonic()
        self.status = Status(processor.name, breaker, effects=self._runner.effects_breaker)

    def stop(self) -> None:
        """Asks the engine to finish what is in flight and leave; safe to call more than once."""
        self._stopping.set()

    async def run(self) -> None:
        """Runs until `stop()`.

        Raises:
            FatalError: It cannot go on; nothing unfinished was committed.
        """
        self._loop = asyncio.get_running_loop()
        try:
            await self._connect()
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
            self._accepting = False
            await self._cancel(list(self._workers))
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
        now = time.monotonic()
        waiting = len(self._outbox)
        wait = self._pace.poll_seconds(
            now, in_flight=bool(self._workers), ready=waiting > 0, saturated=self._scheduler.waiting > 0
        )
        if room > 0:
            self._apply(await self._kafka(self._io.poll, min(room, _POLL_RECORDS), wait))
            if self._scheduler.waiting < _UNWAITED_IN_A_ROW:
                # Handlers that need not wait finish now, and their outcomes go into the commit below.
                await asyncio.sleep(0)
        else:
            await asyncio.sleep(wait)
        if self._failed is not None:
            raise self._failed
        now = time.monotonic()
        if len(self._outbox) != waiting:
            self._pace.active(now)
        if self._pace.commit_due(now, len(self._outbox), idle=not self._workers):
            await self._commit()
        if now - self._housekept > _HOUSEKEEPING_SECONDS:
            self._housekept = now
            await self._keep_house()

    # Taking records in

    def _apply(self, polled: Polled[S]) -> None:
        for gone in polled.revoked:
            self._forget(gone)
        for assignment in polled.assigned:
            self._assignments[assignment.partition] = assignment
            self._queue_pending(assignment)
        add = self._scheduler.add
        for item in polled.items:
            assignment, offset = item.assignment, item.offset
            if offset is None or not assignment.live:
                continue
            if assignment.trackers[item.source_topic].take(offset, item.timestamp_ms):
                assignment.buffered_bytes += item.size_bytes
                add(assignment.partition, item.key, item)
        if polled.items:
            self._pace.active(time.monotonic())
        self._start_worker()
        self._tell()

    def _queue_pending(self, assignment: Assignment[S]) -> None:
        if assignment.table is None:
            return
        for key, effect in assignment.table.pending():
            topic = self._processor.inputs[0]
            self._scheduler.add(assignment.partition, key, Item(assignment, topic, None, topic, key, effect=effect))

    def _forget(self, gone: Assignment[S]) -> None:
        if self._assignments.get(gone.partition) is gone:
            del self._assignments[gone.partition]
        self._scheduler.forget(gone.partition)
        for task, seat in list(self._workers.items()):
            if seat is not None and seat.assignment is gone:
                # Another process handles the record again; a pending effect is in the changelog.
                task.cancel()

    def _tell(self) -> None:
        self.status.buffered = sum(assignment.buffered for assignment in self._assignments.values())
        self.status.assigned = sum(len(assignment.trackers) for assignment in self._assignments.values())
        self.status.in_flight = len(self._workers)
        self.status.paused = len(self._io.paused)
        tables = [assignment.table for assignment in self._assignments.values() if assignment.table is not None]
        self.status.parked = sum(table.parked_keys for table in tables)

    # Handling. A worker is a task that handles one item after the other: a task per item costs as much as all else.

    def _start_worker(self) -> None:
        """Starts a worker if there is work and none is about to take it; one that has to wait starts the next."""
        if (
            self._scheduler.waiting
            and self._accepting
            and self._failed is None
            and len(self._workers) == self._waiting < self._config.max_in_flight
        ):
            task = asyncio.create_task(self._work())
            self._workers[task] = None
            task.add_done_callback(self._ended)

    async def _work(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        seat = self._workers[task] = Seat(task)
        begin, finished, take, done = self._runner.begin, self._finished, self._scheduler.take, self._scheduler.done
        unwaited = 0
        while self._accepting and (taken := take()) is not None:
            lane, item = taken
            table = item.assignment.table
            begun = begin(item, table)
            if isinstance(begun, Finished):
                finished(begun)
                done(lane)
                unwaited += 1
                if unwaited % _UNWAITED_IN_A_ROW == 0:
                    # Handlers that never wait must not keep everything else from its turn.
                    await asyncio.sleep(0)
                continue
            seat.assignment = item.assignment
            self._waiting += 1
            self._start_worker()
            try:
                await self._runner.go_on(begun, item, table, self._deliver)
            except _Abandoned:
                return
            finally:
                self._waiting -= 1
                seat.assignment = None
                done(lane)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._workers[task]
        if not task.cancelled() and task.exception() is not None and self._failed is None:
            self._failed = task.exception()
        self._start_worker()

    def _deliver(self, finished: Finished) -> Awaitable[None] | None:
        if not finished.item.assignment.live:
            raise _Abandoned
        if finished.effect is None:
            self._finished(finished)
            return None
        self.status.noticed(finished)
        finished.waiter = self._loop.create_future()
        self._outbox.put(finished)
        if finished.item.assignment.leaving:
            raise _Abandoned
        return self._committed(finished.waiter)

    def _finished(self, finished: Finished) -> None:
        # An outcome of a partition that was taken away meanwhile does not leave the outbox.
        self.status.noticed(finished)
        self._outbox.put(finished)

    async def _committed(self, waiter: asyncio.Future[None]) -> None:
        # Waiting for a commit does not count as busy: a rebalance would wait for itself.
        task = asyncio.current_task()
        seat = self._workers.get(task) if task is not None else None
        assert seat is not None
        seat.awaits_commit = True
        try:
            await waiter
        finally:
            seat.awaits_commit = False

    # What a rebalance asks, in the Kafka thread

    def leave(self, partitions: set[int]) -> None:
        """Starts nothing more of these partitions, and gives up what only waits; returns once that is so."""
        self._in_loop(self._leave(partitions))

    async def _leave(self, partitions: set[int]) -> None:
        for number in partitions & self._assignments.keys():
            self._assignments[number].closing = self._assignments[number].leaving = True
            self._scheduler.forget(number)
        self._give_up_waiting()

    def abandon(self, partitions: set[int]) -> None:
        """Ends the calls that are under way for these partitions; returns once that is so."""
        if self.busy(partitions):
            self._in_loop(self._abandon(partitions))

    async def _abandon(self, partitions: set[int]) -> None:
        await self._cancel([task for task, seat in self._workers.items() if seat and seat.calls_for(partitions)])

    def _in_loop(self, step: Coroutine[Any, Any, None]) -> None:
        done = asyncio.run_coroutine_threadsafe(step, self._loop)
        # A handler that keeps the loop to itself must not keep the group waiting.
        deadline = time.monotonic() + self._config.revoke_deadline_seconds
        while not done.done() and time.monotonic() < deadline:
            time.sleep(_LOOP_SECONDS)

    def _give_up_waiting(self) -> None:
        for seat in self._workers.values():
            if seat is not None:
                seat.give_up_waiting()

    def busy(self, partitions: set[int]) -> bool:
        """Whether a call is under way for one of these partitions."""
        return any(seat is not None and seat.calls_for(partitions) for seat in list(self._workers.values()))

    def _committed_meanwhile(self, outcomes: int, seconds: float) -> None:
        if outcomes:
            self._loop.call_soon_threadsafe(self._note_commit, outcomes, seconds)

    # Committing

    async def _commit(self) -> None:
        try:
            outcomes, seconds = await self._kafka(self._io.commit)
        except RetryableError as error:
            # The outbox keeps the outcomes: they go into the next transaction, before whatever comes after them.
            log.warning("keyflow.commit_retry reason=%s", error)
            await asyncio.sleep(_ABORT_PAUSE_SECONDS)
            return
        self._note_commit(outcomes, seconds)

    def _note_commit(self, outcomes: int, seconds: float) -> None:
        self._outbox.settle()
        self._pace.committed(time.monotonic(), seconds, outcomes, saturated=self._scheduler.waiting > 0)
        if outcomes:
            self.status.committed(seconds)
        self._tell()

    async def _keep_house(self) -> None:
        self._expire()
        ends, positions = await self._kafka(self._io.ends), await self._kafka(self._io.positions)
        self.status.watched(measured(self._assignments.values(), ends, positions, self._clock_ms()))
        if not self._workers and not len(self._outbox):
            self._commit_positions(positions)

    def _expire(self) -> None:
        """Forgets keys of old: a few at a time, so that nobody notices."""
        now_ms = self._clock_ms()
        for assignment in self._assignments.values():
            table = assignment.table
            if table is None:
                continue
            for key in table.expired(now_ms, _EXPIRE_AT_MOST):
                if not self._scheduler.holds(assignment.partition, key):
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
        return room

    async def _drain(self) -> None:
        """Finishes what is in flight, within one deadline, without fetching more."""
        self._accepting = False
        for assignment in self._assignments.values():
            assignment.closing = True
        self._give_up_waiting()
        deadline = time.monotonic() + self._config.stop_deadline_seconds
        await self._kafka(self._io.pause, set(self._assignments))
        while (self._workers or len(self._outbox)) and time.monotonic() < deadline:
            if self._workers:
                await asyncio.wait(self._workers, timeout=0.01)
            if self._failed is not None:
                raise self._failed
            await self._commit()
            self._apply_while_stopping(await self._kafka(self._io.poll, 1, 0.0))
        if self._workers:
            log.warning("keyflow.stop_abandons records=%d (they are read again)", len(self._workers))

    def _apply_while_stopping(self, polled: Polled[S]) -> None:
        for gone in polled.revoked:
            self._forget(gone)
        self._tell()

    async def _cancel(self, tasks: list[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=1.0)
