"""Reads the declared sources; one that fails keeps what it gave last, so that nothing vanishes by an accident."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from floodgate.catalogue import Article, Catalogue, KnowledgeSource, SourceKind
from floodgate.telemetry import get_logger
from pydantic import BaseModel, ConfigDict

from knowledge.domain.documents import Document, Pulled, Refused, articles_of, refusal
from knowledge.domain.findings import Stale, stale_documents
from knowledge.ports_sources import PulledStore, Reader, SourceError

_log: Final = get_logger(__name__)
_FEWEST_TO_GUARD: Final = 4
_LEAST_SHARE_LEFT: Final = 0.5
_MAX_TOLD: Final = 20


class SourceReport(BaseModel):
    """What became of one source.

    Args:
        source_id: The source.
        outcome: "pulled", "kept" (not read; what it gave last is used) or "failed" (not read, and nothing to use).
        documents: Documents in use.
        refused: How many were refused, by reason.
        examples: The first refused ones.
        stale: Documents older than the source allows.
        error: Why it was not read, and what to do.
    """

    model_config = ConfigDict(frozen=True)

    source_id: str
    outcome: str
    documents: int
    refused: dict[str, int] = {}
    examples: tuple[Refused, ...] = ()
    stale: tuple[Stale, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True)
class Pull:
    """What all sources gave."""

    articles: tuple[Article, ...]
    reports: tuple[SourceReport, ...]

    def into(self, catalogue: Catalogue) -> Catalogue:
        """The catalogue with their articles beside its own."""
        return catalogue.model_copy(update={"articles": (*catalogue.articles, *self.articles)})


class Puller:
    """Reads every declared source.

    Args:
        readers: One per kind of source.
        kept: What each gave last.
        now: The clock, UTC.
    """

    def __init__(self, readers: Mapping[SourceKind, Reader], kept: PulledStore, now: Callable[[], datetime]) -> None:
        self._readers = readers
        self._kept = kept
        self._now = now

    def pull(self, sources: Sequence[KnowledgeSource], *, accept_removals: bool = False, dry_run: bool = False) -> Pull:
        """Read all sources.

        Args:
            sources: What is declared.
            accept_removals: Let more than half of a source's documents vanish at once.
            dry_run: Read and report, and keep nothing.
        """
        return self._all(sources, lambda source: self._one(source, accept_removals, dry_run))

    def last(self, sources: Sequence[KnowledgeSource]) -> Pull:
        """What the sources gave last, without reading them."""
        return self._all(sources, lambda source: (self._kept.load(source.id), "kept", ""))

    def _all(
        self,
        sources: Sequence[KnowledgeSource],
        get: Callable[[KnowledgeSource], tuple[Pulled | None, str, str]],
    ) -> Pull:
        articles: list[Article] = []
        reports: list[SourceReport] = []
        for source in sources:
            pulled, outcome, error = get(source)
            articles += articles_of(source, pulled.documents) if pulled else []
            report = self._report(source, pulled, outcome, error)
            reports.append(report)
            told = _log.warning if error else _log.info
            told("knowledge.source", **report.model_dump(exclude={"examples", "stale"}), stale=len(report.stale))
        return Pull(tuple(articles), tuple(reports))

    def _one(self, source: KnowledgeSource, accept_removals: bool, dry_run: bool) -> tuple[Pulled | None, str, str]:
        before = self._kept.load(source.id)
        try:
            pulled = self._read(source)
            if not accept_removals:
                _guard(before, pulled)
        except SourceError as error:
            return before, "kept" if before else "failed", str(error)
        if not dry_run:
            self._kept.save(pulled)
        return pulled, "pulled", ""

    def _read(self, source: KnowledgeSource) -> Pulled:
        documents: dict[str, Document] = {}
        refused: list[Refused] = []
        for item in self._readers[source.kind].read(source):
            reason = refusal(source, item) if isinstance(item, Document) else None
            if isinstance(item, Refused):
                refused.append(item)
            elif reason is not None:
                refused.append(Refused(key=item.key, reason=reason))
            elif len(documents) >= source.max_documents:
                refused.append(Refused(key=item.key, reason=f"more than {source.max_documents} documents"))
            else:
                documents[item.key] = item
        ordered = tuple(documents[key] for key in sorted(documents))
        return Pulled(source_id=source.id, pulled_at=self._now(), documents=ordered, refused=tuple(refused))

    def _report(self, source: KnowledgeSource, pulled: Pulled | None, outcome: str, error: str) -> SourceReport:
        if pulled is None:
            return SourceReport(source_id=source.id, outcome="failed", documents=0, error=error or "never read")
        return SourceReport(
            source_id=source.id,
            outcome=outcome,
            documents=len(pulled.documents),
            refused=dict(Counter(item.reason for item in pulled.refused)),
            examples=pulled.refused[:_MAX_TOLD],
            stale=tuple(stale_documents(source, pulled.documents, self._now())),
            error=error,
        )


def _guard(before: Pulled | None, after: Pulled) -> None:
    """A help centre that is half empty is more often broken than half deleted."""
    had = len(before.documents) if before else 0
    if had >= _FEWEST_TO_GUARD and len(after.documents) < had * _LEAST_SHARE_LEFT:
        raise SourceError(
            f"only {len(after.documents)} of {had} documents are left: look at the source, then run "
            "`floodgate knowledge sync --accept-removals` if that is right"
        )
