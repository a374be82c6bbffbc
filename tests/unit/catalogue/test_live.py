"""New versions while a service runs: taken over whole, one per record, and the last good one kept."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog
from floodgate.catalogue import Catalogue
from floodgate.catalogue.live import MAX_PINNED, LiveHandler
from floodgate.catalogue.opening import last_good, open_catalogue
from floodgate.catalogue.published import PublishedCatalogue
from floodgate.catalogue.source import read_files
from floodgate.catalogue.watch import CatalogueWatcher
from floodgate.settings import CatalogueSettings
from keyflow import Effect, EffectResult, FailedRecord, Outcome, PoisonMessageError, Record, RetryableError, Tools
from keyflow.errors import FatalError, OutageError
from prometheus_client import REGISTRY
from support.memory_blobs import MemoryBlobs

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TOOLS = Tools(lambda: 0, lambda: None)


class Handler:
    """Says which version it is with; waits or fails when told to."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.error: Exception | None = None
        self.gate: asyncio.Event | None = None

    async def handle(self, record: Record, state: Any, tools: Tools) -> Outcome[Any]:
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        return Outcome(state=self.name)

    async def resume(self, result: EffectResult, key: str, state: Any, tools: Tools) -> Outcome[Any]:
        if self.error is not None:
            raise self.error
        return Outcome(state=self.name)

    def fallback(self, record: Record, state: Any, reason: str) -> Outcome[Any]:
        return Outcome(state=f"{self.name} without a model")

    def on_poison(self, failed: FailedRecord, record: Record | None, state: Any) -> Outcome[Any]:
        return Outcome(state=f"{self.name} after poison")


def record(offset: int = 0, attempt: int = 1) -> Record:
    return Record("topic", 0, offset, "key", None, attempt=attempt)


def failed(offset: int = 0) -> FailedRecord:
    return FailedRecord("topic", 0, offset, 0, b"key", b"", ())


@pytest.fixture
def old() -> Handler:
    return Handler("old")


@pytest.fixture
def live(old: Handler) -> LiveHandler[Any]:
    return LiveHandler("old", old)


class TestHandler:
    async def test_a_record_in_flight_ends_with_the_version_it_began_with(
        self, live: LiveHandler[Any], old: Handler
    ) -> None:
        old.gate = asyncio.Event()
        begun = asyncio.create_task(live.handle(record(1), None, TOOLS))
        await asyncio.sleep(0)
        live.exchange("new", Handler("new"))
        after = await live.handle(record(2), None, TOOLS)
        old.gate.set()
        assert ((await begun).state, after.state) == ("old", "new")
        assert live.versions(prompt="p@1") == {"catalogue": "new", "prompt": "p@1"}

    async def test_a_later_attempt_belongs_to_the_version_of_the_first(
        self, live: LiveHandler[Any], old: Handler
    ) -> None:
        old.error = RetryableError("busy")
        with pytest.raises(RetryableError):
            await live.handle(record(1), None, TOOLS)
        live.exchange("new", Handler("new"))
        old.error = None
        assert (await live.handle(record(1, attempt=2), None, TOOLS)).state == "old"
        assert (await live.handle(record(1), None, TOOLS)).state == "new"

    async def test_fallback_and_poison_belong_to_the_version_that_failed(
        self, live: LiveHandler[Any], old: Handler
    ) -> None:
        old.gate = asyncio.Event()
        late = asyncio.create_task(live.handle(record(1), None, TOOLS))
        await asyncio.sleep(0)
        late.cancel()
        with pytest.raises(asyncio.CancelledError):
            await late
        old.gate, old.error = None, PoisonMessageError("broken")
        with pytest.raises(PoisonMessageError):
            await live.handle(record(2), None, TOOLS)
        live.exchange("new", Handler("new"))
        assert live.fallback(record(1), None, "late").state == "old without a model"
        assert live.on_poison(failed(2), record(2), None).state == "old after poison"
        assert live.fallback(record(3), None, "late").state == "new without a model"
        assert live.on_poison(failed(4), None, None).state == "new after poison"

    async def test_what_follows_an_effect_is_tried_again_with_the_same_version(
        self, live: LiveHandler[Any], old: Handler
    ) -> None:
        result = EffectResult(Effect("shop", "id-1", {}), "done")
        old.error = OutageError("away")
        with pytest.raises(OutageError):
            await live.resume(result, "key", None, TOOLS)
        live.exchange("new", Handler("new"))
        old.error = None
        assert (await live.resume(result, "key", None, TOOLS)).state == "old"

    async def test_what_waits_is_bounded(self, live: LiveHandler[Any], old: Handler) -> None:
        old.error = RetryableError("busy")
        for offset in range(MAX_PINNED + 10):
            with pytest.raises(RetryableError):
                await live.handle(record(offset), None, TOOLS)
        live.exchange("new", Handler("new"))
        assert live.fallback(record(0), None, "late").state == "new without a model"
        assert live.fallback(record(MAX_PINNED), None, "late").state == "old without a model"


