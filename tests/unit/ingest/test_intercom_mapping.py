from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from floodgate.events import Approval, ApprovalDecision, Feedback, FeedbackLabel, Message, MessageKind
from hypothesis import given
from hypothesis import strategies as st
from ingest.domain.errors import DocumentError
from ingest.domain.intercom import map_envelope, messages_of_conversation
from ingest_samples import (
    BOT_ADMIN,
    BUTTON,
    CONTACT,
    CREATED_AT,
    HUMAN_ADMIN,
    PSEUDONYMS,
    RULES,
    author,
    conversation,
    envelope,
    part,
)

BOT = author("admin", BOT_ADMIN)
HUMAN = author("admin", HUMAN_ADMIN)
WORKFLOW = author("bot", "1")
TO_HUMAN = {"type": "admin", "id": HUMAN_ADMIN}
TO_BOT = {"type": "admin", "id": BOT_ADMIN}
TO_TEAM = {"type": "team", "id": "1001"}

KINDS: list[tuple[str, str, dict[str, Any], list[MessageKind]]] = [
    ("a user's reply", "conversation.user.replied", part("1"), [MessageKind.USER_MESSAGE]),
    (
        "a user who writes into a closed conversation",
        "conversation.user.replied",
        part("1", "open"),
        [MessageKind.USER_MESSAGE],
    ),
    (
        "a lead's click without text",
        "conversation.user.replied",
        part("1", by=author("lead"), body=None, metadata={"quick_reply_uuid": BUTTON}),
        [MessageKind.USER_MESSAGE],
    ),
    (
        "a picture without text",
        "conversation.user.replied",
        part("1", body=None, attachments=[{"type": "upload"}]),
        [MessageKind.USER_MESSAGE],
    ),
    (
        "a user's attribute update",
        "conversation.user.replied",
        part("1", "conversation_attribute_updated_by_user", body=None),
        [],
    ),
    ("a redacted reply", "conversation.user.replied", part("1", redacted=True), []),
    ("a human's reply", "conversation.admin.replied", part("1", by=HUMAN), [MessageKind.HUMAN_JOINED]),
    ("our own bot's reply", "conversation.admin.replied", part("1", by=BOT), []),
    ("Fin's reply", "conversation.admin.replied", part("1", by=author("bot", "2")), []),
    (
        "an answer of the AI agent in an admin's name",
        "conversation.admin.replied",
        part("1", by=author("admin", HUMAN_ADMIN, from_ai_agent=True)),
        [],
    ),
    ("a human's note", "conversation.admin.replied", part("1", "note", by=HUMAN), []),
    (
        "a human given the conversation by our bot",
        "conversation.admin.assigned",
        part("1", "assignment", by=BOT, body=None, assigned_to=TO_HUMAN),
        [MessageKind.HUMAN_JOINED],
    ),
    (
        "a human given the conversation by Intercom's workflow",
        "conversation.admin.assigned",
        part("1", "default_assignment", by=WORKFLOW, body=None, assigned_to=TO_HUMAN),
        [MessageKind.HUMAN_JOINED],
    ),
    (
        "a human who sorts it to a team by hand",
        "conversation.admin.assigned",
        part("1", "assignment", by=HUMAN, body=None, assigned_to=TO_TEAM),
        [MessageKind.HUMAN_JOINED],
    ),
    (
        "our bot assigning a team",
        "conversation.admin.assigned",
        part("1", "assignment", by=BOT, body=None, assigned_to=TO_TEAM),
        [],
    ),
    (
        "Intercom's timer releasing it to a team",
        "conversation.admin.assigned",
        part("1", "assignment", by=WORKFLOW, body=None, assigned_to=TO_TEAM),
        [],
    ),
    (
        "a human giving it back to our bot",
        "conversation.admin.assigned",
        part("1", "assignment", by=HUMAN, body=None, assigned_to=TO_BOT),
        [],
    ),
    (
        "a human closing it",
        "conversation.admin.closed",
        part("1", "close", by=HUMAN, body=None),
        [MessageKind.CLOSED],
    ),
    (
        "our bot closing it",
        "conversation.admin.closed",
        part("1", "close", by=BOT, body=None),
        [MessageKind.CLOSED],
    ),
    (
        "a human reopening it",
        "conversation.admin.opened",
        part("1", "open", by=HUMAN, body=None),
        [MessageKind.REOPENED],
    ),
    ("a note", "conversation.admin.noted", part("1", "note", by=HUMAN), []),
    ("snoozing", "conversation.admin.snoozed", part("1", "snoozed", by=HUMAN, body=None), []),
]


