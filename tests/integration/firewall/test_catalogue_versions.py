"""A version that is published to S3 reaches the running firewall, a broken one does not, and going back does."""

from __future__ import annotations

import json
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from confluent_kafka import Consumer
from floodgate.catalogue.cli import app
from floodgate.events import AuditEntry
from floodgate_local.state import repository_root
from support.processes import DEADLINE_SECONDS, ends_of
from typer.testing import CliRunner

from tests.integration.firewall.conftest import Desk, running_firewall

pytestmark = pytest.mark.integration


class Editor:
    """Somebody who edits a working folder and publishes it."""

    def __init__(self, folder: Path, store: str) -> None:
        self.folder = folder
        self.store = store
        shutil.copytree(repository_root() / "catalogue", folder)

    def do(self, *arguments: str) -> Any:
        result = CliRunner().invoke(app, [*arguments, "--store", self.store, "--json"])
        assert result.exit_code == 0, result.output or result.exception
        return json.loads(result.stdout)

    def publish(self, reason: str) -> str:
        released = self.do("publish", "--dir", str(self.folder), "--reason", reason)
        assert released["audited"]
        return str(released["version"])

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.folder / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.fixture
def editor(stack_env: dict[str, str], tmp_path: Path) -> Iterator[Editor]:
    bucket, prefix = stack_env["FLOODGATE_S3_BUCKET"], f"test-{uuid.uuid4().hex[:8]}"
    yield Editor(tmp_path / "catalogue", f"s3://{bucket}/{prefix}")
    objects = boto3.resource("s3").Bucket(bucket).objects.filter(Prefix=f"{prefix}/")
    objects.delete()


@pytest.fixture
def audit(stack_env: dict[str, str]) -> Iterator[Consumer]:
    consumer = Consumer(
        {"bootstrap.servers": stack_env["FLOODGATE_KAFKA_BOOTSTRAP_SERVERS"], "group.id": uuid.uuid4().hex}
    )
    consumer.assign(ends_of(consumer, ("support.audit",)))
    yield consumer
    consumer.close()


def runs_by(desk: Desk, version: str) -> None:
    """Waits until verdicts name a version."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    found = ""
    while found != version:
        assert time.monotonic() < deadline, f"verdicts still name {found}, not {version}"
        message = desk.message("I want to talk to a person", conversation=f"rest:{uuid.uuid4().hex}")
        desk.say(message)
        found = desk.verdict_on(message).versions.catalogue


def test_a_running_firewall_takes_over_what_is_published_and_keeps_the_last_good_version(
    desk: Desk, editor: Editor, audit: Consumer, tmp_path: Path
) -> None:
    first = editor.publish("to begin with")
    with running_firewall(
        tmp_path / "log", FLOODGATE_CATALOGUE_STORE=editor.store, FLOODGATE_CATALOGUE_POLL_SECONDS="0.5"
    ):
        runs_by(desk, first)

        editor.edit("catalogue.yaml", "min_confidence: 0.45", "min_confidence: 0.46")
        second = editor.publish("a little stricter")
        assert second != first
        runs_by(desk, second)

        bucket, prefix = editor.store.removeprefix("s3://").split("/")
        s3 = boto3.client("s3")
        s3.delete_object(Bucket=bucket, Key=f"{prefix}/versions/{first}/teams.yaml")
        pointer = json.loads(s3.get_object(Bucket=bucket, Key=f"{prefix}/current.json")["Body"].read())
        pointer["version"] = first
        s3.put_object(Bucket=bucket, Key=f"{prefix}/current.json", Body=json.dumps(pointer).encode())
        deadline = time.monotonic() + DEADLINE_SECONDS
        while "catalogue.rejected" not in (tmp_path / "log").read_text(encoding="utf-8"):
            assert time.monotonic() < deadline, "nothing was rejected"
            time.sleep(0.1)
        runs_by(desk, second)

        pointer["version"] = second
        s3.put_object(Bucket=bucket, Key=f"{prefix}/current.json", Body=json.dumps(pointer).encode())
        shutil.rmtree(editor.folder)
        shutil.copytree(repository_root() / "catalogue", editor.folder)
        assert editor.do("publish", "--dir", str(editor.folder), "--reason", "mended")["version"] == first
        runs_by(desk, first)

        back = editor.do("rollback", "--reason", "was better before")
        assert (back["version"], back["action"]) == (second, "rollback")
        runs_by(desk, second)
    assert [(entry.action, entry.details["version"], entry.reason) for entry in audited(audit, desk, 4)] == [
        ("publish", first, "to begin with"),
        ("publish", second, "a little stricter"),
        ("publish", first, "mended"),
        ("rollback", second, "was better before"),
    ]
    listed = editor.do("versions")
    assert listed["active"] == second
    assert {entry["version"]: entry["active"] for entry in listed["versions"]} == {first: False, second: True}


def audited(consumer: Consumer, desk: Desk, count: int) -> list[AuditEntry]:
    found: list[AuditEntry] = []
    deadline = time.monotonic() + DEADLINE_SECONDS
    while len(found) < count:
        assert time.monotonic() < deadline, f"{len(found)} of {count} audit records"
        for record in consumer.consume(100, timeout=0.5):
            if record.error() is None and record.key() == b"catalogue":
                found.append(desk.serde.decode("support.audit", record.value()))
    return found
