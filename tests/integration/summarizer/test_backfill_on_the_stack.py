"""`floodgate backfill` and the ledger's service as processes: what came in is found, and what never comes out too."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka import Consumer
from floodgate.events.serde import AvroSerde
from support.processes import (
    DEADLINE_SECONDS,
    ServiceProcess,
    begin_at_the_end,
    ends_of,
    eventually,
    free_port,
    running,
)

pytestmark = pytest.mark.integration

INTERACTIONS = "support.interactions"
COUNT = 120
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def alone(stack_env: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """The environment of a site whose summarizer has done everything so far, and does nothing more."""
    prefix = f"test-backfill-{uuid.uuid4().hex[:8]}."
    begin_at_the_end(stack_env["FLOODGATE_KAFKA_BOOTSTRAP_SERVERS"], f"{prefix}summarizer", [INTERACTIONS])
    return {**os.environ, "FLOODGATE_KAFKA_GROUP_PREFIX": prefix, "XDG_STATE_HOME": str(tmp_path / "state")}


@pytest.fixture
def come_in(stack_env: dict[str, str]) -> Iterator[Callable[[], list[Any]]]:
    """What was written to the topic since the test began."""
    serde = AvroSerde(stack_env["FLOODGATE_SCHEMA_REGISTRY_URL"])
    consumer = Consumer(
        {"bootstrap.servers": stack_env["FLOODGATE_KAFKA_BOOTSTRAP_SERVERS"], "group.id": uuid.uuid4().hex}
    )
    consumer.assign(ends_of(consumer, [INTERACTIONS]))
    seen: list[Any] = []

    def poll() -> list[Any]:
        values = [message.value() for message in consumer.consume(500, 0.2) if message.error() is None]
        seen.extend(serde.decode(INTERACTIONS, value) for value in values if value is not None)
        return seen

    yield poll
    consumer.close()


@pytest.fixture
def drops(tmp_path: Path) -> tuple[Path, set[str]]:
    """A folder of finished interactions, and their ids."""
    ids = [str(uuid.uuid4()) for _ in range(COUNT)]
    turns = [{"role": "customer", "text": "Where are my tickets?"}, {"role": "agent", "text": "I sent them again."}]
    folder = tmp_path / "drops"
    folder.mkdir()
    lines = [json.dumps({"interaction_id": one, "ended_at": "2025-06-01T10:00:00Z", "turns": turns}) for one in ids]
    (folder / "june.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder, set(ids)


@pytest.fixture
def floodgate(alone: dict[str, str]) -> Command:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "floodgate.cli.main", *arguments]
        return subprocess.run(
            command, env=alone, capture_output=True, text=True, timeout=3 * DEADLINE_SECONDS, check=False
        )

    return run


def test_a_folder_comes_in_once_in_as_many_runs_as_its_budget_makes(floodgate, drops, come_in) -> None:
    folder, ids = drops
    asked = floodgate("backfill", str(folder), "--json")
    assert asked.returncode == 1
    assert "--yes" in asked.stderr
    estimate = json.loads(asked.stdout)["estimate"]
    assert estimate["lines"] == pytest.approx(COUNT, abs=2)
    half = str(estimate["usd"] * 0.6)
    first = floodgate("backfill", str(folder), "--yes", "--json", "--budget", half)
    assert (first.returncode, json.loads(first.stdout)["end"]) == (3, "budget")
    second = floodgate("backfill", str(folder), "--yes", "--json")
    assert second.returncode == 0, second.stderr
    assert (json.loads(second.stdout)["end"], json.loads(second.stdout)["interactions"]) == ("done", COUNT)

    def found() -> list[str]:
        mine = [str(one.interaction_id) for one in come_in() if str(one.interaction_id) in ids]
        return mine if len(mine) >= COUNT else []

    assert sorted(eventually(found, "not everything came in")) == sorted(ids)


def test_the_ledger_s_service_raises_an_alert_for_what_nothing_came_of(alone, floodgate, drops, tmp_path) -> None:
    """No summarizer of this site runs; others on the same broker may make the records, so one is sent to nobody."""
    folder, _ = drops
    assert floodgate("backfill", str(folder), "--yes").returncode == 0
    port = free_port()
    env = {
        **alone,
        "FLOODGATE_METRICS_PORT": str(port),
        "FLOODGATE_LEDGER_GRACE_SECONDS": "0",
        "FLOODGATE_LEDGER_LOOK_SECONDS": "1",
        "FLOODGATE_LEDGER_HOURS": "1",
    }
    service = ServiceProcess("summarizer.ledger", env, tmp_path / "ledger.log")
    with running(service):

        def gap() -> float:
            try:
                text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=5).text
            except httpx.HTTPError:
                return 0.0
            found = [line for line in text.splitlines() if line.startswith('floodgate_ledger_gap{what="interactions"}')]
            return float(found[0].split()[-1]) if found else 0.0

        assert eventually(gap, service.tail) >= 1
    assert '"event": "ledger.gap"' in service.tail()