class Site:
    """A store, and a service that watches it."""

    def __init__(self, on_disk: Any) -> None:
        self.on_disk = on_disk
        self.blobs = MemoryBlobs()
        self.published = PublishedCatalogue(self.blobs)
        self.first = self.publish()
        self.taken: list[tuple[str, str]] = []
        self.refuse: set[str] = set()
        self.watcher = CatalogueWatcher(
            "test-service",
            self.first,
            self.published,
            build=self.build,
            take=lambda version, built: self.taken.append((version, built)),
        )

    def publish(self) -> str:
        version = self.published.add(read_files(self.on_disk.directory), actor="ann", reason="", at=NOW).version
        self.activate(version)
        return version

    def activate(self, version: str) -> None:
        self.published.activate(version, action="publish", actor="ann", reason="", at=NOW)

    def build(self, catalogue: Catalogue) -> str:
        if catalogue.company in self.refuse:
            raise ValueError("secret text of a customer")
        return catalogue.company

    def renamed(self, old: str, new: str) -> str:
        self.on_disk.edit("catalogue.yaml", f"company: {old}", f"company: {new}")
        return self.publish()

    async def look(self) -> None:
        await self.watcher.look(self.published)


@pytest.fixture
def site(on_disk: Any) -> Site:
    return Site(on_disk)


def active(version: str) -> float | None:
    return REGISTRY.get_sample_value("floodgate_catalogue_active", {"service": "test-service", "version": version})


class TestWatcher:
    async def test_a_new_version_is_taken_over_once(self, site: Site) -> None:
        await site.look()
        assert site.taken == []
        second = site.renamed("Anyco", "Otherco")
        await site.look()
        await site.look()
        assert site.taken == [(second, "Otherco")]
        assert (active(site.first), active(second)) == (None, 1)

    async def test_going_back_is_taken_over_too(self, site: Site) -> None:
        site.renamed("Anyco", "Otherco")
        await site.look()
        site.activate(site.first)
        await site.look()
        assert [built for _, built in site.taken] == ["Otherco", "Anyco"]
        assert active(site.first) == 1

    async def test_a_version_that_cannot_be_used_is_told_once_and_the_last_good_one_stays(self, site: Site) -> None:
        site.on_disk.edit("categories/refunds.yaml", "team: orders", "team: nobody")
        broken = site.publish()
        with structlog.testing.capture_logs() as logs:
            await site.look()
            await site.look()
        assert site.taken == []
        [line] = logs
        assert (line["event"], line["version"], line["kept"]) == ("catalogue.rejected", broken, site.first)
        assert "categories/refunds.yaml:4" in line["reason"]
        assert "\n" not in line["reason"]
        site.on_disk.edit("categories/refunds.yaml", "team: nobody", "team: orders")
        site.renamed("Anyco", "Otherco")
        await site.look()
        assert [built for _, built in site.taken] == ["Otherco"]

    async def test_what_building_says_of_texts_is_not_logged(self, site: Site) -> None:
        site.refuse.add("Otherco")
        site.renamed("Anyco", "Otherco")
        with structlog.testing.capture_logs() as logs:
            await site.look()
        assert [(line["event"], line["reason"]) for line in logs] == [("catalogue.rejected", "ValueError")]
        assert site.taken == []

    async def test_a_version_that_was_rejected_is_tried_again_now_and_then(self, site: Site) -> None:
        site.refuse.add("Otherco")
        second = site.renamed("Anyco", "Otherco")
        await site.look()
        site.refuse.clear()
        for _ in range(30):
            await site.look()
        assert site.taken == [(second, "Otherco")]

    async def test_a_half_written_version_is_never_seen(self, site: Site) -> None:
        site.on_disk.edit("catalogue.yaml", "Anyco", "Otherco")
        files = read_files(site.on_disk.directory)
        looks: list[str] = []
        one_at_a_time = threading.Lock()

        def look_between_writes(action: str, name: str) -> None:
            if action == "write":
                with one_at_a_time:
                    asyncio.run(site.look())
                    looks.append(name)

        site.blobs.before = look_between_writes
        await asyncio.to_thread(site.published.add, files, actor="ann", reason="", at=NOW)
        site.blobs.before = lambda _action, _name: None
        assert len(looks) == len(files) + 1
        assert site.taken == []

    async def test_a_store_that_cannot_be_asked_changes_nothing_and_is_told_once(self, site: Site) -> None:
        second = site.renamed("Anyco", "Otherco")

        def away(_action: str, _name: str) -> None:
            raise OutageError("the store is away")

        site.blobs.before = away
        with structlog.testing.capture_logs() as logs:
            await site.look()
            await site.look()
            site.blobs.before = lambda _action, _name: None
            await site.look()
        events = [line["event"] for line in logs]
        assert events == ["catalogue.store_unreachable", "catalogue.store_reachable", "catalogue.taken"]
        assert site.taken == [(second, "Otherco")]

    async def test_it_looks_every_few_seconds_until_the_service_stops(self, on_disk: Any) -> None:
        site = Site(on_disk)
        stop = asyncio.Event()
        waited: list[float] = []

        async def sleep(event: asyncio.Event, seconds: float) -> None:
            waited.append(seconds)
            if len(waited) == 2:
                site.renamed("Anyco", "Otherco")
            if len(waited) == 4:
                event.set()

        taken: list[str] = []
        watcher = CatalogueWatcher(
            "test-service",
            site.first,
            site.published,
            build=lambda catalogue: catalogue.company,
            take=lambda _, company: taken.append(company),
            poll_seconds=2.0,
            sleep=sleep,
        )
        await watcher.run(stop)
        assert (waited, taken) == ([2.0] * 4, ["Otherco"])

    async def test_a_store_that_hangs_does_not_hold_up_the_end(self, site: Site) -> None:
        asked, answered, stop = asyncio.Event(), threading.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()

        def hang(_action: str, _name: str) -> None:
            loop.call_soon_threadsafe(asked.set)
            answered.wait(60)

        site.blobs.before = hang
        running = asyncio.create_task(site.watcher.run(stop))
        await asked.wait()
        stop.set()
        await running
        assert not answered.is_set()
        answered.set()

    async def test_without_a_store_it_waits_for_the_end(self) -> None:
        stop = asyncio.Event()
        watcher: CatalogueWatcher[str] = CatalogueWatcher(
            "test-service", "abc", None, build=lambda catalogue: "", take=lambda _, __: None
        )
        running = asyncio.create_task(watcher.run(stop))
        await asyncio.sleep(0)
        assert not running.done()
        stop.set()
        await running


