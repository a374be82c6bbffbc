from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from floodgate.events import (
    Decision,
    Feedback,
    Interaction,
    Message,
    MessageKind,
    Misuse,
    OutboundReply,
    TurnRole,
    Verdict,
    derive_event_id,
    edge_event_id,
)
from ingest.domain.identity import interaction_id_of
from ingest.domain.intercom import map_envelope
from ingest.handlers import ClosedHandler, RawHandler, TimelineHandler
from ingest.inbound import decode_inbound
from ingest_fakes import NOW, FakeConversations, FakeTimeline
from ingest_samples import BOT_ADMIN, HUMAN_ADMIN, PSEUDONYMS, RULES, author, conversation, envelope, part
from keyflow.errors import OutageError, PoisonMessageError, RetryableError
from keyflow.types import Record, Tools

TOOLS = Tools(now_ms=lambda: int(NOW.timestamp() * 1000), remaining_seconds=lambda: None)


def record(value: Any, offset: int = 0, topic: str = "support.messages") -> Record:
    return Record(topic, 0, offset, "key", value)


def raw(document: Any, topic: str = "support.intercom.raw") -> Record:
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    return record(decode_inbound(topic, data), topic=topic)


RAW = RawHandler(RULES, PSEUDONYMS)


async def test_a_raw_envelope_becomes_the_event_that_its_webhook_is() -> None:
    document = envelope("conversation.user.replied", conversation(part("77")))
    outcome = await RAW.handle(raw(document), None, TOOLS)
    (emitted,) = outcome.events
    assert (emitted.topic, emitted.key) == ("support.messages", "intercom:503")
    assert emitted.value == map_envelope(document, RULES).events[0]
    assert dict(emitted.headers)["event-id"] == str(emitted.value.event_id).encode()


async def test_an_unknown_topic_in_the_raw_topic_leads_to_nothing() -> None:
    outcome = await RAW.handle(raw(envelope("company.created", {"id": "1"})), None, TOOLS)
    assert list(outcome.events) == []


async def test_a_broken_envelope_is_poison_that_names_the_member() -> None:
    with pytest.raises(PoisonMessageError, match=r"data\.item\.source"):
        await RAW.handle(raw(envelope("conversation.user.created", {"id": "1"})), None, TOOLS)


@pytest.mark.parametrize("topic", ["support.intercom.raw", "webhooks/intercom", "s3://b/k", "file:x", "sqs://q", "x"])
def test_bytes_that_cannot_be_read_are_poison_with_a_reason(topic: str) -> None:
    with pytest.raises(PoisonMessageError) as caught:
        decode_inbound(topic, b"{broken")
    assert caught.value.reason


async def test_a_corrected_line_comes_back_as_its_interaction() -> None:
    line = {"interaction_id": "3f0c9d3a-0f4e-4a69-9a53-0d2f0b3c4d5e", "turns": [{"role": "bot", "text": "Hi"}]}
    outcome = await RAW.handle(raw(line, "s3://drops/interactions/a.jsonl"), None, TOOLS)
    (emitted,) = outcome.events
    assert emitted.topic == "support.interactions"
    assert emitted.value.source == "s3"
    assert emitted.value.occurred_at == NOW


async def test_a_corrected_conversation_of_a_file_comes_back_as_its_messages() -> None:
    line = {"conversation_id": "c", "contact": {"id": "u"}, "messages": [{"text": "a"}, {"text": "b"}]}
    outcome = await RAW.handle(raw(line, "file:conversations.jsonl"), None, TOOLS)
    assert [emitted.key for emitted in outcome.events] == ["file:c", "file:c"]


async def test_a_conversation_of_the_reconciler_comes_back_whole() -> None:
    outcome = await RAW.handle(raw(conversation(part("1")), "intercom:reconciler:503"), None, TOOLS)
    assert len(outcome.events) == 2


# Closed conversations


def closed_of(document: dict[str, Any]) -> Message:
    (event,) = map_envelope(envelope("conversation.admin.closed", document), RULES).events
    assert isinstance(event, Message)
    return event


async def test_a_closed_intercom_conversation_becomes_an_interaction_with_roles_and_feedback() -> None:
    human = author("admin", HUMAN_ADMIN)
    closing = part("9", "close", by=human, body=None)
    document = conversation(
        part("1", by=author("admin", BOT_ADMIN), body="<p>This reply is automated.</p>"),
        part("2", "note", by=human, body="<p>internal</p>"),
        part("3", by=human, body="<p>I will look.</p>"),
        part("4", redacted=True),
        closing,
        custom_attributes={"floodgate_path": "tickets/resend", "language": "nl", "country": "NL"},
        tags={"tags": [{"id": "1", "name": "floodgate:ok"}]},
    )
    handler = ClosedHandler(FakeConversations({"503": document}), FakeTimeline(), RULES)
    closed = closed_of(conversation(closing))
    outcome = await handler.handle(record(closed), None, TOOLS)
    interaction, feedback = (emitted.value for emitted in outcome.events)
    assert isinstance(interaction, Interaction)
    assert isinstance(feedback, Feedback)
    assert outcome.events[0].key == str(interaction.interaction_id) == str(interaction_id_of("intercom:503"))
    assert [(turn.role, turn.text) for turn in interaction.turns] == [
        (TurnRole.CUSTOMER, "Where is my ticket?"),
        (TurnRole.BOT, "This reply is automated."),
        (TurnRole.AGENT, "I will look."),
    ]
    assert (interaction.chosen_path, interaction.language, interaction.country) == ("tickets/resend", "nl", "NL")
    assert interaction.causation_id == closed.event_id
    again = await handler.handle(record(closed), None, TOOLS)
    assert [e.value.event_id for e in again.events] == [e.value.event_id for e in outcome.events]