@pytest.mark.parametrize(("topic", "item_part", "kinds"), [row[1:] for row in KINDS], ids=[row[0] for row in KINDS])
def test_each_notification_means_what_happened(topic: str, item_part: dict[str, Any], kinds: list[MessageKind]) -> None:
    mapped = map_envelope(envelope(topic, conversation(item_part)), RULES)
    assert [event.kind for event in mapped.events if isinstance(event, Message)] == kinds
    assert mapped.topic == topic


def only_message(topic: str, item: dict[str, Any], **more: Any) -> Message:
    (event,) = map_envelope(envelope(topic, item, **more), RULES).events
    assert isinstance(event, Message)
    return event


def test_the_first_message_carries_text_path_language_country_and_a_vouched_contact() -> None:
    item = conversation(custom_attributes={"floodgate_path": "tickets/resend", "language": "nl-BE", "country": "be"})
    message = only_message("conversation.user.created", item)
    assert message.kind is MessageKind.USER_MESSAGE
    assert message.conversation_id == "intercom:503"
    assert message.channel == "intercom"
    assert message.channel_message_id == "source"
    assert message.text == "Where is my ticket?"
    assert message.chosen_path == "tickets/resend"
    assert (message.language, message.country) == ("nl", "BE")
    assert message.contact_verified
    assert PSEUDONYMS.reveal(message.contact_id) == ("customer", "cust-0007")
    assert message.occurred_at == datetime.fromtimestamp(CREATED_AT, UTC)


def test_without_attribute_or_button_the_path_is_unknown() -> None:
    message = only_message("conversation.user.replied", conversation(part("77")))
    assert message.chosen_path == "unknown"
    assert message.clicked_option is None


def test_a_fixed_buttons_path_wins_over_the_attribute() -> None:
    clicked = part("77", metadata={"quick_reply_uuid": BUTTON})
    item = conversation(clicked, custom_attributes={"floodgate_path": "other"})
    message = only_message("conversation.user.replied", item)
    assert message.clicked_option == BUTTON
    assert message.chosen_path == "tickets/refund"


def test_a_button_of_our_own_redirect_is_passed_on_as_the_clicked_option() -> None:
    ours = "5e0f0b6a-58d9-5f49-a5a5-0d2f0b3c4d5e"
    item = conversation(part("77", metadata={"quick_reply_uuid": ours}), custom_attributes={"floodgate_path": "other"})
    message = only_message("conversation.user.replied", item)
    assert (message.clicked_option, message.chosen_path) == (ours, "other")


@pytest.mark.parametrize(
    "item",
    [
        conversation(
            part("1", by=author("lead")),
            source={"type": "conversation", "author": author("lead"), "body": "x"},
        ),
        conversation(part("1", email_message_metadata={"subject": "Hello", "message_id": "<1@example.org>"})),
        conversation(part("1"), contacts={"contacts": [{"type": "contact", "id": CONTACT, "external_id": None}]}),
    ],
    ids=["a lead", "an e-mail", "no external id"],
)
def test_whom_intercom_does_not_vouch_for_stays_the_channels_contact(item: dict[str, Any]) -> None:
    message = only_message("conversation.user.replied", item)
    assert not message.contact_verified
    assert PSEUDONYMS.reveal(message.contact_id) == ("intercom", CONTACT)


