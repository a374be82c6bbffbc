"""Every service that reads the catalogue is wired to take over what is published, and refuses what it cannot run by."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from floodgate.catalogue import load_catalogue
from floodgate.catalogue.blobs import DirectoryBlobs
from floodgate.catalogue.live import LiveHandler
from floodgate.catalogue.published import PublishedCatalogue
from floodgate.catalogue.source import read_files
from floodgate.catalogue.watch import CatalogueWatcher
from keyflow.errors import FatalError, KeyflowError

CATALOGUE = Path(__file__).parents[3] / "catalogue"
NOW = datetime(2026, 11, 22, tzinfo=UTC)
NOWHERE = "http://127.0.0.1:9"
ENVIRONMENT = {
    "AWS_REGION": "eu-west-1",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "FLOODGATE_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
    "FLOODGATE_SCHEMA_REGISTRY_URL": NOWHERE,
    "FLOODGATE_OPENSEARCH_URL": NOWHERE,
    "FLOODGATE_SHOP_BASE_URL": NOWHERE,
    "FLOODGATE_SHOP_TOKEN": "test",
    "FLOODGATE_PSEUDONYM_KEY": "k" * 64,
    "FLOODGATE_INGEST_API_KEY": "test-key-of-sixteen-characters",
    "FLOODGATE_S3_BUCKET": "bucket",
}


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PublishedCatalogue:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    for name in ("FLOODGATE_INTERCOM_TOKEN", "FLOODGATE_SQS_QUEUE_URL", "FLOODGATE_WEBHOOK_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FLOODGATE_CATALOGUE_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("FLOODGATE_CATALOGUE_DIR", str(tmp_path / "nothing"))
    return PublishedCatalogue(DirectoryBlobs(tmp_path / "store"))


@pytest.fixture
def publish(published: PublishedCatalogue) -> Callable[[dict[str, bytes]], str]:
    def publish(files: dict[str, bytes]) -> str:
        version = published.add(files, actor="ann", reason="", at=NOW).version
        published.activate(version, action="publish", actor="ann", reason="", at=NOW)
        return version

    return publish


def watcher_of(service: Any) -> CatalogueWatcher[Any]:
    [watcher] = [task for task in service.tasks if isinstance(task, CatalogueWatcher)]
    return watcher


@pytest.mark.parametrize("name", ["firewall", "agent", "summarizer", "delivery"])
async def test_a_service_takes_over_what_is_published_and_nothing_that_is_broken(
    name: str, published: PublishedCatalogue, publish: Callable[[dict[str, bytes]], str]
) -> None:
    files = read_files(CATALOGUE)
    first = publish(files)
    service = import_module(f"{name}.bootstrap").build()
    live = service.processors[0].handler
    assert isinstance(live, LiveHandler)
    assert live.version == first
    before = live.active

    second = publish({**files, "catalogue.yaml": files["catalogue.yaml"].replace(b"Marquee", b"Otherco")})
    await watcher_of(service).look(published)
    assert live.version == second
    assert live.active is not before
    assert service.processors[0].dead_letter._versions()["catalogue"] == second

    publish({**files, "teams.yaml": b"teams: []\n"})
    await watcher_of(service).look(published)
    assert live.version == second
    for hook in service.on_stop:
        await hook()


async def test_the_agent_keeps_its_version_when_a_workflow_is_broken(
    published: PublishedCatalogue, publish: Callable[[dict[str, bytes]], str]
) -> None:
    files = read_files(CATALOGUE)
    first = publish(files)
    service = import_module("agent.bootstrap").build()
    broken = {**files, "workflows/refund_order.yaml": b"id: refund_order\nversion: 3\n"}
    with pytest.raises(KeyflowError, match="refund_order"):
        import_module("agent.bootstrap").check_catalogue(published.load(publish(broken)))
    await watcher_of(service).look(published)
    assert service.processors[0].handler.version == first
    for hook in service.on_stop:
        await hook()


async def test_ingest_takes_over_the_words_of_its_notice(
    published: PublishedCatalogue, publish: Callable[[dict[str, bytes]], str]
) -> None:
    bootstrap = import_module("ingest.bootstrap")
    views = import_module("ingest.http.views")
    files = read_files(CATALOGUE)
    notice = views.LiveNotice(bootstrap.make_notice(load_catalogue(CATALOGUE)))
    watcher = CatalogueWatcher("ingest", "", published, build=bootstrap.make_notice, take=notice.exchange)
    name = "templates/general.yaml"
    publish({**files, name: files[name].replace(b"This is an automated reply from Marquee", b"A machine wrote this")})
    await watcher.look(published)
    assert notice("en").startswith("A machine wrote this")


@pytest.mark.parametrize("name", ["firewall", "agent", "summarizer", "ingest"])
def test_our_own_catalogue_is_refused_by_no_service(name: str) -> None:
    import_module(f"{name}.bootstrap").check_catalogue(load_catalogue(CATALOGUE))


def test_nothing_published_and_no_folder_stops_the_start(published: PublishedCatalogue) -> None:
    with pytest.raises(FatalError, match="there is no such directory"):
        import_module("firewall.bootstrap").build()
