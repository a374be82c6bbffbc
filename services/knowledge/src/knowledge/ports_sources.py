"""What the pull of declared sources needs from outside."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from floodgate.catalogue import KnowledgeSource

from knowledge.domain.documents import Document, Pulled, Refused


class SourceError(Exception):
    """A source cannot be read as a whole; the message says why and what to do."""


class Reader(Protocol):
    """Reads the documents of one kind of source."""

    def read(self, source: KnowledgeSource) -> Iterator[Document | Refused]:
        """Every document that is allowed, cleaned, and what was refused.

        Raises:
            SourceError: The source as a whole cannot be read.
        """
        ...


class PulledStore(Protocol):
    """Keeps what each source gave last, for the day when it cannot be read."""

    def load(self, source_id: str) -> Pulled | None:
        """What a source gave last; None when it was never read."""
        ...

    def save(self, pulled: Pulled) -> None:
        """Keep it in place of what was there."""
        ...
