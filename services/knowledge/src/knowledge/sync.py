"""The job: from the catalogue to S3 to OpenSearch, all or nothing, as often as you like."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

from floodgate.catalogue import Catalogue
from floodgate.knowledge import Embed
from floodgate.telemetry import get_logger
from keyflow.errors import FatalError
from pydantic import BaseModel, ConfigDict

from knowledge.domain.corpus import Corpus, make_corpus, text_key
from knowledge.domain.findings import Contradiction, Stale, contradictions, stale
from knowledge.domain.manifest import Changes, Manifest, compare, make_manifest
from knowledge.ports import ContentStore, SearchIndex

_log: Final = get_logger(__name__)

Progress = Callable[[str, int, int], None]
"""Called with the step, how much of it is done, and how much there is."""


class SyncReport(BaseModel):
    """What a run did.

    Args:
        version: Version of the content.
        catalogue_version: Version of the catalogue it came from.
        outcome: "unchanged", "planned" (dry run) or "synced".
        changes: Compared with the version before.
        passages: Passages in the index.
        examples: Examples in the index.
        embedded: Texts that were sent to the embedding model.
        reused: Texts whose vectors were taken over.
        objects_written: Objects written to S3.
        indices_removed: Indices that vanished with the switch.
        versions_pruned: Versions removed from S3.
        contradictions: Sentences of different articles that do not go together.
        stale: Curated articles whose review is due.
    """

    model_config = ConfigDict(frozen=True)

    version: str
    catalogue_version: str
    outcome: str
    changes: Changes
    passages: int
    examples: int
    embedded: int = 0
    reused: int = 0
    objects_written: int = 0
    indices_removed: tuple[str, ...] = ()
    versions_pruned: tuple[str, ...] = ()
    contradictions: tuple[Contradiction, ...] = ()
    stale: tuple[Stale, ...] = ()


class KnowledgeSync:
    """Brings what can be searched to where the catalogue is.

    Args:
        store: Keeps the versions.
        index: Holds what can be searched.
        embed: Turns texts into vectors.
        embed_model_id: The model behind `embed`.
        now: The clock, UTC.
        keep_versions: Versions kept in the store.
        batch_size: Texts embedded at the same time.
    """

    def __init__(
        self,
        store: ContentStore,
        index: SearchIndex,
        embed: Embed,
        *,
        embed_model_id: str,
        now: Callable[[], datetime],
        keep_versions: int = 3,
        batch_size: int = 64,
    ) -> None:
        self._store = store
        self._index = index
        self._embed = embed
        self._embed_model_id = embed_model_id
        self._now = now
        self._keep_versions = keep_versions
        self._batch_size = batch_size

    async def run(
        self, catalogue: Catalogue, progress: Progress, *, force: bool = False, dry_run: bool = False
    ) -> SyncReport:
        """Publish and index the content of a catalogue; a version that is already there costs nothing.

        Readers see the old version until the new one is complete. A run that breaks off leaves them untouched
        and is repeated by simply running again.

        Args:
            catalogue: Where the content comes from.
            progress: Is told how far the run is.
            force: Do it even though the version is already there.
            dry_run: Only say what would change.

        Raises:
            RetryableError: S3, OpenSearch or the model were busy for too long.
            OutageError: One of them cannot be reached.
            FatalError: Credentials, bucket or settings are wrong.
        """
        report = await self._run(catalogue, progress, force=force, dry_run=dry_run)
        found = {
            "contradictions": tuple(contradictions(catalogue.articles)),
            "stale": tuple(stale(catalogue.articles, self._now().date())),
        }
        _log.info("knowledge.reviewed", **{name: len(items) for name, items in found.items()})
        return report.model_copy(update=found)

    async def _run(self, catalogue: Catalogue, progress: Progress, *, force: bool, dry_run: bool) -> SyncReport:
        corpus = make_corpus(catalogue, self._embed_model_id)
        before = await asyncio.to_thread(self._store.current)
        manifest = make_manifest(corpus, self._now())
        changes = compare(before, manifest)
        stored = before is not None and before.version == corpus.version
        served = await asyncio.to_thread(self._index.serves, corpus)
        if dry_run or (stored and served and not force):
            return _report(corpus, changes, "unchanged" if stored and served else "planned")
        vectors, embedded = await self._vectors(corpus, before, progress)
        return await self._apply(
            corpus,
            manifest=manifest,
            changes=changes,
            vectors=vectors,
            embedded=embedded,
            progress=progress,
        )

    async def _apply(
        self,
        corpus: Corpus,
        *,
        manifest: Manifest,
        changes: Changes,
        vectors: dict[str, list[float]],
        embedded: int,
        progress: Progress,
    ) -> SyncReport:
        progress("publish", 0, 1)
        written = await asyncio.to_thread(self._store.publish, corpus, manifest, vectors)
        progress("publish", 1, 1)
        documents = len(corpus.chunks) + len(corpus.examples)
        progress("index", 0, documents)
        await asyncio.to_thread(self._index.fill, corpus, vectors)
        progress("index", documents, documents)
        removed = await asyncio.to_thread(self._index.switch, corpus)
        pruned = await asyncio.to_thread(self._store.prune, self._keep_versions)
        report = _report(corpus, changes, "synced").model_copy(
            update={
                "embedded": embedded,
                "reused": len(corpus.texts) - embedded,
                "objects_written": written,
                "indices_removed": tuple(removed),
                "versions_pruned": tuple(pruned),
            }
        )
        _log.info("knowledge.synced", **report.model_dump(exclude={"changes", "contradictions", "stale"}))
        return report

    async def _vectors(
        self, corpus: Corpus, before: Manifest | None, progress: Progress
    ) -> tuple[dict[str, list[float]], int]:
        """The vector of every text, and how many had to be made."""
        known: dict[str, list[float]] = {}
        if before is not None and before.embed_model_id == corpus.embed_model_id:
            known = await asyncio.to_thread(self._store.vectors, before)
        vectors = {key: known[key] for key in map(text_key, corpus.texts) if key in known}
        missing = [text for text in corpus.texts if text_key(text) not in vectors]
        progress("embed", 0, len(missing))
        for start in range(0, len(missing), self._batch_size):
            batch = missing[start : start + self._batch_size]
            made = await self._embed(batch)
            if len(made) != len(batch):
                raise FatalError(f"the embedding model gave {len(made)} vectors for {len(batch)} texts: check it")
            vectors |= {text_key(text): vector for text, vector in zip(batch, made, strict=True)}
            progress("embed", start + len(batch), len(missing))
        return vectors, len(missing)


def _report(corpus: Corpus, changes: Changes, outcome: str) -> SyncReport:
    return SyncReport(
        version=corpus.version,
        catalogue_version=corpus.catalogue_version,
        outcome=outcome,
        changes=changes,
        passages=len(corpus.chunks),
        examples=len(corpus.examples),
    )
