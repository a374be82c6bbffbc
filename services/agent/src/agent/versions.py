"""Keeps the handlers of earlier catalogue versions, so that running conversations finish on theirs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from floodgate.catalogue import Catalogue
from floodgate.catalogue.location import open_blobs
from floodgate.catalogue.published import PublishedCatalogue
from floodgate.telemetry import get_logger
from keyflow.errors import KeyflowError

from agent.handlers import AgentHandler

log = get_logger(__name__)

_KEPT: Final = 8
"""Versions at once; a conversation is forgotten after days, and versions are not published by the minute."""


class Versions:
    """Handlers by catalogue version. What this process never ran is read from the store.

    Args:
        make: Makes the handler of a version.
        store: Where versions are published; empty when they are not.
    """

    def __init__(self, make: Callable[[Catalogue], AgentHandler], store: str) -> None:
        self._make = make
        self._store = store
        self._handlers: dict[str, AgentHandler] = {}

    def of(self, catalogue: Catalogue) -> AgentHandler:
        """A handler for a version, kept from now on.

        Raises:
            FatalError: It cannot be used.
        """
        handler = self._make(catalogue)
        self._keep(catalogue.version, handler)
        return handler

    async def earlier(self, version: str) -> AgentHandler | None:
        """The handler of an earlier version; None when it is not to be had."""
        if version not in self._handlers and self._store:
            try:
                self._keep(version, await asyncio.to_thread(self._read, version))
            except KeyflowError as error:
                log.warning("agent.version_gone", version=version, error_type=type(error).__name__)
        return self._handlers.get(version)

    def _read(self, version: str) -> AgentHandler:
        return self._make(PublishedCatalogue(open_blobs(self._store)).load(version))

    def _keep(self, version: str, handler: AgentHandler) -> None:
        self._handlers[version] = handler
        while len(self._handlers) > _KEPT:
            del self._handlers[next(iter(self._handlers))]
