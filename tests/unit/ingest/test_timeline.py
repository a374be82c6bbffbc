from __future__ import annotations

from datetime import timedelta

import httpx
import pytest
from floodgate.events import (
    Escalation,
    EscalationSource,
    Message,
    MessageKind,
    OutboundReply,
    Priority,
    Reply,
    edge_event_id,
)
from floodgate.settings import OpenSearchSettings
from hypothesis import given
from hypothesis import strategies as st
from ingest.adapters.opensearch_timeline import INDEX, OpenSearchTimeline
from ingest.domain.timeline import (
    ConversationState,
    document_of,
    entry_from_document,
    entry_of,
    in_order,
    state_of,
)
from ingest_fakes import NOW
from keyflow.errors import FatalError, OutageError, PoisonMessageError, RetryableError


def message(number: int, kind: MessageKind = MessageKind.USER_MESSAGE, seconds: float = 0) -> Message:
    return Message(
        event_id=edge_event_id("test", str(number)),
        occurred_at=NOW + timedelta(seconds=seconds),
        conversation_id="rest:c",
        kind=kind,
        channel="rest",
        contact_id="p",
        text="hello",
    )


def reply(resolved: bool) -> Reply:
    return Reply(
        event_id=edge_event_id("test", "reply"),
        occurred_at=NOW,
        conversation_id="rest:c",
        channel="rest",
        contact_id="p",
        reply=OutboundReply(text="Done."),
        resolved=resolved,
    )


ESCALATION = Escalation(
    event_id=edge_event_id("test", "escalation"),
    occurred_at=NOW,
    conversation_id="rest:c",
    channel="rest",
    contact_id="p",
    source=EscalationSource.AGENT,
    reason_code="over_limit",
    priority=Priority.NORMAL,
)


@pytest.mark.parametrize("event", [message(1), reply(True), ESCALATION])
def test_an_event_comes_back_from_its_document(event: Message | Reply | Escalation) -> None:
    assert entry_from_document(document_of(event, 5)) == entry_of(event, 5)


@given(st.permutations(range(6)))
def test_what_happened_in_the_same_second_is_told_apart_by_position(order: list[int]) -> None:
    entries = [entry_of(message(number), number) for number in order]
    assert [entry.position for entry in in_order(entries)] == list(range(6))


def test_an_effect_is_shown_after_its_cause_even_when_clocks_disagree() -> None:
    cause = message(1, seconds=30)
    effect = reply(True).model_copy(update={"causation_id": cause.event_id})
    assert [entry.event for entry in in_order([entry_of(effect), entry_of(cause)])] == [cause, effect]


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ([message(1)], ConversationState.OPEN),
        ([message(1), reply(False)], ConversationState.OPEN),
        ([message(1), reply(True)], ConversationState.RESOLVED),
        ([message(1), reply(True), message(2)], ConversationState.OPEN),
        ([message(1), ESCALATION, message(2)], ConversationState.WITH_PERSON),
        ([message(1), message(2, MessageKind.HUMAN_JOINED)], ConversationState.WITH_PERSON),
        ([message(1), message(2, MessageKind.CLOSED)], ConversationState.CLOSED),
        ([message(2, MessageKind.CLOSED), message(3, MessageKind.REOPENED)], ConversationState.OPEN),
    ],
)
def test_where_a_conversation_stands(events: list[Message | Reply | Escalation], state: ConversationState) -> None:
    assert state_of([entry_of(event) for event in events]) is state


# The adapter, against a fake of OpenSearch's HTTP


class FakeOpenSearch:
    def __init__(self) -> None:
        self.requests: list[tuple[str, str]] = []
        self.answers: dict[tuple[str, str], httpx.Response] = {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        asked = (request.method, request.url.path)
        self.requests.append(asked)
        return self.answers.get(asked, httpx.Response(200, json={"acknowledged": True}))


def timeline_on(fake: FakeOpenSearch) -> OpenSearchTimeline:
    return OpenSearchTimeline(OpenSearchSettings(url="http://opensearch"), transport=httpx.MockTransport(fake))


async def test_the_index_is_made_with_its_mapping_before_the_first_event() -> None:
    fake = FakeOpenSearch()
    fake.answers[("HEAD", f"/{INDEX}")] = httpx.Response(404)
    timeline = timeline_on(fake)
    await timeline.write(message(1), 0)
    await timeline.write(message(1), 0)
    path = f"/{INDEX}/_doc/{message(1).event_id}"
    assert fake.requests == [("HEAD", f"/{INDEX}"), ("PUT", f"/{INDEX}"), ("PUT", path), ("PUT", path)]


async def test_an_index_that_another_instance_made_meanwhile_is_fine() -> None:
    fake = FakeOpenSearch()
    fake.answers[("HEAD", f"/{INDEX}")] = httpx.Response(404)
    error = {"error": {"type": "resource_already_exists_exception"}, "status": 400}
    fake.answers[("PUT", f"/{INDEX}")] = httpx.Response(400, json=error)
    await timeline_on(fake).create_index()
    assert fake.requests == [("HEAD", f"/{INDEX}"), ("PUT", f"/{INDEX}")]


async def test_without_an_index_nothing_is_known() -> None:
    fake = FakeOpenSearch()
    for path in ("_search", "_mget"):
        fake.answers[("POST", f"/{INDEX}/{path}")] = httpx.Response(404, json={"error": {"type": "index_not_found"}})
    timeline = timeline_on(fake)
    assert await timeline.read("rest:c") == []
    assert await timeline.known(["a"]) == set()
    assert await timeline.newest("intercom") is None


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(429, json={"error": {"type": "rejected"}}), RetryableError),
        (httpx.Response(503, text="no"), RetryableError),
        (httpx.Response(401, json={"error": "Unauthorized"}), FatalError),
        (httpx.Response(400, json={"error": {"type": "parsing", "reason": "customer words"}}), PoisonMessageError),
        (httpx.ConnectError("refused"), OutageError),
        (httpx.ReadTimeout("slow"), RetryableError),
    ],
)
async def test_failures_are_told_in_the_engines_words_without_the_document(
    answer: httpx.Response | httpx.HTTPError, error: type[Exception]
) -> None:
    def respond(_: httpx.Request) -> httpx.Response:
        if isinstance(answer, httpx.HTTPError):
            raise answer
        return answer

    timeline = OpenSearchTimeline(OpenSearchSettings(url="http://opensearch"), transport=httpx.MockTransport(respond))
    with pytest.raises(error) as caught:
        await timeline.read("rest:c")
    assert "customer words" not in str(caught.value)
    await timeline.aclose()
