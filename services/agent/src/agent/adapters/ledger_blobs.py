"""The day's actions in a blob store, replaced by compare-and-swap, so that limits hold over all processes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from floodgate.catalogue.blobs import Blobs, ConflictError
from floodgate.telemetry import counter, get_logger
from keyflow.errors import RetryableError

from agent.domain.ledger import Entry, Page, added, page_name, refusal, removed
from agent.domain.limits import Limits

log = get_logger(__name__)

_TRIES: Final = 20
_refused = counter("floodgate_agent_limits_reached_total", "Actions that a limit held back", ("action", "limit"))


class BlobLedger:
    """A Ledger on the store that also keeps catalogue versions: a folder, or S3.

    Args:
        open_blobs: Opens the store; called with the first action.
    """

    def __init__(self, open_blobs: Callable[[], Blobs]) -> None:
        self._open_blobs = open_blobs
        self._blobs: Blobs | None = None
        self._lock = asyncio.Lock()

    async def reserve(self, call: str, entry: Entry, limits: Limits) -> str | None:
        """Counts an action before it is sent; the word of the limit when it does not fit.

        Raises:
            RetryableError: The store cannot be asked now; nothing may be sent without it.
        """
        async with self._lock:
            code = await asyncio.to_thread(self._change, call, entry.at_ms, lambda page: self._fit(page, entry, limits))
        if code is not None:
            _refused.labels(action=call, limit=code).inc()
            log.warning("agent.limit_reached", action=call, limit=code)
        return code

    async def release(self, call: str, entry: Entry) -> None:
        """Takes an action out again that the backend refused.

        Raises:
            RetryableError: The store cannot be asked now.
        """
        async with self._lock:
            await asyncio.to_thread(self._change, call, entry.at_ms, lambda page: (removed(page, entry.key), None))

    @staticmethod
    def _fit(page: Page, entry: Entry, limits: Limits) -> tuple[Page, str | None]:
        code = refusal(page.entries, entry, limits)
        return (page, code) if code is not None else (added(page, entry), None)

    def _change(self, call: str, at_ms: int, change: Callable[[Page], tuple[Page, str | None]]) -> str | None:
        if self._blobs is None:
            self._blobs = self._open_blobs()
        name = page_name(call, at_ms)
        for _ in range(_TRIES):
            blob = self._blobs.read(name)
            page = Page() if blob is None else Page.model_validate_json(blob.body)
            changed, code = change(page)
            if changed == page:
                return code
            try:
                self._blobs.replace(name, changed.model_dump_json().encode(), None if blob is None else blob.tag)
            except ConflictError:
                continue  # another process counted an action meanwhile: look again
            return code
        raise RetryableError(f"limits of {call}: {_TRIES} others were quicker")