@pytest.mark.parametrize("kind", [MessageKind.USER_MESSAGE, MessageKind.HUMAN_JOINED, MessageKind.REOPENED])
async def test_other_kinds_are_passed_over(kind: MessageKind) -> None:
    closed = closed_of(conversation(part("9", "close", by=author("admin", HUMAN_ADMIN))))
    handler = ClosedHandler(FakeConversations(), FakeTimeline(), RULES)
    outcome = await handler.handle(record(closed.model_copy(update={"kind": kind})), None, TOOLS)
    assert list(outcome.events) == []


async def test_an_intercom_conversation_without_intercom_is_poison() -> None:
    closed = closed_of(conversation(part("9", "close", by=author("admin", HUMAN_ADMIN))))
    with pytest.raises(PoisonMessageError, match="FLOODGATE_INTERCOM_TOKEN"):
        await ClosedHandler(None, FakeTimeline(), RULES).handle(record(closed), None, TOOLS)


async def test_an_outage_of_intercom_is_passed_on() -> None:
    closed = closed_of(conversation(part("9", "close", by=author("admin", HUMAN_ADMIN))))
    handler = ClosedHandler(FakeConversations(failure=OutageError("down")), FakeTimeline(), RULES)
    with pytest.raises(OutageError):
        await handler.handle(record(closed), None, TOOLS)


def rest_message(kind: MessageKind, text: str = "", seconds: int = 0) -> Message:
    return Message(
        event_id=edge_event_id("rest", f"{kind}{text}"),
        occurred_at=NOW + timedelta(seconds=seconds),
        conversation_id="rest:c-1",
        kind=kind,
        channel="rest",
        contact_id="nobody" if kind is MessageKind.CLOSED else "pseudonym",
        text=text,
    )


def redirect_of(message: Message) -> Verdict:
    return Verdict(
        event_id=derive_event_id(message.event_id, "verdict"),
        occurred_at=message.occurred_at,
        causation_id=message.event_id,
        conversation_id="rest:c-1",
        decision=Decision.REDIRECT,
        message=message,
        misuse=Misuse.BYPASS,
        urgent=False,
        urgency=0.0,
        confidence=0.9,
        explanation="Belongs elsewhere.",
        language="nl",
        reply=OutboundReply(text="Kies een onderwerp."),
    )


async def test_a_closing_waits_for_the_timeline_and_is_then_assembled_from_it() -> None:
    timeline = FakeTimeline()
    handler = ClosedHandler(None, timeline, RULES)
    message = rest_message(MessageKind.USER_MESSAGE, "Waar is mijn ticket?")
    closed = rest_message(MessageKind.CLOSED, seconds=60)
    await timeline.write(message, 1)
    with pytest.raises(RetryableError):
        await handler.handle(record(closed), None, TOOLS)
    await timeline.write(redirect_of(message), 0)
    await timeline.write(closed, 2)
    (emitted,) = (await handler.handle(record(closed), None, TOOLS)).events
    interaction = emitted.value
    assert [(turn.role, turn.text) for turn in interaction.turns] == [
        (TurnRole.CUSTOMER, "Waar is mijn ticket?"),
        (TurnRole.BOT, "Kies een onderwerp."),
    ]
    assert (interaction.contact_id, interaction.language, interaction.source) == ("pseudonym", "nl", "rest")


async def test_a_closing_of_nothing_is_poison() -> None:
    timeline = FakeTimeline()
    closed = rest_message(MessageKind.CLOSED)
    await timeline.write(closed, 0)
    with pytest.raises(PoisonMessageError, match="no message of a user"):
        await ClosedHandler(None, timeline, RULES).handle(record(closed), None, TOOLS)


# The timeline


async def test_events_are_written_with_their_position_and_twice_is_once() -> None:
    timeline = FakeTimeline()
    handler = TimelineHandler(timeline)
    message = rest_message(MessageKind.USER_MESSAGE, "a")
    for _ in range(2):
        await handler.handle(record(message, offset=7), None, TOOLS)
    ((entry),) = await timeline.read("rest:c-1")
    assert (entry.event, entry.position) == (message, 7)


async def test_an_outage_of_the_timeline_is_passed_on() -> None:
    timeline = FakeTimeline(failure=OutageError("OpenSearch cannot be reached"))
    with pytest.raises(OutageError):
        await TimelineHandler(timeline).handle(record(rest_message(MessageKind.CLOSED)), None, TOOLS)


async def test_a_line_of_a_drop_is_a_finished_interaction_on_its_way_back_too() -> None:
    conversation_line = {"conversation_id": "c-1", "contact": {"id": "u"}, "messages": [{"text": "Hi"}]}
    assert len((await RAW.handle(raw(conversation_line, "file:a.jsonl:1"), None, TOOLS)).events) == 1
    with pytest.raises(PoisonMessageError, match="interaction_id"):
        await RAW.handle(raw(conversation_line, "s3://bucket/a.jsonl:1"), None, TOOLS)
