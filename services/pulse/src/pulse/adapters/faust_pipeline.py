"""The Faust application: inputs to support.pulse.counts, and from there through one table to support.metrics.

Faust acknowledges a record here only when everything that it led to is confirmed by Kafka: what it wrote, and its
changes of the table. A crash makes records come again, and the fold does not count them twice.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import faust
from faust.types import EventT, StreamT
from floodgate.events import Metric
from floodgate.settings import KafkaSettings
from floodgate.telemetry import get_logger
from keyflow import FatalError, RetryableError

from pulse.adapters.faust_credentials import credentials
from pulse.adapters.faust_transport import CommittedTransport
from pulse.domain.log import Count
from pulse.domain.progress import Place as At
from pulse.domain.progress import Progress
from pulse.handlers import Counting, Folding, Place, whole

log = get_logger(__name__)

_UNCONFIRMED: Final = 2000
_REGISTRY_PAUSE_SECONDS: Final = 1.0
_CONFIRM_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Topics:
    """Names of what is read and written; tests have their own.

    Attributes:
        inputs: Names by which inputs are read, with those by which they are declared.
    """

    inputs: Mapping[str, str]
    counts: str = "support.pulse.counts"
    windows: str = "support.pulse.windows"
    metrics: str = "support.metrics"


class ConfirmedTable(faust.Table):  # type: ignore[type-arg]  # keys and values of any kind
    """A table that says when its changes are in the changelog."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.unconfirmed: list[Awaitable[Any]] = []

    def send_changelog(self, *args: Any, **kwargs: Any) -> Any:
        """Notes the change on its way."""
        future = super().send_changelog(*args, **kwargs)
        self.unconfirmed.append(future)
        return future

    def taken(self) -> list[Awaitable[Any]]:
        """The changes since the last call."""
        found, self.unconfirmed = self.unconfirmed, []
        return found


class Confirming:
    """Acknowledges records in their order, each once all that it led to is confirmed."""

    def __init__(self, progress: Progress, failed: Callable[[BaseException], None]) -> None:
        self._progress = progress
        self._failed = failed
        self._queue: asyncio.Queue[tuple[EventT[Any], list[Awaitable[Any]]]] = asyncio.Queue(_UNCONFIRMED)

    async def put(self, event: EventT[Any], sent: list[Awaitable[Any]]) -> None:
        """Waits while too much is on its way."""
        await self._queue.put((event, sent))

    async def run(self) -> None:
        """Runs until cancelled."""
        try:
            while True:
                event, sent = await self._queue.get()
                for each in sent:
                    await asyncio.wait_for(_as_future(each), _CONFIRM_SECONDS)
                message = event.message
                event.ack()
                at = message.topic, message.partition
                self._progress.handled(at, message.offset, int((message.timestamp or 0) * 1000))
        except Exception as error:
            self._failed(error)


async def _as_future(each: Awaitable[Any]) -> None:
    await each


