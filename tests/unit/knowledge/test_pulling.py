"""Declared sources: what is kept, what happens when one fails, and what vanishes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from floodgate.catalogue import KnowledgeSource, SourceKind
from keyflow.errors import FatalError, OutageError
from knowledge.domain.documents import Document, Pulled, Refused, allowed
from knowledge.ports_sources import SourceError
from knowledge.pulling import Puller
from knowledge.schedule import parse_interval, repeat
from knowledge.sync import KnowledgeSync

from tests.unit.knowledge.conftest import FakeIndex, FakeModel, FakeStore, make_catalogue

NOW = datetime(2026, 11, 22, tzinfo=UTC)
TEXT = "Tickets are sent by e-mail as soon as the order is confirmed."


class FakeReader:
    def __init__(self, *items: Document | Refused) -> None:
        self.items = list(items)
        self.error = ""

    def read(self, source: KnowledgeSource) -> Iterator[Document | Refused]:
        yield from self.items
        if self.error:
            raise SourceError(self.error)


class FakePulledStore:
    def __init__(self) -> None:
        self.kept: dict[str, Pulled] = {}

    def load(self, source_id: str) -> Pulled | None:
        return self.kept.get(source_id)

    def save(self, pulled: Pulled) -> None:
        self.kept[pulled.source_id] = pulled


def document(key: str, text: str = TEXT, **more: Any) -> Document:
    return Document(key=key, title=key, text=text, **more)


def declared(**more: Any) -> KnowledgeSource:
    base = {"id": "wiki", "kind": SourceKind.DIRECTORY, "location": "x", "language": "en"}
    return KnowledgeSource(**{**base, "owner": "x", "review_by": date(2030, 1, 1), **more})


class Bench:
    def __init__(self, *items: Document | Refused) -> None:
        self.reader, self.store = FakeReader(*items), FakePulledStore()
        self.puller = Puller({SourceKind.DIRECTORY: self.reader}, self.store, lambda: NOW)

    def pull(self, source: KnowledgeSource | None = None, **how: bool) -> Any:
        pull = self.puller.pull([source or declared()], **how)
        return [article.title for article in pull.articles], pull.reports[0]


def test_documents_become_articles_and_refusals_are_counted() -> None:
    bench = Bench(document("a"), document("b", "too short"), Refused(key="c", reason="too large"))
    titles, report = bench.pull()
    assert (titles, report.outcome, report.documents) == (["a"], "pulled", 1)
    assert report.refused == {"it says next to nothing": 1, "too large": 1}


def test_a_source_that_fails_keeps_what_it_gave_last() -> None:
    bench = Bench(document("a"), document("b"))
    bench.pull()
    bench.reader.items, bench.reader.error = [document("a")], "does not answer"
    titles, report = bench.pull()
    assert (titles, report.outcome, report.error) == (["a", "b"], "kept", "does not answer")


def test_a_source_that_never_worked_says_so() -> None:
    bench = Bench()
    bench.reader.error = "does not answer"
    titles, report = bench.pull()
    assert (titles, report.outcome, report.error) == ([], "failed", "does not answer")


def test_what_vanished_is_gone() -> None:
    bench = Bench(document("a"), document("b"))
    bench.pull()
    bench.reader.items = [document("b")]
    assert bench.pull()[0] == ["b"]


def test_more_than_half_of_a_source_vanishes_only_when_somebody_says_so() -> None:
    bench = Bench(*(document(name) for name in "abcde"))
    bench.pull()
    bench.reader.items = [document("a"), document("b")]
    titles, report = bench.pull()
    assert (titles, report.outcome) == (list("abcde"), "kept")
    assert "only 2 of 5 documents are left" in report.error
    assert bench.pull(accept_removals=True)[0] == ["a", "b"]


def test_a_dry_run_keeps_nothing() -> None:
    bench = Bench(document("a"))
    assert bench.pull(dry_run=True)[0] == ["a"]
    assert not bench.store.kept


def test_no_more_documents_than_declared_are_kept() -> None:
    titles, report = Bench(*(document(name) for name in "abc")).pull(declared(max_documents=2))
    assert (titles, report.refused) == (["a", "b"], {"more than 2 documents": 1})


def test_old_documents_are_told() -> None:
    _, report = Bench(document("a", updated_at=datetime(2020, 1, 1, tzinfo=UTC))).pull()
    assert [item.article for item in report.stale] == ["a"]


async def test_a_sync_finds_articles_of_sources_and_removes_them_again() -> None:
    bench, store = Bench(document("a")), FakeStore()
    sync = KnowledgeSync(
        store, FakeIndex(), FakeModel().embed, embed_model_id="m", now=lambda: NOW, keep_versions=3, batch_size=8
    )
    catalogue = make_catalogue()
    first = await sync.run(bench.puller.pull([declared()]).into(catalogue), lambda *_: None)
    [name] = first.changes.articles_added
    assert name.startswith("en/wiki_a_")
    bench.reader.items = []
    second = await sync.run(bench.puller.pull([declared()]).into(catalogue), lambda *_: None)
    assert second.changes.articles_removed == (name,)


def test_paths_that_climb_are_never_allowed() -> None:
    source = declared(allow=("public/",))
    assert allowed(source, "public/a")
    assert not allowed(source, "public/../a")
    assert not allowed(source, "public/%2E%2e/a")


@pytest.mark.parametrize(("written", "seconds"), [("24h", 86_400), ("90m", 5_400), ("1d", 86_400)])
def test_intervals_are_read(written: str, seconds: float) -> None:
    assert parse_interval(written) == seconds


@pytest.mark.parametrize("written", ["", "24", "0h", "-1h", "h"])
def test_what_is_no_interval_is_refused(written: str) -> None:
    with pytest.raises(FatalError, match="is no interval"):
        parse_interval(written)


class Clock:
    """Time that passes only by waiting and by what a job takes."""

    def __init__(self, stop_after: float) -> None:
        self.now = 0.0
        self.stop_after = stop_after

    def wait(self, seconds: float) -> bool:
        self.now += seconds
        return self.now >= self.stop_after


def test_the_schedule_goes_on_after_failures_and_tries_sooner() -> None:
    clock = Clock(stop_after=5_000.0)
    runs: list[float] = []
    outcomes = iter([None, OutageError("down"), FatalError("no bucket"), None])

    def job() -> None:
        runs.append(clock.now)
        clock.now += 10.0
        if error := next(outcomes):
            raise error

    repeat(job, 3_600.0, look_seconds=30.0, wait=clock.wait, clock=lambda: clock.now)
    assert runs == [0.0, 3_600.0, 3_670.0, 3_800.0]


def test_the_schedule_runs_soon_after_another_version_is_published_and_not_for_a_store_that_fails() -> None:
    clock = Clock(stop_after=100.0)
    runs: list[float] = []

    def version() -> str | None:
        if 20.0 < clock.now < 40.0:
            raise OutageError("the store is down")
        return "b" if clock.now >= 50.0 else "a"

    repeat(
        lambda: runs.append(clock.now),
        3_600.0,
        version=version,
        look_seconds=3.0,
        wait=clock.wait,
        clock=lambda: clock.now,
    )
    assert runs == [0.0, 51.0]


def test_a_job_that_takes_longer_than_its_interval_still_notices_that_it_is_time_to_stop() -> None:
    clock = Clock(stop_after=200.0)
    runs: list[float] = []

    def job() -> None:
        runs.append(clock.now)
        clock.now += 90.0

    repeat(job, 60.0, wait=clock.wait, clock=lambda: clock.now)
    assert runs == [0.0, 90.0, 180.0]
