"""The engine: takes records in, runs the handler with key-ordered concurrency, commits outcomes exactly once.

One asyncio loop runs handlers; one thread talks to Kafka (`kafka_io`). Records of a key are handled one after the
other, records of different keys at once. A finished record's outputs, state and offset wait in `_ready` and go into
the next transaction together; nothing is ever held open across a handler's await.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from keyflow.config import EngineConfig
from keyflow.errors import FatalError, RetryableError
from keyflow.kafka_io import CommitBatch, KafkaIO, Polled, Source, Write
from keyflow.offsets import OffsetTracker, decode
from keyflow.retry import Backoff
from keyflow.runner import Finished, Item, RecordRunner
from keyflow.status import Status
from keyflow.table import Table
from keyflow.types import FailedRecord, Processor

log = logging.getLogger(__name__)
S = TypeVar("S")

ORIGIN_TOPIC_HEADER: Final = "origin-topic"
"""Header of a redriven record: the input topic that it first came from."""

_POLL_SECONDS: Final = 0.02
_POLL_RECORDS: Final = 500
_EXPIRE_EVERY_SECONDS: Final = 60.0


@dataclass(slots=True)
class _KeyQueue:
    key: str
    partition: int
    items: deque[Item] = field(default_factory=deque)
    task: asyncio.Task[None] | None = None


class Engine(Generic[S]):
    """Runs one processor until stopped.

    Args:
        processor: What to run.
        config: How.
        clock_ms: Wall clock in milliseconds since the epoch.
        io: Kafka's side, for tests.
    """

    def __init__(
        self,
        processor: Processor[S],
        config: EngineConfig,
        *,
        clock_ms: Callable[[], int] = lambda: int(time.time() * 1000),
        io: KafkaIO | None = None,
    ) -> None:
        self._processor = processor
        self._config = config
        self._clock_ms = clock_ms
        self._topics = [*processor.inputs, *([processor.redrive_topic] if processor.redrive_topic else [])]
        changelog = processor.state.changelog if processor.state else None
        self._io = io or KafkaIO(config, self._topics, changelog, self._take_batch)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"kafka-{processor.name}")
        # The rebalance callback takes the last batch in the Kafka thread; all else that holds it is the loop.
        self._lock = threading.RLock()
        self._trackers: dict[Source, OffsetTracker] = {}
        self._tables: dict[int, Table[S]] = {}
        self._queues: dict[tuple[int, str], _KeyQueue] = {}
        self._runnable: deque[_KeyQueue] = deque()
        self._ready: list[Finished] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._failed: BaseException | None = None
        self._stopping = asyncio.Event()
        self._paused = False
        self._retry_batch: CommitBatch | None = None
        self._retry_waiters: list[asyncio.Future[None]] = []
        self._runner = RecordRunner(processor, config.max_message_bytes, clock_ms, Backoff())
        self.status = Status(processor.name)

    def stop(self) -> None:
        """Asks the engine to finish what is in flight and leave; safe to call more than once."""
        self._stopping.set()

    async def run(self) -> None:
        """Runs until `stop()`.

        Raises:
            FatalError: It cannot go on; nothing unfinished was committed.
        """
        await self._connect()
        last_expiry = last_commit = time.monotonic()
        try:
            while not self._stopping.is_set():
                polled = await self._kafka(self._io.poll, _POLL_RECORDS, _POLL_SECONDS)
                self._apply(polled)
                self._start_runnable()
                await self._balance()
                self._raise_failure()
                now = time.monotonic()
                if now - last_expiry > _EXPIRE_EVERY_SECONDS:
                    self._expire()
                    last_expiry = now
                if now - last_commit >= self._config.commit_interval_seconds and await self._commit():
                    last_commit = time.monotonic()
            await self._drain()
        finally:
            for task in self._tasks:
                task.cancel()
            await self._kafka(self._io.close)
            self._thread.shutdown(wait=True)

    async def _connect(self) -> None:
        backoff = Backoff(base_seconds=0.5, cap_seconds=5.0)
        attempt = 0
        while True:
            attempt += 1
            try:
                await self._kafka(self._io.connect)
            except RetryableError as error:
                if attempt >= 10:
                    raise FatalError(str(error)) from error
                log.warning("keyflow.connect_retry attempt=%d reason=%s", attempt, error)
                await asyncio.sleep(backoff.delay_seconds(attempt, None))
            else:
                return

    async def _kafka(self, function: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *args)

    def _raise_failure(self) -> None:
        if self._failed is not None:
            raise self._failed

    # Taking records in

    def _apply(self, polled: Polled) -> None:
        with self._lock:
            for source in polled.revoked:
                self._forget(source)
            for partition, entries in polled.changelogs.items():
                self._restore(partition, entries)
            for place in polled.assigned:
                if place.source in self._trackers:
                    continue
                start = max(place.offset, 0)
                self._trackers[place.source] = OffsetTracker(start, decode(start, place.metadata))
            for fetched in polled.records:
                self._take(fetched)
        self.status.buffered = sum(tracker.unfinished for tracker in self._trackers.values())
        self.status.assigned = len(self._trackers)

    def _forget(self, source: Source) -> None:
        partition = source[1]
        self._trackers.pop(source, None)
        self._tables.pop(partition, None)
        for identity in [identity for identity in self._queues if identity[0] == partition]:
            queue = self._queues.pop(identity)
            queue.items.clear()
            if queue.task is not None:
                # Another process handles the record again; a pending effect is in the changelog.
                queue.task.cancel()
        self._ready = [item for item in self._ready if item.source[1] != partition]

    def _restore(self, partition: int, entries: list[tuple[bytes, bytes | None]]) -> None:
        if self._processor.state is None:
            return
        table: Table[S] = Table(self._processor.state)
        for raw_key, value in entries:
            try:
                table.restore(raw_key.decode(), value)
            except ValueError as error:
                raise FatalError(f"{self._processor.state.changelog}: an entry cannot be read ({error})") from error
        self._tables[partition] = table
        source = (self._processor.inputs[0], partition)
        for key, effect in table.pending():
            queue = self._queue(partition, key)
            queue.items.append(Item(source, None, None, key, effect))
            self._runnable.append(queue)

    def _take(self, fetched: FailedRecord) -> None:
        source = (fetched.topic, fetched.partition)
        tracker = self._trackers.get(source)
        if tracker is None or not tracker.take(fetched.offset):
            return
        origin = fetched.topic
        if origin == self._processor.redrive_topic:
            origin = dict(fetched.headers).get(ORIGIN_TOPIC_HEADER, b"").decode() or origin
        try:
            key = (fetched.raw_key or b"").decode()
        except UnicodeDecodeError:
            key = ""
        queue = self._queue(fetched.partition, key)
        queue.items.append(Item(source, fetched.offset, fetched, key, None, origin))
        if queue.task is None and len(queue.items) == 1:
            self._runnable.append(queue)

    def _queue(self, partition: int, key: str) -> _KeyQueue:
        queue = self._queues.get((partition, key))
        if queue is None:
            queue = _KeyQueue(key, partition)
            self._queues[(partition, key)] = queue
        return queue

    # Handling

    def _start_runnable(self) -> None:
        while self._runnable and len(self._tasks) < self._config.max_in_flight and not self._stopping.is_set():
            queue = self._runnable.popleft()
            if queue.task is not None or not queue.items:
                continue
            queue.task = asyncio.create_task(self._handle(queue, queue.items.popleft()))
            self._tasks.add(queue.task)
            queue.task.add_done_callback(self._done)
        self.status.in_flight = len(self._tasks)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None and self._failed is None:
            self._failed = task.exception()
        self._start_runnable()

    async def _handle(self, queue: _KeyQueue, item: Item) -> None:
        try:
            table = self._tables.get(queue.partition)
            async for finished in self._runner.run(item, table):
                await self._deliver(finished, table)
                self.status.noticed(finished)
        finally:
            queue.task = None
            if queue.items:
                self._runnable.append(queue)
            elif self._queues.get((queue.partition, queue.key)) is queue:
                del self._queues[(queue.partition, queue.key)]

    async def _deliver(self, finished: Finished, table: Table[S] | None) -> None:
        waiter: asyncio.Future[None] | None = None
        if finished.wait_for_commit:
            waiter = asyncio.get_running_loop().create_future()
        with self._lock:
            finished.write_state(table, self._clock_ms())
            finished.waiter = waiter
            self._ready.append(finished)
        if waiter is not None:
            await waiter

    # Committing

    def _take_batch(self) -> CommitBatch:
        """Moves what is ready into a batch; called by the loop, and by a rebalance in the Kafka thread."""
        with self._lock:
            ready, self._ready = self._ready, []
            writes: dict[Source, list[Write]] = {}
            for item in ready:
                writes.setdefault(item.source, []).extend(item.writes)
                if item.offset is not None and item.source in self._trackers:
                    self._trackers[item.source].finish(item.offset)
            offsets = {
                source: (self._trackers[source].position(), self._trackers[source].metadata())
                for source in writes
                if source in self._trackers
            }
            self._retry_waiters += [item.waiter for item in ready if item.waiter is not None]
            return CommitBatch(writes, offsets)

    async def _commit(self) -> bool:
        batch = self._retry_batch or self._take_batch()
        if not batch:
            return False
        try:
            seconds = await self._kafka(self._io.commit, batch)
        except RetryableError as error:
            # Outcomes are kept: the same batch is tried again, whatever became ready meanwhile comes after it.
            self._retry_batch = batch
            log.warning("keyflow.commit_retry reason=%s", error)
            await asyncio.sleep(0.1)
            return False
        self._retry_batch = None
        self.status.committed(seconds)
        waiters, self._retry_waiters = self._retry_waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
        return True

    def _expire(self) -> None:
        now_ms = self._clock_ms()
        with self._lock:
            for partition, table in self._tables.items():
                source = (self._processor.inputs[0], partition)
                for key in table.expired(now_ms):
                    if (partition, key) not in self._queues:
                        self._ready.append(Finished.tombstone(source, key, table, now_ms))

    # Bounds and the end

    async def _balance(self) -> None:
        buffered = sum(tracker.unfinished for tracker in self._trackers.values())
        full = buffered > self._config.max_buffered or any(tracker.is_full() for tracker in self._trackers.values())
        if full and not self._paused:
            await self._kafka(self._io.pause, list(self._trackers))
            self._paused = True
        elif self._paused and not full and buffered < self._config.max_buffered // 2:
            await self._kafka(self._io.resume, list(self._trackers))
            self._paused = False

    async def _drain(self) -> None:
        deadline = time.monotonic() + self._config.stop_deadline_seconds
        await self._kafka(self._io.pause, list(self._trackers))
        while self._tasks and time.monotonic() < deadline:
            await self._commit()
            self._apply(await self._kafka(self._io.poll, 1, 0.0))
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=0.02)
        while (self._ready or self._retry_batch) and time.monotonic() < deadline + 5:
            await self._commit()
        if self._tasks:
            log.warning("keyflow.stop_abandons records=%d (they are read again)", len(self._tasks))
