"""Model and retriever with a note of every call, so that answers and times are known without touching the services."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

from floodgate.bedrock import ModelClient, ModelRequest, ModelResult
from floodgate.bedrock.contract import T
from floodgate.catalogue import Catalogue
from floodgate.knowledge import Example, Passage

from floodgate_eval.search import IndexedRetriever


@dataclass(slots=True)
class Note:
    """What happened while one row was handled."""

    results: list[ModelResult[Any]] = field(default_factory=list)
    call_seconds: float = 0.0
    search_seconds: float = 0.0
    search_cpu_seconds: float = 0.0


note: Final[ContextVar[Note | None]] = ContextVar("note", default=None)
"""Of the row that the running task handles."""


class RecordingModel:
    """Passes every call on and notes its result and time."""

    def __init__(self, model: ModelClient) -> None:
        self._model = model

    async def call(self, request: ModelRequest[T]) -> ModelResult[T]:
        """See `ModelClient.call`."""
        started = time.perf_counter()
        found = note.get()
        try:
            result = await self._model.call(request)
        finally:
            if found is not None:
                found.call_seconds += time.perf_counter() - started
        if found is not None:
            found.results.append(result)
        return result

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """See `ModelClient.embed`."""
        return await self._model.embed(texts)


class ReplayingModel:
    """Gives the noted answers of one row again, at once: what is left to time is the service's own work.

    Without any it stands where no model is asked.
    """

    def __init__(self) -> None:
        self.results: list[ModelResult[Any]] = []

    async def call(self, request: ModelRequest[T]) -> ModelResult[T]:
        """The next noted result."""
        return self.results.pop(0)

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Nothing searches by vector here."""
        raise NotImplementedError


class TimedRetriever:
    """The catalogue in memory, as the firewall uses it where the index cannot be asked, with its time noted."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._inner = IndexedRetriever(catalogue)

    async def passages(self, query: str, *, language: str, country: str | None, limit: int = 3) -> list[Passage]:
        """See `Retriever.passages`."""
        with _search_noted():
            return await self._inner.passages(query, language=language, country=country, limit=limit)

    async def examples(self, query: str, *, language: str, limit: int = 8) -> list[Example]:
        """See `Retriever.examples`."""
        with _search_noted():
            return await self._inner.examples(query, language=language, limit=limit)


@contextmanager
def _search_noted() -> Iterator[None]:
    # The search waits for nothing, so no other row's work falls between.
    started, started_cpu = time.perf_counter(), time.thread_time()
    yield
    found = note.get()
    if found is not None:
        found.search_seconds += time.perf_counter() - started
        found.search_cpu_seconds += time.thread_time() - started_cpu
