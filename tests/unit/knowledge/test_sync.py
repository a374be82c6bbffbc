"""The job: idempotent, frugal with embeddings, and all or nothing for readers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from floodgate.catalogue import Catalogue
from keyflow.errors import FatalError, OutageError
from knowledge.domain.corpus import make_corpus
from knowledge.domain.manifest import compare, make_manifest
from knowledge.sync import KnowledgeSync

from tests.unit.knowledge.conftest import FakeIndex, FakeModel, FakeStore, article, make_catalogue

NOW = datetime(2026, 11, 22, tzinfo=UTC)


class Job:
    """The job over fakes."""

    def __init__(self, *, model_id: str = "model") -> None:
        self.store, self.index, self.model = FakeStore(), FakeIndex(), FakeModel()
        self.steps: list[tuple[str, int, int]] = []
        self.use(model_id)

    def use(self, model_id: str) -> None:
        self.sync = KnowledgeSync(
            self.store,
            self.index,
            self.model.embed,
            embed_model_id=model_id,
            now=lambda: NOW,
            keep_versions=2,
            batch_size=2,
        )

    async def run(self, catalogue: Catalogue, **options: Any) -> Any:
        return await self.sync.run(catalogue, lambda *step: self.steps.append(step), **options)


async def test_the_first_run_embeds_publishes_and_indexes_everything(catalogue: Catalogue) -> None:
    job = Job()

    report = await job.run(catalogue)

    assert report.outcome == "synced"
    assert (report.passages, report.examples, report.embedded, report.reused) == (4, 5, 9, 0)
    assert report.changes.articles_added == ("en/dogs", "en/ideal", "en/refunds", "nl/refunds")
    assert job.index.served is not None
    assert job.store.newest is not None
    assert job.store.newest.version == report.version
    assert ("embed", 9, 9) in job.steps


async def test_the_same_content_again_does_nothing(catalogue: Catalogue) -> None:
    job = Job()
    first = await job.run(catalogue)
    job.model.asked.clear()
    job.steps.clear()

    second = await job.run(catalogue)

    assert (second.outcome, second.version) == ("unchanged", first.version)
    assert (job.model.asked, job.steps) == ([], [])


async def test_thresholds_and_replies_are_no_new_content(catalogue: Catalogue) -> None:
    job = Job()
    await job.run(catalogue)

    assert (await job.run(catalogue.model_copy(update={"version": "v2"}))).outcome == "unchanged"


async def test_only_what_changed_is_embedded_and_what_vanished_is_gone(catalogue: Catalogue) -> None:
    job = Job()
    first = await job.run(catalogue)
    job.model.asked.clear()
    changed = make_catalogue(
        article("refunds", "en", "Refunds", "Money comes back within ten days.", category="refunds"),
        *[found for found in catalogue.articles if found.id == "dogs"],
        refunds=("refund me", "money back please"),
    )

    report = await job.run(changed)

    assert job.model.asked == ["Refunds\nMoney comes back within ten days.", "money back please"]
    assert report.changes.articles_changed == ("en/refunds",)
    assert report.changes.articles_removed == ("en/ideal", "nl/refunds")
    assert (report.changes.examples_added, report.changes.examples_removed) == (1, 0)
    assert report.indices_removed == (first.version,)
    assert job.index.served is not None
    assert {chunk.article_id for chunk in job.index.served.chunks} == {"refunds", "dogs"}


async def test_another_embedding_model_makes_every_vector_anew(catalogue: Catalogue) -> None:
    job = Job()
    await job.run(catalogue)
    job.use("another")

    report = await job.run(catalogue)

    assert (report.outcome, report.embedded, report.reused) == ("synced", 9, 0)


async def test_a_run_that_breaks_leaves_readers_alone_and_is_finished_by_the_next(catalogue: Catalogue) -> None:
    job = Job()
    await job.run(make_catalogue())
    before = job.index.served
    job.index.breaks_with = OutageError("gone")

    with pytest.raises(OutageError):
        await job.run(catalogue)
    assert job.index.served is before

    job.index.breaks_with = None
    report = await job.run(catalogue)

    assert (report.outcome, report.embedded) == ("synced", 0)
    assert job.index.served is not before


async def test_an_index_that_was_lost_is_built_again_without_new_embeddings(catalogue: Catalogue) -> None:
    job = Job()
    await job.run(catalogue)
    job.index.served = None

    report = await job.run(catalogue)

    assert (report.outcome, report.embedded, report.reused) == ("synced", 0, 9)


async def test_a_dry_run_changes_nothing(catalogue: Catalogue) -> None:
    job = Job()

    report = await job.run(catalogue, dry_run=True)

    assert report.outcome == "planned"
    assert (job.store.newest, job.index.served, job.model.asked) == (None, None, [])


async def test_forcing_builds_again_what_is_there(catalogue: Catalogue) -> None:
    job = Job()
    await job.run(catalogue)

    assert (await job.run(catalogue, force=True)).outcome == "synced"


async def test_old_versions_are_pruned(catalogue: Catalogue) -> None:
    job = Job()
    reports = [await job.run(make_catalogue(refunds=(f"refund {number}",))) for number in range(3)]

    assert reports[2].versions_pruned == (reports[0].version,)
    assert set(job.store.manifests) == {reports[1].version, reports[2].version}


async def test_a_model_that_answers_too_few_vectors_stops_the_run(catalogue: Catalogue) -> None:
    async def embed(texts: Any) -> list[list[float]]:
        return []

    store, index = FakeStore(), FakeIndex()
    sync = KnowledgeSync(store, index, embed, embed_model_id="m", now=lambda: NOW)

    with pytest.raises(FatalError, match="0 vectors for 9 texts"):
        await sync.run(catalogue, lambda *_: None)
    assert store.newest is None


def test_nothing_changed_between_the_same_content(catalogue: Catalogue) -> None:
    corpus = make_corpus(catalogue, "m")
    manifest = make_manifest(corpus, NOW)

    changes = compare(manifest, manifest)

    assert changes.model_dump(exclude_defaults=True) == {}
    assert make_corpus(catalogue, "m").version == corpus.version
    assert make_corpus(catalogue, "other").version != corpus.version
