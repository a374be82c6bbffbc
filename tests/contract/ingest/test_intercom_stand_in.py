"""What the stand-in sends is what ingest reads, by webhook and by REST alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from floodgate.events import Feedback, FeedbackLabel, MessageKind, TurnRole
from floodgate.intercom import QuickReplyOption
from ingest.domain.intercom import messages_of_conversation
from ingest.domain.intercom_interaction import interaction_of_conversation
from ingest.edge import EdgeWriter
from ingest.tasks.reconciler import Reconciler

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


async def whole_conversation(desk: Any) -> str:
    """A user writes, clicks, a human is assigned, answers, tags, closes; the bot answered in between."""
    begun = await desk.play(
        "", external_id="cust-0001", text="Waar is mijn ticket? 5 < 6 & <3", path="other", language="nl", country="NL"
    )
    conversation_id: str = begun["conversation_id"]
    await desk.documents.reply(conversation_id, "Dit is een automatisch antwoord.")
    await desk.documents.assign(conversation_id, "1001")
    await desk.play(f"/{conversation_id}/user-reply", text="Hallo?")
    await desk.play(f"/{conversation_id}/assign", to_admin_id="5002")
    await desk.play(f"/{conversation_id}/human-reply", text="intern", note=True)
    await desk.play(f"/{conversation_id}/human-reply", text="Ik kijk even.")
    await desk.play(f"/{conversation_id}/tag", tag="floodgate:wrong-path:other")
    await desk.play(f"/{conversation_id}/close")
    await desk.settled()
    return conversation_id


async def test_every_webhook_is_read_as_what_happened(desk: Any) -> None:
    conversation_id = await whole_conversation(desk)
    assert [message.kind for message in desk.messages] == [
        MessageKind.USER_MESSAGE,
        MessageKind.USER_MESSAGE,
        MessageKind.HUMAN_JOINED,
        MessageKind.HUMAN_JOINED,
        MessageKind.CLOSED,
    ]
    first = desk.messages[0]
    assert first.conversation_id == f"intercom:{conversation_id}"
    assert first.text == "Waar is mijn ticket? 5 < 6 & <3"
    assert (first.chosen_path, first.language, first.country) == ("other", "nl", "NL")
    assert first.contact_verified
    assert len({message.contact_id for message in desk.messages}) == 1
    feedback: list[Feedback] = desk.sink.on("support.feedback")
    assert {(found.label, found.should_be) for found in feedback} == {(FeedbackLabel.WRONG_PATH, "other")}
    assert desk.sink.dead_letters == []


async def test_a_lead_is_not_vouched_for(desk: Any) -> None:
    await desk.play("", email="someone@example.org", text="Hello")
    await desk.settled()
    (message,) = desk.messages
    assert not message.contact_verified
    assert message.chosen_path == "unknown"


async def test_a_clicked_button_comes_back_as_the_option(desk: Any) -> None:
    begun = await desk.play("", external_id="cust-0002", text="Hello")
    option = QuickReplyOption(text="Refund", uuid="5e0f0b6a-58d9-5f49-a5a5-0d2f0b3c4d5e")
    await desk.documents.send_quick_replies(begun["conversation_id"], [option], text="What is it about?")
    await desk.play(f"/{begun['conversation_id']}/user-reply", clicked_uuid=option.uuid)
    await desk.settled()
    assert desk.messages[-1].clicked_option == option.uuid
    assert len(desk.messages) == 2


async def test_rest_gives_the_same_events_as_the_webhooks_gave(desk: Any) -> None:
    conversation_id = await whole_conversation(desk)
    document = await desk.documents.conversation_document(conversation_id)
    by_rest = messages_of_conversation(document, desk.rules)
    assert [message.event_id for message in by_rest] == [message.event_id for message in desk.messages]
    assert [message.text for message in by_rest] == [message.text for message in desk.messages]
    assert [message.contact_id for message in by_rest] == [message.contact_id for message in desk.messages]


async def test_a_closed_conversation_is_read_as_an_interaction(desk: Any) -> None:
    conversation_id = await whole_conversation(desk)
    document = await desk.documents.conversation_document(conversation_id)
    interaction = interaction_of_conversation(document, desk.messages[-1], desk.rules)
    assert [(turn.role, turn.text) for turn in interaction.turns] == [
        (TurnRole.CUSTOMER, "Waar is mijn ticket? 5 < 6 & <3"),
        (TurnRole.BOT, "Dit is een automatisch antwoord."),
        (TurnRole.CUSTOMER, "Hallo?"),
        (TurnRole.AGENT, "Ik kijk even."),
    ]


async def test_what_webhooks_lost_is_found_by_the_reconciler(desk: Any) -> None:
    begun = await desk.play("", external_id="cust-0003", text="First")
    await desk.settled()
    await desk.http.put("/_local/webhook", json={"url": "http://ingest/webhooks/intercom", "lose_next": 1})
    await desk.play(f"/{begun['conversation_id']}/user-reply", text="Lost on the way")
    await desk.settled()
    for message in desk.messages:
        await desk.timeline.write(message, 0)
    reconciler = Reconciler(
        desk.documents,
        desk.timeline,
        EdgeWriter(desk.sink, "reconciler"),
        desk.rules,
        lambda: datetime.now(UTC) + timedelta(seconds=120),
        interval_seconds=300,
        lookback_seconds=7200,
        overlap_seconds=900,
        grace_seconds=60,
    )
    found = await reconciler.reconcile(LONG_AGO)
    assert (found.events, found.missed) == (2, 1)
    assert [message.text for message in desk.messages] == ["First", "Lost on the way"]
    assert found.failed == 0