def test_a_conversation_begun_by_e_mail_is_not_vouched_for() -> None:
    source = {"type": "email", "subject": "Refund", "body": "<p>Please.</p>", "author": author("user")}
    message = only_message("conversation.user.created", conversation(source=source))
    assert not message.contact_verified
    assert message.text == "Refund\n\nPlease."


def test_a_conversation_that_the_company_began_is_no_user_message() -> None:
    item = conversation(source={"type": "conversation", "author": HUMAN, "body": "<p>News!</p>"})
    assert map_envelope(envelope("conversation.user.created", item), RULES).events == ()


def test_tags_are_feedback_and_the_same_tag_twice_is_the_same_judgement() -> None:
    tags = {"tags": [{"id": "1", "name": "floodgate:ok"}, {"id": "2", "name": "floodgate:wrong-path:billing/payment"}]}
    tags["tags"].append({"id": "3", "name": "vip"})
    once = map_envelope(envelope("conversation_part.tag.created", conversation(tags_added=tags)), RULES).events
    again = map_envelope(envelope("conversation.admin.closed", conversation(part("9", "close"), tags=tags)), RULES)
    feedback = [event for event in again.events if isinstance(event, Feedback)]
    assert [(f.label, f.should_be) for f in feedback] == [
        (FeedbackLabel.OK, None),
        (FeedbackLabel.WRONG_PATH, "billing/payment"),
    ]
    assert [event.event_id for event in once] == [event.event_id for event in feedback]


def test_who_set_a_tag_is_known_by_a_pseudonym_only() -> None:
    tag = {"id": "1", "name": "floodgate:ok", "applied_by": {"type": "admin", "id": "5002"}}
    item = conversation(tags_added={"tags": [tag, {"id": "2", "name": "floodgate:wrong-path:billing/payment"}]})
    given = map_envelope(envelope("conversation_part.tag.created", item), RULES).events
    reviewers = [event.reviewer for event in given if isinstance(event, Feedback)]
    assert reviewers == [PSEUDONYMS.contact_id("reviewer", "intercom:5002"), ""]


PROPOSAL = "3f2a9c1b-0d4e-5f6a-8b7c-9d0e1f2a3b4c"


def noted(body: str, by: dict[str, Any] = HUMAN) -> tuple[Any, ...]:
    item = conversation(part("7", "note", by=by, body=body))
    return map_envelope(envelope("conversation.admin.noted", item), RULES).events


@pytest.mark.parametrize(
    ("body", "decision", "reason"),
    [
        (f"<p>approve {PROPOSAL}</p>", ApprovalDecision.APPROVE, ""),
        (f"Approve {PROPOSAL.upper()}.", ApprovalDecision.APPROVE, ""),
        (
            f"<p>reject {PROPOSAL}: the account is being looked at</p>",
            ApprovalDecision.REJECT,
            "the account is being looked at",
        ),
        (f"reject {PROPOSAL}", ApprovalDecision.REJECT, ""),
    ],
)
def test_a_teammates_note_is_their_word_on_a_proposal(body: str, decision: ApprovalDecision, reason: str) -> None:
    (word,) = noted(body)
    (again,) = noted(body)
    assert isinstance(word, Approval)
    assert (word.decision, word.reason, str(word.proposal_id)) == (decision, reason, PROPOSAL)
    assert word.actor == PSEUDONYMS.contact_id("reviewer", f"intercom:{HUMAN['id']}")
    assert word.conversation_id.startswith("intercom:")
    assert word.event_id == again.event_id


@pytest.mark.parametrize(
    ("body", "by"),
    [
        (f"Floodgate asks for your approval\napprove {PROPOSAL}", HUMAN),
        (f"approve {PROPOSAL} but only half of it", HUMAN),
        (f"I would not approve {PROPOSAL}", HUMAN),
        ("approve 3f2a9c1b", HUMAN),
        ("approve", HUMAN),
        (f"approve {PROPOSAL}", BOT),
        (f"approve {PROPOSAL}", WORKFLOW),
    ],
)
def test_a_note_that_says_anything_else_or_is_no_persons_decides_nothing(body: str, by: dict[str, Any]) -> None:
    assert noted(body, by) == ()


