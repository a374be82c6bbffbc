"""Retrieval that goes on when the index cannot be asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from keyflow.errors import FatalError, KeyflowError

from floodgate.knowledge.figures import record_degraded
from floodgate.knowledge.types import Example, Passage, Retriever
from floodgate.telemetry import get_logger

_log: Final = get_logger(__name__)

T = TypeVar("T")


class DegradingRetriever:
    """Asks the first retriever and, when that fails, the second. A message must not wait for a search index.

    Args:
        primary: The index.
        fallback: What answers instead, such as `FakeRetriever` over the loaded catalogue.
    """

    def __init__(self, primary: Retriever, fallback: Retriever) -> None:
        self._primary = primary
        self._fallback = fallback

    async def passages(self, query: str, *, language: str, country: str | None, limit: int = 3) -> list[Passage]:
        """See `Retriever.passages`.

        Raises:
            FatalError: The index refused our credentials, which no fallback should hide.
        """
        return await _either(
            lambda: self._primary.passages(query, language=language, country=country, limit=limit),
            lambda: self._fallback.passages(query, language=language, country=country, limit=limit),
            kind="passages",
            language=language,
        )

    async def examples(self, query: str, *, language: str, limit: int = 8) -> list[Example]:
        """See `Retriever.examples`.

        Raises:
            FatalError: The index refused our credentials, which no fallback should hide.
        """
        return await _either(
            lambda: self._primary.examples(query, language=language, limit=limit),
            lambda: self._fallback.examples(query, language=language, limit=limit),
            kind="examples",
            language=language,
        )


async def _either(
    primary: Callable[[], Awaitable[list[T]]],
    fallback: Callable[[], Awaitable[list[T]]],
    *,
    kind: str,
    language: str,
) -> list[T]:
    try:
        return await primary()
    except FatalError:
        raise
    except KeyflowError as error:
        _log.warning("knowledge.degraded", kind=kind, error=type(error).__name__, reason=str(error))
        record_degraded(kind, language)
        return await fallback()
