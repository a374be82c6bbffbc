"""Services as processes on a broker that enforces the rules: with them they work, else they say what is missing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from floodgate.events import Verdict
from floodgate.events.serde import AvroSerde
from floodgate_local.state import repository_root
from keyflow.reading import committed_records
from support.processes import ServiceProcess, answers, eventually, free_port, running
from support.secured_site import Site

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600, func_only=True)]

REFUSED = "connector"
"""Somebody who signs in and may write raw envelopes, and nothing of what these processes need."""


def environment(site: Site, stack_env: dict[str, str], service: str, **more: str) -> dict[str, str]:
    """Of one process: everything but Kafka is the stack's."""
    return {
        **os.environ,
        **stack_env,
        **site.environment(service),
        "FLOODGATE_KAFKA_START_OVER": "1",
        "FLOODGATE_CATALOGUE_DIR": str(repository_root() / "catalogue"),
        "FLOODGATE_SQS_QUEUE_URL": "",
        "FLOODGATE_INGEST_RECONCILE_INTERVAL_SECONDS": "0",
        **more,
    }


@pytest.fixture(scope="module")
def edge(site: Site, stack_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Ingest and firewall, each with its own user."""
    folder, port = tmp_path_factory.mktemp("services"), free_port()
    with ExitStack() as stack:
        for name in ("ingest", "firewall"):
            env = environment(site, stack_env, name, FLOODGATE_INGEST_PORT=str(port))
            service = stack.enter_context(running(ServiceProcess(name, env, folder / f"{name}.log")))
            if name == "ingest":
                eventually(lambda: answers(f"http://127.0.0.1:{port}/healthz"), service.tail, 120.0)
        key = {"X-API-Key": stack_env["FLOODGATE_INGEST_API_KEY"]}
        yield stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=key, timeout=20.0))


def test_a_message_goes_from_the_edge_to_its_verdict_with_each_services_own_rules(
    site: Site, stack_env: dict[str, str], edge: httpx.Client
) -> None:
    name = uuid4().hex
    sent = {"conversation_id": name, "contact": {"id": "somebody"}, "text": "Where are my tickets?"}
    sent |= {"message_id": "1", "language": "en"}
    answer = edge.post("/v1/messages", json=sent)
    assert answer.status_code == 202, answer.text
    serde = AvroSerde(stack_env["FLOODGATE_SCHEMA_REGISTRY_URL"])

    def verdict() -> Verdict | None:
        for message in committed_records(site.settings("agent").reader("tail"), "support.verdicts"):
            found = serde.decode("support.verdicts", message.value() or b"")
            if isinstance(found, Verdict) and found.conversation_id.endswith(name):
                return found
        return None

    found = eventually(verdict, "no verdict", 120.0)
    assert found.message.text == sent["text"]


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("ingest", "the topic support."),
        ("firewall", "the topic support."),
        ("console", "the topic support."),
        ("summarizer.batcher", "support.summarizer.batch"),
        ("summarizer.ledger", "the topic support."),
    ],
)
def test_without_its_rules_a_process_ends_with_one_line_that_names_what_to_allow(
    site: Site, stack_env: dict[str, str], tmp_path: Path, module: str, names: str
) -> None:
    ports = {name: str(free_port()) for name in ("FLOODGATE_INGEST_PORT", "FLOODGATE_CONSOLE_PORT")}
    index = f"refused-{uuid4().hex[:8]}"
    env = environment(site, stack_env, REFUSED, FLOODGATE_CONSOLE_INDEX=index, **ports)
    service = ServiceProcess(module, env, tmp_path / "log")
    service.start()
    try:
        eventually(lambda: service.exit_code is not None, service.tail, 120.0)
    finally:
        if service.exit_code is None:
            service.kill()
    last = service.tail().strip().splitlines()[-1]
    assert service.exit_code == 1, service.tail()
    assert last.startswith("AccessDeniedError: "), service.tail()
    assert "add an ACL" in last or "floodgate acls" in last
    assert names in last
    assert "Traceback" not in service.tail()
