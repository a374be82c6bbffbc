"""Publishing and going back: refused with reasons, told to the audit, and shown on the command line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from floodgate.catalogue import Catalogue, CatalogueError, load_catalogue
from floodgate.catalogue.audit import audit_entry
from floodgate.catalogue.cli import app
from floodgate.catalogue.published import Activation, NoSuchVersionError, PublishedCatalogue
from floodgate.catalogue.publishing import NeedsReasonError, Publisher, service_refusals
from floodgate.catalogue.source import read_files
from keyflow.errors import FatalError, OutageError
from support.memory_blobs import MemoryBlobs
from typer.testing import CliRunner

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class Desk:
    """Somebody who publishes, and what the audit heard."""

    def __init__(self, on_disk: Any) -> None:
        self.on_disk = on_disk
        self.published = PublishedCatalogue(MemoryBlobs())
        self.audited: list[tuple[Activation, Mapping[str, str]]] = []
        self.audit_is_away = False
        self.refused: list[str] = []
        self.publisher = Publisher(
            self.published, actor="ann", now=lambda: NOW, refusals=self.refusals, audit=self.audit
        )

    def refusals(self, _: Catalogue) -> list[str]:
        return self.refused

    def audit(self, activation: Activation, details: Mapping[str, str]) -> None:
        if self.audit_is_away:
            raise OutageError("Kafka is away")
        self.audited.append((activation, details))

    def publish(self, reason: str = "") -> Any:
        return self.publisher.publish(read_files(self.on_disk.directory), reason=reason)

    @property
    def active(self) -> str | None:
        pointer = self.published.pointer()
        return pointer.version if pointer is not None else None


@pytest.fixture
def desk(on_disk: Any) -> Desk:
    return Desk(on_disk)


def test_what_is_published_is_told_with_its_changes_and_audited(desk: Desk) -> None:
    first = desk.publish("first")
    desk.on_disk.edit("catalogue.yaml", "Anyco", "Otherco")
    second = desk.publish("new name")
    assert (first.changes, [change.text for change in second.changes]) == (None, ["called Otherco, was Anyco"])
    assert desk.active == second.activation.version
    assert [(activation.version, details.get("changes")) for activation, details in desk.audited] == [
        (first.activation.version, None),
        (second.activation.version, "1"),
    ]


def test_a_catalogue_with_a_problem_is_not_published(desk: Desk) -> None:
    desk.on_disk.edit("categories/refunds.yaml", "team: orders", "team: nobody")
    with pytest.raises(CatalogueError, match="unknown team"):
        desk.publish("first")
    assert desk.active is None


def test_what_a_service_cannot_run_by_is_not_published(desk: Desk) -> None:
    desk.refused = ["  agent: workflows/refund.yaml: has no steps"]
    with pytest.raises(FatalError, match=r"agent: workflows/refund\.yaml"):
        desk.publish("first")
    assert (desk.active, desk.audited) == (None, [])


def test_every_installed_service_is_asked(on_disk: Any) -> None:
    refused = service_refusals(load_catalogue(on_disk.directory))
    assert any(line.startswith("  agent: ") and "refund" in line for line in refused)
    assert any(line.startswith("  ingest: ") and "automated_notice" in line for line in refused)


def test_a_change_that_needs_care_needs_a_reason(desk: Desk) -> None:
    desk.publish()
    desk.on_disk.edit("catalogue.yaml", "refunds: {automate_confidence: 0.8}", "refunds: {automate_confidence: 0.5}")
    with pytest.raises(NeedsReasonError, match=r"automate_confidence 0\.8 → 0\.5.*--reason"):
        desk.publish()
    assert desk.publish("measured on last month").new


def test_publishing_the_same_again_changes_nothing_and_repeats_the_audit(desk: Desk) -> None:
    desk.audit_is_away = True
    with pytest.raises(FatalError, match="is active now, but the audit has no record of it"):
        desk.publish("first")
    desk.audit_is_away = False
    again = desk.publish("another reason")
    assert not again.new
    pointer = desk.published.pointer()
    assert pointer is not None
    assert [entry.reason for entry in pointer.history] == ["first"]
    assert [activation for activation, _ in desk.audited] == [pointer.latest]


def test_going_back_needs_no_name_and_no_reason(desk: Desk) -> None:
    first = desk.publish("first").activation.version
    desk.on_disk.edit("categories/refunds.yaml", "automation: on", "automation: shadow")
    desk.publish("second")
    released = desk.publisher.roll_back(None, reason="")
    assert (desk.active, released.activation.action) == (first, "rollback")
    assert [change.care for change in released.changes or ()] == ["automation raised"]
    with pytest.raises(NoSuchVersionError, match="nothing was active before"):
        desk.publisher.roll_back(None, reason="")
    assert not desk.publisher.roll_back(first[:5], reason="").new


def test_before_anything_is_published_there_is_nothing_to_go_back_to(desk: Desk) -> None:
    with pytest.raises(NoSuchVersionError, match="nothing is published"):
        desk.publisher.roll_back(None, reason="")


def test_a_broken_active_version_does_not_keep_a_good_one_from_replacing_it(desk: Desk) -> None:
    desk.publish("first")
    blobs: Any = desk.published._blobs
    for name in list(blobs.kept):
        if name.endswith("manifest.json"):
            del blobs.kept[name]
    desk.on_disk.edit("catalogue.yaml", "Anyco", "Otherco")
    assert desk.publish().changes is None


def test_the_audit_names_who_what_and_why_and_has_one_id_for_one_activation() -> None:
    activation = Activation(version="741f2fe9b0c0", action="rollback", at=NOW, actor="ann", reason="worse")
    entry = audit_entry(activation, {"version": "741f2fe9b0c0"})
    assert (entry.actor, entry.action, entry.target, entry.reason) == ("ann", "rollback", "catalogue", "worse")
    assert entry.event_id == audit_entry(activation, {}).event_id
    later = activation.model_copy(update={"at": NOW.replace(hour=13)})
    assert entry.event_id != audit_entry(later, {}).event_id


class TestCommands:
    @pytest.fixture
    def run(self, on_disk: Any, tmp_path_factory: Any, monkeypatch: Any) -> Any:
        monkeypatch.delenv("FLOODGATE_KAFKA_BOOTSTRAP_SERVERS", raising=False)
        monkeypatch.setenv("FLOODGATE_CATALOGUE_DIR", str(on_disk.directory))
        monkeypatch.setenv("FLOODGATE_CATALOGUE_STORE", str(tmp_path_factory.mktemp("store") / "catalogue"))
        monkeypatch.setattr("floodgate.catalogue.versions_cli.service_refusals", lambda _: [])

        def run(*arguments: str) -> str:
            result = CliRunner().invoke(app, list(arguments))
            if result.exception is not None and not isinstance(result.exception, SystemExit):
                raise result.exception
            assert result.exit_code == 0, result.output
            return result.stdout

        return run

    def test_the_whole_way_from_the_first_version_to_going_back(self, run: Any, on_disk: Any, tmp_path: Any) -> None:
        first = json.loads(run("publish", "--json"))
        assert (first["new"], first["changes"], first["audited"]) == (True, None, False)
        on_disk.edit("catalogue.yaml", "Anyco", "Otherco")
        [change] = json.loads(run("diff", "--json"))["changes"]
        assert change == {"area": "site", "subject": "company", "text": "called Otherco, was Anyco", "care": ""}
        assert "called Otherco" in run("publish", "--dry-run")
        assert json.loads(run("versions", "--json"))["active"] == first["version"]
        second = json.loads(run("publish", "--reason", "name", "--json"))
        assert second["previous"] == first["version"]
        assert "Nothing changes" in run("diff")
        assert "company" in run("diff", first["version"][:6], second["version"])
        listed = json.loads(run("versions", "--json"))
        assert [(entry["version"], entry["active"]) for entry in listed["versions"]] == [
            (second["version"], True),
            (first["version"], False),
        ]
        assert json.loads(run("rollback", "--json"))["version"] == first["version"]
        shown = json.loads(run("show", "--json"))
        assert (shown["version"], shown["active"], shown["content"]["company"]) == (first["version"], True, "Anyco")
        assert run("show", second["version"], "--file", "catalogue.yaml").startswith("company: Otherco")
        run("show", second["version"], "--export", str(tmp_path / "old"))
        assert read_files(tmp_path / "old") == read_files(on_disk.directory)
        for command in ("versions", "show"):
            assert first["version"] in run(command)
        assert "is the active version already" in run("rollback", first["version"])

    def test_without_a_store_it_says_what_to_set(self, run: Any, monkeypatch: Any) -> None:
        monkeypatch.delenv("FLOODGATE_CATALOGUE_STORE")
        with pytest.raises(FatalError, match="FLOODGATE_CATALOGUE_STORE"):
            run("versions")

    def test_a_folder_with_something_in_it_is_not_written_into(self, run: Any, on_disk: Any) -> None:
        run("publish")
        with pytest.raises(FatalError, match="is not empty"):
            run("show", "--export", str(on_disk.directory))
