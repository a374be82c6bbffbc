"""Requests made from the console's own OpenAPI description: none breaks it, no answer carries markup of the asker."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
import requests
from confluent_kafka import Producer
from floodgate.events import DeadLetter
from floodgate.events.serde import AvroSerde
from schemathesis import Case
from support.console_client import Console, csrf, until
from support.markup import UNSEEN, Outline
from support.openapi_fuzzing import fuzz, operations

pytestmark = pytest.mark.integration
ENDLESS = "/events"
SLOW = "/dead-letter/rehearse"
"""Starts a process for a letter that is there."""


@pytest.fixture(scope="module")
def session(console: Console) -> requests.Session:
    found = requests.Session()
    found.headers.update(console.headers())
    return found


@pytest.fixture
def letter(stack_env: dict[str, str], console: Console) -> DeadLetter:
    """A letter that says something hostile wherever it can, as soon as the console knows it."""
    said = '"><script>alert(1)</script>\u202e\x00'
    found = DeadLetter(
        event_id=uuid4(),
        occurred_at=datetime.now(UTC),
        service="ingest",
        origin_topic="support.intercom.raw",
        origin_partition=0,
        origin_offset=1,
        key=f"intercom:{uuid4().hex[:8]}{said}".encode(),
        value=b'{"text": "half of a pair \\ud83d, <b>\\u202e"',
        error_class="poison",
        reason=f"{said} {uuid4().hex}",
        raw_output=said,
        attempts=1,
    )
    serde = AvroSerde(stack_env["FLOODGATE_SCHEMA_REGISTRY_URL"])
    producer = Producer({"bootstrap.servers": stack_env["FLOODGATE_KAFKA_BOOTSTRAP_SERVERS"]})
    producer.produce("support.dead-letters", key=found.key, value=serde.encode("support.dead-letters", found))
    assert producer.flush(10) == 0
    with console.client() as client:
        until(lambda: client.get(f"/dead-letter?id={found.event_id}").status_code == 200)
    return found


def test_nothing_made_from_the_description_breaks_the_console(
    console: Console, session: requests.Session, letter: DeadLetter
) -> None:
    token = csrf(session.get(f"{console.url}/").text)
    description = session.get(f"{console.url}/openapi.json").json()
    asked = set()
    for operation in operations(description):
        if operation.path == ENDLESS:
            continue
        asked.add(operation.path)

        def check(case: Case) -> None:
            answer = sent(console, session, case, {"csrf": token})
            assert_harmless(answer, case)
            if case.path != SLOW:
                assert_harmless(sent(console, session, case, {"csrf": token, "id": str(letter.event_id)}), case)

        fuzz(operation, check, examples=4)
    assert asked >= {"/", "/conversations", "/topics", "/dead-letter/check", "/dead-letters/redrive", "/mode"}


def test_the_description_is_for_those_who_may_look(console: Console) -> None:
    assert requests.get(f"{console.url}/openapi.json", timeout=10).status_code == 403


def sent(console: Console, session: requests.Session, case: Case, known: Mapping[str, str]) -> requests.Response:
    """The answer to a case, with what a page would know filled in."""
    asked: dict[str, Any] = case.as_transport_kwargs(base_url=console.url)
    for place in ("params", "data"):
        if isinstance(asked.get(place), dict):
            asked[place] |= {name: value for name, value in known.items() if name in asked[place]}
    if case.method == "POST" and isinstance(asked.get("data"), dict):
        asked["data"].setdefault("csrf", known["csrf"])
    asked.pop("headers")
    return session.request(**asked, timeout=60, allow_redirects=False)


def assert_harmless(answer: requests.Response, case: Case) -> None:
    assert answer.status_code < 500, (case.method, case.path, case.query, case.body, answer.text[-400:])
    if answer.headers.get("content-type", "").startswith("text/html"):
        assert Outline(answer.text).foreign == [], (case.method, case.path, case.query, case.body)
        assert UNSEEN.search(answer.text) is None, (case.method, case.path, case.query, case.body)