class FaustPipeline:
    """Counts, folds and publishes until stopped.

    Args:
        settings: Where Kafka is.
        topics: What is read and written.
        counting: What an input record adds.
        make_folding: The fold on the table that Faust keeps.
        encode: A metric's bytes.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        topics: Topics,
        counting: Counting,
        make_folding: Callable[[MutableMapping[str, Any]], Folding],
        encode: Callable[[Metric], bytes],
    ) -> None:
        self._settings = settings
        self._topics = topics
        self._counting = counting
        self._make_folding = make_folding
        self._encode = encode
        self.app: Any = None
        self._folder = ""
        self._running: list[asyncio.Task[None]] = []
        self.inputs = Progress()
        self.counts = Progress()

    async def start(self) -> None:
        """Connects and begins."""
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._folder = tempfile.mkdtemp(prefix="floodgate-pulse-")
        app = self.app = self._new_app()
        raw: dict[str, Any] = {
            "key_type": bytes,
            "value_type": bytes,
            "key_serializer": "raw",
            "value_serializer": "raw",
        }
        inputs = app.topic(*self._topics.inputs, **raw)
        self._counts = app.topic(self._topics.counts, partitions=1, **raw)
        self._metrics = app.topic(self._topics.metrics, **raw)
        changelog = app.topic(
            self._topics.windows, partitions=1, compacting=True, key_type=str, value_type=None,
            key_serializer="json", value_serializer="json",
        )  # fmt: skip
        self._table: Any = app.Table("windows", partitions=1, changelog_topic=changelog)
        self._folding = self._make_folding(self._table)
        app.agent(inputs, name="count")(self._count)
        app.agent(self._counts, name="fold")(self._fold)
        app.on_partitions_assigned.connect(self._assigned)
        self._confirming = [Confirming(progress, self._fail) for progress in (self.inputs, self.counts)]
        self._running = [asyncio.create_task(each.run()) for each in self._confirming]
        app.finalize()
        await app.start()

    def _new_app(self) -> faust.App:
        settings = self._settings
        servers = [f"kafka://{server}" for server in settings.bootstrap_servers.split(",")]
        app = faust.App(
            f"{settings.group_prefix}pulse",
            broker=";".join(servers),
            loop=asyncio.get_running_loop(),
            datadir=self._folder,
            store="memory://",
            Table=ConfirmedTable,
            topic_allow_declare=False,
            topic_disable_leader=True,
            topic_partitions=1,
            table_standby_replicas=0,
            web_enabled=False,
            autodiscover=False,
            consumer_auto_offset_reset="earliest",
            consumer_group_instance_id=f"{settings.group_prefix}pulse-{settings.instance}",
            producer_acks=-1,
            producer_linger=0.005,
            broker_commit_interval=1.0,
            broker_session_timeout=10.0,
            broker_heartbeat_interval=2.5,
            broker_max_poll_records=500,
            # Our own watch looks at what was taken; these only write log lines.
            stream_wait_empty=False,
            **credentials(settings.connection()),
        )
        app.transport = CommittedTransport(app.conf.broker_consumer, app)
        return app

    async def _assigned(self, *_: Any, **__: Any) -> None:
        self._folding.stale = True

    def _fail(self, error: BaseException) -> None:
        if not self._failure.done():
            self._failure.set_exception(error)

    # What the agents do

    async def _count(self, stream: StreamT[bytes]) -> None:
        async for event in self._events(stream):
            message = event.message
            place = Place(message.topic, message.partition, message.offset, int((message.timestamp or 0) * 1000))
            found = await self._counted(place, event.value)
            sent = [] if found is None else [await self._counts.send(partition=0, value=whole(found))]
            await self._confirming[0].put(event, sent)

    async def _counted(self, place: Place, value: bytes | None) -> Count | None:
        while True:
            try:
                return self._counting(place, value)
            except RetryableError as error:
                log.warning("pulse.retry", reason=str(error))
                await asyncio.sleep(_REGISTRY_PAUSE_SECONDS)

    async def _fold(self, stream: StreamT[bytes]) -> None:
        async for event in self._events(stream):
            sent = []
            for key, metric in self._folding(event.message.offset, event.value):
                sent.append(await self._metrics.send(key=key.encode(), value=self._encode(metric)))
            await self._confirming[1].put(event, [*sent, *self._table.taken()])

    async def _events(self, stream: Any) -> AsyncIterator[EventT[bytes]]:
        """Events that are not acknowledged by Faust, which would lose the one during which an agent fails."""
        async for event in stream.noack().events():
            try:
                yield event
            except Exception as error:
                self._fail(error)
                raise

    # What the service asks

    async def tick(self, value: bytes) -> None:
        """Writes a tick."""
        sent = await self._counts.send(partition=0, value=value)
        await asyncio.wait_for(_as_future(sent), _CONFIRM_SECONDS)

    def assignment(self) -> set[At]:
        """Partitions of inputs and counts that are read here."""
        ours = {*self._topics.inputs, self._topics.counts}
        return {(tp.topic, tp.partition) for tp in self.app.consumer.assignment() if tp.topic in ours}

    async def position(self, place: At) -> int:
        """Where the consumer stands."""
        found = await self.app.consumer.position(faust.types.TP(*place))
        return int(found or 0)

    def given(self, place: At) -> int | None:
        """The offset after the last record that the consumer gave out."""
        last = self.app.consumer._read_offset.get(faust.types.TP(*place))
        return None if last is None else int(last) + 1

    @property
    def recovering(self) -> bool:
        """Whether the table is being read from its changelog."""
        return self.app is None or bool(self.app.in_recovery)

    async def failed(self) -> None:
        """Waits until it cannot go on.

        Raises:
            FatalError: Why.
        """
        crashed = asyncio.create_task(self.app.wait_until_stopped())
        try:
            await asyncio.wait([crashed, self._failure], return_when=asyncio.FIRST_COMPLETED)
        finally:
            crashed.cancel()
        reason = self._failure.exception() if self._failure.done() else self.app.crash_reason
        raise FatalError(f"pulse: Faust stopped ({type(reason).__name__}: {reason}): start again")

    async def stop(self) -> None:
        """Stops Faust; what was not acknowledged is read again."""
        for task in self._running:
            task.cancel()
        if self.app is not None:
            with suppress(Exception):
                await self.app.stop()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
