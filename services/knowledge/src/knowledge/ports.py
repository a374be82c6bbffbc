"""What the job needs from outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from knowledge.domain.corpus import Corpus
from knowledge.domain.manifest import Manifest
from knowledge.domain.noted import Notes

Vectors = Mapping[str, Sequence[float]]
"""By `text_key`."""


class ContentStore(Protocol):
    """Keeps versions of the content, each immutable once its manifest is there."""

    def current(self) -> Manifest | None:
        """The manifest of the version that was published last."""
        ...

    def vectors(self, manifest: Manifest) -> dict[str, list[float]]:
        """The vectors of a version, so that unchanged texts are not embedded again."""
        ...

    def publish(self, corpus: Corpus, manifest: Manifest, vectors: Vectors) -> int:
        """Write a version, make it the current one, and say how many objects it has."""
        ...

    def prune(self, keep: int) -> list[str]:
        """Remove all but the newest versions and name those removed; the current one always stays."""
        ...


class SearchIndex(Protocol):
    """Holds what can be searched, one index per version behind an alias."""

    def serves(self, corpus: Corpus) -> bool:
        """Whether the aliases lead to this corpus, completely."""
        ...

    def fill(self, corpus: Corpus, vectors: Vectors) -> None:
        """Build the indices of a corpus beside those in use."""
        ...

    def switch(self, corpus: Corpus) -> list[str]:
        """Let the aliases lead to the corpus, in one step with the removal of older indices; names those."""
        ...

    def describe(self) -> dict[str, Any]:
        """By alias: the index behind it and how many documents it has."""
        ...


class RunNotes(Protocol):
    """Keeps what became of the runs, for people to see."""

    def keep(self, notes: Notes) -> None:
        """Keep these notes; a run does not fail because they could not be kept."""
        ...