class TestOpening:
    def test_without_a_store_it_is_the_directory(self, on_disk: Any) -> None:
        opened = open_catalogue(CatalogueSettings(dir=on_disk.directory))
        assert (opened.catalogue.company, opened.published) == ("Anyco", None)

    def test_before_anything_is_published_it_is_the_directory_and_the_store_is_watched(
        self, on_disk: Any, tmp_path: Any
    ) -> None:
        opened = open_catalogue(CatalogueSettings(dir=on_disk.directory, store=str(tmp_path / "store")))
        assert opened.catalogue.company == "Anyco"
        assert opened.published is not None

    def test_what_is_published_wins_over_the_directory(self, on_disk: Any, tmp_path: Any) -> None:
        settings = CatalogueSettings(dir=on_disk.directory, store=str(tmp_path / "store"))
        published = open_catalogue(settings).published
        assert published is not None
        version = published.add(read_files(on_disk.directory), actor="ann", reason="", at=NOW).version
        published.activate(version, action="publish", actor="ann", reason="", at=NOW)
        on_disk.edit("catalogue.yaml", "Anyco", "Otherco")
        assert open_catalogue(settings).catalogue.company == "Anyco"

    def test_the_newest_that_can_be_used_takes_the_place_of_one_that_cannot(self, site: Site) -> None:
        site.on_disk.edit("categories/refunds.yaml", "team: orders", "team: nobody")
        site.publish()
        found = last_good(site.published)
        assert found is not None
        assert found.version == site.first

    def test_no_version_that_can_be_used_stops_the_start(self, site: Site) -> None:
        del site.blobs.kept[f"versions/{site.first}/manifest.json"]
        with pytest.raises(FatalError, match="no version in memory can be used"):
            last_good(site.published)

    def test_a_store_that_cannot_be_asked_stops_the_start(self, on_disk: Any, tmp_path: Any, monkeypatch: Any) -> None:
        def away(_self: Any) -> None:
            raise OutageError("reading the store: cannot be reached")

        monkeypatch.setattr(PublishedCatalogue, "pointer", away)
        with pytest.raises(FatalError, match="cannot be reached"):
            open_catalogue(CatalogueSettings(dir=on_disk.directory, store=str(tmp_path)))
