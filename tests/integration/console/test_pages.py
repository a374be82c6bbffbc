"""The console over HTTP on the real stack: what it shows, hides, refuses, writes and rebuilds."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest
from floodgate.committed import CommittedRecords
from floodgate.events import AvroModel, Decision, Message, MessageKind, Misuse, Verdict
from floodgate.events.serde import AvroSerde
from floodgate.service import EventProducer
from floodgate.settings import KafkaSettings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.console_client import Console, csrf, until

pytestmark = pytest.mark.integration
PAGES = (
    "/",
    "/conversations",
    "/firewall",
    "/agent",
    "/summaries",
    "/knowledge",
    "/dead-letters",
    "/topics",
    "/impact",
)
HOSTILE = '<script>alert("x")</script><img src=x onerror=alert(1)>{{ 7*7 }}'
Send = Callable[[str, str, AvroModel], Awaitable[None]]


@pytest.fixture
async def send(stack_env: dict[str, str]) -> AsyncIterator[Send]:
    producer = EventProducer(KafkaSettings(), AvroSerde(stack_env["FLOODGATE_SCHEMA_REGISTRY_URL"]))
    yield producer.send
    await producer.close()


def message(conversation_id: str, text: str) -> Message:
    return Message(
        event_id=uuid4(),
        occurred_at=datetime.now(UTC),
        conversation_id=conversation_id,
        kind=MessageKind.USER_MESSAGE,
        channel="rest",
        contact_id="test-contact",
        text=text,
        chosen_path="other",
    )


def verdict(said: Message) -> Verdict:
    return Verdict(
        event_id=uuid4(),
        occurred_at=datetime.now(UTC),
        causation_id=said.event_id,
        conversation_id=said.conversation_id,
        decision=Decision.REDIRECT,
        message=said,
        category="resend_tickets",
        misuse=Misuse.BYPASS,
        urgent=False,
        urgency=0.1,
        confidence=0.9,
        evidence=(said.text,),
        explanation="It belongs elsewhere.",
        language="en",
    )


@pytest.fixture
async def conversation(send: Send, console: Console) -> Verdict:
    """A conversation with a hostile text, as soon as the console shows it."""
    said = message(f"rest:{uuid4().hex}", HOSTILE)
    decided = verdict(said)
    await send("support.messages", said.conversation_id, said)
    await send("support.verdicts", said.conversation_id, decided)
    with console.client() as client:
        path = f"/conversation?id={said.conversation_id}"
        until(lambda: client.get(path).text.count('class="hop ') == 2)
    return decided


def audited(target: str) -> list[Any]:
    return [record for _, _, record in CommittedRecords("set up", "test").of("support.audit", keys={target})]


@pytest.mark.parametrize("path", PAGES)
def test_every_page_answers_with_safe_headers(console: Console, path: str) -> None:
    with console.client() as client:
        answer = client.get(path)
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "style=" not in answer.text
    cookie = answer.headers.get("set-cookie", "httponly; samesite=lax").lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie


def test_who_does_not_come_through_the_proxy_is_refused(console: Console) -> None:
    assert httpx.get(f"{console.url}/").status_code == 403
    assert httpx.get(f"{console.url}/", headers={"X-Forwarded-User": "mila"}).status_code == 403
    wrong = {**console.headers(), "X-Console-Proxy-Secret": "another"}
    assert httpx.get(f"{console.url}/", headers=wrong).status_code == 403


def test_another_host_name_is_refused(console: Console) -> None:
    assert httpx.get(f"{console.url}/", headers={**console.headers(), "Host": "rebound.example"}).status_code == 421


async def test_texts_are_hidden_until_a_reviewer_says_why(console: Console, conversation: Verdict) -> None:
    name = conversation.conversation_id
    with console.client("sam", "floodgate-reviewers") as client:
        page = client.get("/conversation", params={"id": name}).text
        assert "alert" not in page
        form = {"csrf": csrf(page), "id": name}
        assert client.post("/conversation/unmask", data={**form, "reason": " "}).status_code == 422
        assert audited(name) == []
        shown = client.post("/conversation/unmask", data={**form, "reason": "a complaint"}).text
    assert "&lt;script&gt;alert(" in shown
    assert "<script>alert" not in shown
    assert "<img src=x" not in shown
    assert "{{ 7*7 }}" in shown
    [entry] = audited(name)
    assert (entry.actor, entry.action, entry.reason) == ("sam", "unmask", "a complaint")


async def test_a_viewer_may_look_and_nothing_else(console: Console, conversation: Verdict) -> None:
    with console.client("guest", "") as client, console.client() as operator:
        token = csrf(operator.get("/").text)
        assert client.get("/conversation", params={"id": conversation.conversation_id}).status_code == 200
        for path in ("/conversation/unmask", "/conversation/feedback", "/mode", "/dead-letter/redrive", "/approval"):
            assert client.post(path, data={"csrf": token}).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}],
    ids=["another site", "a sibling site"],
)
def test_a_form_from_elsewhere_is_refused(console: Console, headers: dict[str, str]) -> None:
    with console.client() as client:
        token = csrf(client.get("/").text)
        form = {"csrf": token, "target": "*", "mode": "on", "reason": "x"}
        assert client.post("/mode", data=form, headers=headers).status_code == 403
        assert client.post("/mode", data={**form, "csrf": "guessed"}).status_code == 403
        assert client.post("/mode", data={**form, "csrf": ""}).status_code == 403


async def test_a_judgement_becomes_feedback(console: Console, conversation: Verdict) -> None:
    name = conversation.conversation_id
    with console.client("sam", "floodgate-reviewers") as client:
        token = csrf(client.get("/conversation", params={"id": name}).text)
        form = {"csrf": token, "id": name, "verdict": str(conversation.event_id), "label": "wrong_path"}
        assert client.post("/conversation/feedback", data={**form, "should_be": "nowhere"}).status_code == 422
        answer = client.post("/conversation/feedback", data={**form, "should_be": "tickets/refund"})
        assert answer.status_code == 303
        assert "Thank you" in client.get(answer.headers["location"]).text
    [(_, _, said)] = CommittedRecords("set up", "test").of("support.feedback", keys={name})
    assert (said.label.value, said.should_be, said.causation_id) == (
        "wrong_path",
        "tickets/refund",
        conversation.event_id,
    )
    assert said.reviewer != "sam"


async def test_a_limit_is_set_and_lifted(console: Console) -> None:
    with console.client() as client:
        form = {"csrf": csrf(client.get("/").text), "target": "sign_in", "reason": f"a test {uuid4().hex}"}
        assert client.post("/mode", data={**form, "mode": "propose"}).status_code == 303
        until(lambda: form["reason"] in client.get("/").text)
        assert client.post("/mode", data={**form, "mode": "on"}).status_code == 303
        until(lambda: form["reason"] not in client.get("/").text)
        assert client.post("/mode", data={**form, "mode": "full speed"}).status_code == 422
        assert client.post("/mode", data={**form, "target": "no_such", "mode": "off"}).status_code == 422


async def test_the_words_of_a_message_find_it_for_a_reviewer_alone(console: Console, send: Send) -> None:
    word = f"zeppelin{uuid4().hex[:10]}"
    said = message(f"rest:{uuid4().hex}", f"My {word} is late, write to mila.visser@example.org")
    await send("support.messages", said.conversation_id, said)
    with console.client("sam", "floodgate-reviewers") as reviewer, console.client("guest", "") as viewer:
        until(lambda: said.conversation_id in reviewer.get("/conversations", params={"q": word}).text)
        assert said.conversation_id not in viewer.get("/conversations", params={"q": word}).text
        assert said.conversation_id not in reviewer.get("/conversations", params={"q": "mila.visser"}).text


async def test_a_rebuild_shows_the_same_and_the_console_goes_on(console: Console, conversation: Verdict) -> None:
    env = {**os.environ, "FLOODGATE_CONSOLE_INDEX": console.index}
    command = [sys.executable, "-m", "floodgate.cli.main", "console", "rebuild", "--json"]
    before = _ids(console)
    done = await asyncio.to_thread(subprocess.run, command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["index"].endswith("-000002")
    assert before <= _ids(console)
    with console.client() as client:
        assert client.get("/conversation", params={"id": conversation.conversation_id}).text.count('class="hop ') == 2


def _ids(console: Console) -> set[str]:
    query = {"size": 10_000, "_source": False, "query": {"term": {"topic": "support.verdicts"}}}
    httpx.post(f"{console.opensearch}/{console.index}/_refresh", timeout=10.0)
    found = httpx.post(f"{console.opensearch}/{console.index}/_search", json=query, timeout=10.0).json()
    return {hit["_id"] for hit in found["hits"]["hits"]}


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from([*PAGES, "/conversation", "/dead-letter", "/impact.csv", "/nothing"]),
    query=st.dictionaries(
        st.sampled_from(
            ["id", "q", "span", "topic", "partition", "offset", "at", "key", "state", "service", "reason_line"]
        ),
        st.one_of(st.text(max_size=60), st.sampled_from(["support.verdicts", "-1", "99999999999999999999", HOSTILE])),
        max_size=4,
    ),
)
def test_nothing_that_is_asked_breaks_a_page(console: Console, path: str, query: dict[str, str]) -> None:
    with console.client() as client:
        answer = client.get(path, params=query)
    assert answer.status_code < 500, (path, query)
    assert HOSTILE not in answer.text


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from(
        ["/mode", "/approval", "/conversation/unmask", "/conversation/feedback"]
        + [f"/dead-letter/{name}" for name in ("unmask", "check", "redrive", "discard")]
        + [f"/dead-letters/{name}" for name in ("redrive", "confirm", "withdraw")]
    ),
    form=st.dictionaries(
        st.sampled_from(
            ["id", "reason", "label", "verdict", "proposal", "decision", "service", "corrected", "should_be"]
        ),
        st.text(max_size=60),
        max_size=6,
    ),
)
def test_nothing_that_is_sent_breaks_the_console(console: Console, path: str, form: dict[str, str]) -> None:
    with console.client() as client:
        token = csrf(client.get("/").text)
        answer = client.post(path, data={**form, "csrf": token})
    assert answer.status_code < 500, (path, form)


def test_bytes_that_are_no_form_are_refused(console: Console) -> None:
    with console.client() as client:
        client.get("/")
        for body in (b"\xff\xfe=%zz", b"", b"a" * 5_000_000, b"%00"):
            assert client.post("/mode", content=body).status_code in (400, 403, 413)
