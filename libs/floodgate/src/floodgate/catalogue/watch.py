"""Takes over new versions of the catalogue while a service runs, and keeps the last good one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, Generic, TypeVar

from keyflow.errors import KeyflowError, OutageError, RetryableError

from floodgate.catalogue.models import Catalogue
from floodgate.catalogue.opening import REJECTED
from floodgate.catalogue.published import PublishedCatalogue
from floodgate.telemetry import counter, gauge, get_logger, one_line
from floodgate.waiting import until_stopped

log = get_logger(__name__)

T = TypeVar("T")

_RETRY_EVERY: Final = 20
"""Looks between two attempts at a version that was rejected."""
_ACTIVE: Final = gauge(
    "floodgate_catalogue_active", "1 for the version of the catalogue that the service runs.", ("service", "version")
)
_TAKEN: Final = counter("floodgate_catalogue_taken_total", "Versions taken over while running.", ("service",))
_UNREAD: Final = counter(
    "floodgate_catalogue_unread_total", "Times that the store could not be asked for its version.", ("service",)
)


class CatalogueWatcher(Generic[T]):
    """A task of a service: looks at the store every few seconds and hands over what was built from a new version.

    Nothing is handed over but a version that was read wholly, checked and built. One that fails is reported once
    and tried again only now and then, or when something else was published.

    Args:
        service: For logs and figures.
        version: What the service runs now.
        published: Where versions come from; None: there is nothing to watch.
        build: Makes what depends on a version; called in a thread.
        take: Exchanges it; called in the loop, at once and without an await.
        poll_seconds: Between two looks.
        sleep: Waits that long, or until the service stops.
    """

    name = "catalogue"

    def __init__(
        self,
        service: str,
        version: str,
        published: PublishedCatalogue | None,
        *,
        build: Callable[[Catalogue], T],
        take: Callable[[str, T], None],
        poll_seconds: float = 3.0,
        sleep: Callable[[asyncio.Event, float], Awaitable[None]] | None = None,
    ) -> None:
        self._service = service
        self._version = version
        self._published = published
        self._build = build
        self._take = take
        self._poll_seconds = poll_seconds
        self._sleep = sleep or until_stopped
        self._rejected: str | None = None
        self._skipped = 0
        self._reachable = True
        _ACTIVE.labels(service, version).set(1)

    async def run(self, stop: asyncio.Event) -> None:
        """Watches until `stop` is set."""
        if self._published is None:
            await stop.wait()
            return
        while not stop.is_set():
            await _unless_stopped(stop, self.look(self._published))
            await self._sleep(stop, self._poll_seconds)

    async def look(self, published: PublishedCatalogue) -> None:
        """Takes over what is active in the store, when that is something else; a failure keeps what there is."""
        try:
            pointer = await asyncio.to_thread(published.pointer)
        except KeyflowError as error:
            self._tell_unreachable(error)
            return
        self._tell_reachable(published)
        if pointer is None or pointer.version == self._version:
            self._rejected = None
        elif pointer.version != self._rejected or self._is_time_again():
            await self._take_over(published, pointer.version)

    async def _take_over(self, published: PublishedCatalogue, version: str) -> None:
        try:
            built = await asyncio.to_thread(self._built, published, version)
        except (RetryableError, OutageError) as error:
            self._tell_unreachable(error)
        except Exception as error:
            # Whatever a version makes of the code that builds from it: the last good one goes on.
            self._reject(version, error)
        else:
            self._exchange(version, built)

    def _is_time_again(self) -> bool:
        """A rejected version is tried now and then: its files may have been repaired."""
        self._skipped += 1
        if self._skipped < _RETRY_EVERY:
            return False
        self._skipped = 0
        return True

    def _built(self, published: PublishedCatalogue, version: str) -> T:
        return self._build(published.load(version))

    def _exchange(self, version: str, built: T) -> None:
        self._take(version, built)
        before, self._version, self._rejected = self._version, version, None
        _ACTIVE.remove(self._service, before)
        _ACTIVE.labels(self._service, version).set(1)
        _TAKEN.labels(self._service).inc()
        log.info("catalogue.taken", version=version, before=before)

    def _reject(self, version: str, error: Exception) -> None:
        if version != self._rejected:
            REJECTED.labels(self._service).inc()
            # What other code says of a version may hold its texts: its kind has to do.
            reason = one_line(error) if isinstance(error, KeyflowError) else type(error).__name__
            log.error("catalogue.rejected", version=version, kept=self._version, reason=reason)
        self._rejected, self._skipped = version, 0

    def _tell_unreachable(self, error: Exception) -> None:
        _UNREAD.labels(self._service).inc()
        if self._reachable:
            log.warning("catalogue.store_unreachable", kept=self._version, reason=one_line(error))
        self._reachable = False

    def _tell_reachable(self, published: PublishedCatalogue) -> None:
        if not self._reachable:
            log.info("catalogue.store_reachable", store=published.where)
        self._reachable = True


async def _unless_stopped(stop: asyncio.Event, looking: Coroutine[Any, Any, None]) -> None:
    """A store that hangs must not hold up the end of the service."""
    look, stopped = asyncio.create_task(looking), asyncio.create_task(stop.wait())
    await asyncio.wait({look, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not look.done():
        look.cancel()
        return
    await look
