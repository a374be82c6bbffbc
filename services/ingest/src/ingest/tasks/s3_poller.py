"""Finished interactions dropped into S3: notifications from the queue, objects line by line, events to Kafka.

A notification is deleted only once everything of its objects is in Kafka, so a crash, a Kafka outage or a lost
answer only repeats work: event ids are derived from the interaction and its content.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import Any, Final, Protocol

from floodgate import __version__
from floodgate.telemetry import get_logger
from floodgate.waiting import until_stopped
from keyflow.errors import KeyflowError, OutageError, RetryableError

from ingest.domain.dead_letters import edge_dead_letter
from ingest.domain.errors import DocumentError
from ingest.domain.lines import Line
from ingest.domain.s3_notices import S3Object, parse_notice
from ingest.edge import EdgeWriter
from ingest.intake import Intake, LineIntake
from ingest.ports import Clock, QueueMessage
from ingest.telemetry import S3_NOTICES, S3_OBJECTS

_FIRST_BACKOFF_SECONDS: Final = 1.0
_MAX_BACKOFF_SECONDS: Final = 30.0
_RETRY_HIDDEN_SECONDS: Final = 30
log = get_logger(__name__)


class Queue(Protocol):
    """Where notifications come from; `adapters.sqs_queue.SqsQueue` is one."""

    url: str
    visibility_seconds: int

    async def receive(self) -> list[QueueMessage]: ...

    async def delete(self, message: QueueMessage) -> None: ...

    async def hide(self, message: QueueMessage, seconds: int) -> None: ...


class Objects(Protocol):
    """Where objects are read; `adapters.s3_objects.S3Objects` is one."""

    def batches(self, target: S3Object) -> AsyncIterator[Sequence[Line]]: ...


class S3Poller:
    """Runs until it is told to stop.

    Args:
        queue: The notifications.
        objects: The objects.
        intake: What turns lines into events.
        writer: Where dead letters of unreadable notifications go.
        clock: Wall clock.
        prefix: Only keys that begin so are read.
    """

    name = "s3-poller"

    def __init__(
        self, queue: Queue, objects: Objects, intake: LineIntake, writer: EdgeWriter, clock: Clock, *, prefix: str
    ) -> None:
        self._queue = queue
        self._objects = objects
        self._intake = intake
        self._writer = writer
        self._clock = clock
        self._prefix = prefix

    async def run(self, stop: asyncio.Event) -> None:
        """Polls until `stop` is set.

        Raises:
            FatalError: The queue does not exist or the credentials are wrong.
        """
        backoff_seconds = _FIRST_BACKOFF_SECONDS
        while not stop.is_set():
            try:
                received = await _unless_stopped(stop, self._queue.receive())
                backoff_seconds = _FIRST_BACKOFF_SECONDS
            except (RetryableError, OutageError) as error:
                log.warning("s3.queue_not_reached", error=str(error), wait_seconds=backoff_seconds)
                await until_stopped(stop, backoff_seconds)
                backoff_seconds = min(2 * backoff_seconds, _MAX_BACKOFF_SECONDS)
                continue
            await asyncio.gather(*(self.handle(message) for message in received or ()))

    async def handle(self, message: QueueMessage) -> None:
        """Takes one notification; leaves it in the queue when something failed that may succeed later."""
        renewing = asyncio.create_task(self._keep_hidden(message))
        try:
            await self._take(message)
            await self._queue.delete(message)
        except (RetryableError, OutageError) as error:
            log.warning("s3.notice_left_in_queue", error=str(error))
            S3_NOTICES.labels("left_in_queue").inc()
            with contextlib.suppress(KeyflowError):
                await self._queue.hide(message, _RETRY_HIDDEN_SECONDS)
        finally:
            renewing.cancel()

    async def _take(self, message: QueueMessage) -> None:
        try:
            notice = parse_notice(message.body)
        except DocumentError as error:
            await self._writer.write(
                (
                    edge_dead_letter(
                        origin=f"sqs://{self._queue.url.rpartition('/')[2]}",
                        position=-1,
                        value=message.body.encode(),
                        reason=str(error),
                        error_type=type(error).__name__,
                        occurred_at=self._clock(),
                        version=__version__,
                    ),
                )
            )
            log.error("s3.notice_not_understood", error=str(error))
            S3_NOTICES.labels("dead_letter").inc()
            return
        for reason in notice.ignored:
            S3_NOTICES.labels(reason).inc()
        for target in notice.objects:
            S3_NOTICES.labels("object").inc()
            await self.take_object(target)

    async def take_object(self, target: S3Object) -> Intake:
        """Writes everything that an object holds.

        Raises:
            RetryableError: S3 or Kafka failed; taking it again repeats only the same ids.
        """
        if not target.key.startswith(self._prefix) or target.key.endswith("/"):
            S3_OBJECTS.labels("outside_prefix").inc()
            return Intake()
        intake = await self._intake.take_all(self._objects.batches(target), target.uri)
        S3_OBJECTS.labels("with_dead_letters" if intake.dead_letters else "taken").inc()
        log.info(
            "s3.object_taken",
            object=target.uri,
            lines=intake.lines,
            interactions=intake.interactions,
            dead_letters=intake.dead_letters,
        )
        return intake

    async def _keep_hidden(self, message: QueueMessage) -> None:
        """A long object takes longer than the visibility time-out; nobody else shall begin it meanwhile."""
        while True:
            await asyncio.sleep(self._queue.visibility_seconds / 2)
            try:
                await self._queue.hide(message, self._queue.visibility_seconds)
            except KeyflowError as error:
                log.warning("s3.notice_not_renewed", error=str(error))


async def _unless_stopped(
    stop: asyncio.Event, receiving: Coroutine[Any, Any, list[QueueMessage]]
) -> list[QueueMessage] | None:
    """What is received, or None when told to stop; what the abandoned poll receives shows again by itself."""
    poll = asyncio.ensure_future(receiving)
    stopped = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait([poll, stopped], return_when=asyncio.FIRST_COMPLETED)
        return poll.result() if poll.done() else None
    finally:
        poll.cancel()
        stopped.cancel()