def test_what_a_customer_writes_is_never_a_word_on_a_proposal() -> None:
    item = conversation(part("7", "comment", by=author("user"), body=f"approve {PROPOSAL}"))
    for topic in ("conversation.admin.noted", "conversation.user.replied"):
        found = map_envelope(envelope(topic, item), RULES).events
        assert not any(isinstance(event, Approval) for event in found)


def test_an_unknown_topic_and_a_ping_lead_to_nothing() -> None:
    assert map_envelope(envelope("company.created", {"id": "1"}), RULES).topic == "unknown"
    ping = {"type": "notification_event", "topic": "ping", "data": {"item": {"type": "ping"}}}
    assert map_envelope(ping, RULES).events == ()


def test_a_closing_without_parts_is_told_apart_by_the_notification() -> None:
    item = conversation()
    first = only_message("conversation.admin.closed", item)
    again = only_message("conversation.admin.closed", item, delivery_attempts=2)
    later = only_message("conversation.admin.closed", item, id="notif_2")
    assert first.event_id == again.event_id != later.event_id


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ([], "document"),
        ({}, "topic"),
        ({"topic": "conversation.user.created"}, "data.item.id"),
        (envelope("conversation.user.created", {"id": "1"}), "data.item.source"),
        (envelope("conversation.user.replied", conversation()), "data.item.conversation_parts"),
        (
            envelope("conversation.user.replied", conversation(part(""))),
            "data.item.conversation_parts.conversation_parts.id",
        ),
    ],
)
def test_a_broken_envelope_names_the_member(document: Any, field: str) -> None:
    with pytest.raises(DocumentError) as caught:
        map_envelope(document, RULES)
    assert [problem.field for problem in caught.value.problems] == [field]


deliveries = st.fixed_dictionaries(
    {
        "id": st.text(alphabet="0123456789abcdef", min_size=1, max_size=12),
        "delivery_attempts": st.integers(1, 9),
        "created_at": st.integers(CREATED_AT, CREATED_AT + 10**6),
        "first_sent_at": st.integers(CREATED_AT, CREATED_AT + 10**6),
    }
)


@given(deliveries, deliveries, st.integers(1, 10**12), st.integers(1, 10**12))
def test_the_same_part_is_the_same_event_in_every_delivery(
    one: dict[str, Any], other: dict[str, Any], conversation_id: int, part_id: int
) -> None:
    item = conversation(part(str(part_id)), id=str(conversation_id))
    as_numbers = conversation(part(str(part_id)), id=conversation_id, updated_at=CREATED_AT + 5)
    as_numbers["conversation_parts"]["conversation_parts"][0]["id"] = part_id
    first = only_message("conversation.user.replied", item, **one)
    second = only_message("conversation.user.replied", as_numbers, **other)
    assert first == second


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=6, unique=True))
def test_the_reconciler_finds_the_events_that_webhooks_told(part_ids: list[int]) -> None:
    parts = [part(str(part_id), body=f"<p>{part_id}</p>") for part_id in part_ids]
    told = [only_message("conversation.user.created", conversation())]
    told += [only_message("conversation.user.replied", conversation(p)) for p in parts]
    assert list(messages_of_conversation(conversation(*parts), RULES)) == told


def test_different_parts_and_kinds_never_share_an_event_id() -> None:
    parts = [part(str(n)) for n in range(1, 51)] + [part("99", "close", by=HUMAN, body="<p>Bye</p>")]
    messages = messages_of_conversation(conversation(*parts), RULES)
    assert [m.kind for m in messages[-2:]] == [MessageKind.HUMAN_JOINED, MessageKind.CLOSED]
    assert len({m.event_id for m in messages}) == len(messages) == 53


def test_since_leaves_out_what_is_older() -> None:
    item = conversation(part("1"), part("2", created_at=CREATED_AT + 5000))
    since = datetime.fromtimestamp(CREATED_AT + 100, UTC)
    assert [m.channel_message_id for m in messages_of_conversation(item, RULES, since=since)] == ["2"]
