"""Intercom envelopes and conversations as events.

The same part gives the same events, whether it comes by webhook, from the raw topic or from the reconciler:
ids are derived from the conversation's and the part's own ids and the kind of event, never from the delivery.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from floodgate.events import Approval, Feedback, FeedbackLabel, Message, MessageKind, conversation_key
from floodgate.events.ids import REVIEWERS
from pydantic import ValidationError

from ingest.domain.errors import DocumentError, document_error, problems_of
from ingest.domain.identity import (
    Contact,
    country_code,
    language_code,
    message_event_id,
    pseudonymous_contact,
)
from ingest.domain.intercom_approvals import NOTE_TOPIC, approvals_of
from ingest.domain.intercom_parts import (
    CHANNEL,
    IntercomRules,
    attachment_count,
    chosen_path,
    clicked_button,
    kinds_of,
    member,
    parts_of,
    said,
    text_id,
    unix_time,
)

Event = Message | Feedback | Approval

SOURCE_ID: Final = "source"
OK_TAG: Final = "floodgate:ok"
WRONG_PATH_TAG_PREFIX: Final = "floodgate:wrong-path:"
TAG_TOPIC: Final = "conversation_part.tag.created"
USER_CREATED: Final = "conversation.user.created"
KINDS_BY_TOPIC: Final[Mapping[str, MessageKind]] = {
    "conversation.user.replied": MessageKind.USER_MESSAGE,
    "conversation.admin.replied": MessageKind.HUMAN_JOINED,
    "conversation.admin.assigned": MessageKind.HUMAN_JOINED,
    "conversation.admin.closed": MessageKind.CLOSED,
    "conversation.admin.opened": MessageKind.REOPENED,
}
NEEDED_TOPICS: Final = (USER_CREATED, *KINDS_BY_TOPIC, TAG_TOPIC)
# Known, and of no consequence here; anything else is counted as an unknown topic.
SILENT_TOPICS: Final = frozenset(
    (
        "ping",
        "conversation.admin.snoozed",
        "conversation.admin.unsnoozed",
        "conversation.admin.single.created",
        "conversation.operator.replied",
        "conversation.rating.added",
        "conversation.read",
    )
)


@dataclass(frozen=True, slots=True)
class Mapped:
    """What an envelope led to.

    Attributes:
        topic: The envelope's topic, "unknown" for one that is not known (a label of bounded number).
    """

    topic: str
    events: tuple[Event, ...] = ()


def map_envelope(envelope: object, rules: IntercomRules) -> Mapped:
    """Events of one notification.

    Raises:
        DocumentError: It is not an envelope, or lacks what its topic promises.
    """
    if not isinstance(envelope, Mapping):
        raise document_error("document", "a JSON object is expected (an Intercom notification_event)")
    topic = envelope.get("topic")
    if not isinstance(topic, str) or not topic:
        raise document_error("topic", "missing: an Intercom notification names its topic")
    if topic in SILENT_TOPICS:
        return Mapped(topic)
    if topic not in NEEDED_TOPICS and topic != NOTE_TOPIC:
        return Mapped("unknown")
    item = member(envelope, "data", "item")
    if topic == NOTE_TOPIC:  # most notes mean nothing here, so that a strange one is no dead letter either
        with _unfit_members():
            return Mapped(topic, approvals_of(item, rules))
    if not isinstance(item, Mapping) or not text_id(item.get("id")):
        raise document_error("data.item.id", "missing: the conversation's id is expected")
    with _unfit_members():
        return Mapped(topic, _events_of_topic(topic, item, envelope, rules))


@contextmanager
def _unfit_members() -> Iterator[None]:
    """A member of another type or no valid Unicode is the document's fault."""
    try:
        yield
    except ValidationError as error:
        raise DocumentError(problems_of(error)) from None
    except UnicodeError as error:
        raise document_error("data.item", "a string that is no valid Unicode") from error


def _events_of_topic(
    topic: str, item: Mapping[str, Any], envelope: Mapping[str, Any], rules: IntercomRules
) -> tuple[Event, ...]:
    if topic == TAG_TOPIC:
        return feedback_of(item, rules)
    if topic == USER_CREATED:
        return tuple(filter(None, [source_message(item, rules)]))
    wanted = KINDS_BY_TOPIC[topic]
    parts = list(parts_of(item))
    events: list[Event] = [
        part_message(item, part, kind, rules) for part in parts for kind in kinds_of(part, rules) if kind is wanted
    ]
    if not events and not parts:
        events.extend(filter(None, [_without_parts(topic, wanted, item, envelope, rules)]))
    if wanted is MessageKind.CLOSED:
        events.extend(feedback_of(item, rules))
    return tuple(events)


def _without_parts(
    topic: str,
    wanted: MessageKind,
    item: Mapping[str, Any],
    envelope: Mapping[str, Any],
    rules: IntercomRules,
) -> Message | None:
    """An envelope that names no part: its own id is then what tells deliveries apart."""
    if wanted is MessageKind.USER_MESSAGE or topic == "conversation.admin.replied":
        raise document_error(
            "data.item.conversation_parts", f"empty: {topic} is expected to carry the part that it is about"
        )
    if wanted is MessageKind.HUMAN_JOINED:
        assignee = text_id(item.get("admin_assignee_id"))
        if not assignee or assignee in rules.bot_admin_ids:
            return None
    notification = text_id(envelope.get("id")) or text_id(item.get("updated_at"))
    happened_at = unix_time(item.get("updated_at")) or unix_time(envelope.get("created_at"))
    return _message(
        item,
        kind=wanted,
        part_id=f"{topic}:{notification}",
        happened_at=happened_at,
        contact=_contact_of(item, None, rules),
        rules=rules,
    )


def source_message(conversation: Mapping[str, Any], rules: IntercomRules) -> Message | None:
    """The message that a conversation began with; None when we or the company began it."""
    source = conversation.get("source")
    if not isinstance(source, Mapping):
        raise document_error("data.item.source", "missing: the first message of the conversation is expected")
    if source.get("redacted") is True:
        return None
    if member(source, "author", "type") in ("admin", "bot", "team"):
        return None
    return _message(
        conversation,
        kind=MessageKind.USER_MESSAGE,
        part_id=SOURCE_ID,
        happened_at=unix_time(conversation.get("created_at")) or unix_time(conversation.get("updated_at")),
        contact=_contact_of(conversation, source, rules),
        spoken=source,
        rules=rules,
    )


def part_message(
    conversation: Mapping[str, Any], part: Mapping[str, Any], kind: MessageKind, rules: IntercomRules
) -> Message:
    """The event of one kind that a part stands for."""
    part_id = text_id(part.get("id"))
    if not part_id:
        raise document_error("data.item.conversation_parts.conversation_parts.id", "missing")
    spoken = part if kind is MessageKind.USER_MESSAGE else None
    return _message(
        conversation,
        kind=kind,
        part_id=part_id,
        happened_at=unix_time(part.get("created_at")) or unix_time(conversation.get("updated_at")),
        contact=_contact_of(conversation, spoken, rules),
        spoken=spoken,
        rules=rules,
    )


def messages_of_conversation(
    conversation: Mapping[str, Any], rules: IntercomRules, *, since: datetime | None = None
) -> tuple[Message, ...]:
    """Every event of a whole conversation from `since` on: what its webhooks should have told."""
    with _unfit_members():
        first = source_message(conversation, rules)
        found = [first] if first is not None else []
        for part in parts_of(conversation):
            found.extend(part_message(conversation, part, kind, rules) for kind in kinds_of(part, rules))
    return tuple(message for message in found if since is None or message.occurred_at >= since)


def feedback_of(conversation: Mapping[str, Any], rules: IntercomRules) -> tuple[Feedback, ...]:
    """Reviewers' judgements, given as tags; the same tag on the same conversation is the same judgement.

    Raises:
        DocumentError: A tag's name is no valid Unicode.
    """
    with _unfit_members():
        return _feedback_of(conversation, rules)


def _feedback_of(conversation: Mapping[str, Any], rules: IntercomRules) -> tuple[Feedback, ...]:
    conversation_id = text_id(conversation.get("id"))
    happened_at = unix_time(conversation.get("updated_at")) or unix_time(conversation.get("created_at"))
    found: dict[str, Feedback] = {}
    for tag in _tags_of(conversation):
        name = tag.get("name")
        judgement = _judgement(name) if isinstance(name, str) else None
        applied_at = unix_time(tag.get("applied_at")) or happened_at
        if judgement is None or applied_at is None or not isinstance(name, str):
            continue
        found[name] = Feedback(
            event_id=message_event_id(CHANNEL, conversation_id, f"tag:{name}"),
            occurred_at=applied_at,
            conversation_id=conversation_key(CHANNEL, conversation_id),
            label=judgement[0],
            should_be=judgement[1],
            source=CHANNEL,
            reviewer=_reviewer(tag, rules),
        )
    return tuple(found.values())


def _reviewer(tag: Mapping[str, Any], rules: IntercomRules) -> str:
    """Pseudonym of the teammate who set the tag; empty where Intercom does not say."""
    teammate = text_id(member(tag, "applied_by", "id"))
    return rules.pseudonyms.contact_id(REVIEWERS, f"{CHANNEL}:{teammate}") if teammate else ""


def _tags_of(conversation: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    lists = [
        member(conversation, "tags_added", "tags"),
        member(conversation, "tags", "tags"),
        *(part.get("tags") for part in parts_of(conversation)),
        *(member(part, "tags", "tags") for part in parts_of(conversation)),
    ]
    return [tag for tags in lists if isinstance(tags, list) for tag in tags if isinstance(tag, Mapping)]


def _judgement(tag: str) -> tuple[FeedbackLabel, str | None] | None:
    if tag == OK_TAG:
        return FeedbackLabel.OK, None
    if tag.startswith(WRONG_PATH_TAG_PREFIX) and len(tag) > len(WRONG_PATH_TAG_PREFIX):
        return FeedbackLabel.WRONG_PATH, tag.removeprefix(WRONG_PATH_TAG_PREFIX)
    return None


def _contact_of(conversation: Mapping[str, Any], spoken: Mapping[str, Any] | None, rules: IntercomRules) -> Contact:
    """The person of a conversation, or the one who wrote this part when there are several.

    Intercom vouches for a user (role `user`, with the company's own id) in the Messenger, not for a lead (its
    external_id is made up by Intercom) and not for the sender of an e-mail, whose address anybody can write.
    """
    contacts = member(conversation, "contacts", "contacts")
    listed = [entry for entry in contacts if isinstance(entry, Mapping)] if isinstance(contacts, list) else []
    author = member(spoken, "author") if spoken is not None else member(conversation, "source", "author")
    author_id = text_id(member(author, "id"))
    entry = next((known for known in listed if text_id(known.get("id")) == author_id), None)
    if entry is None and listed:
        entry = listed[0]
    is_user = "user" in (member(author, "type"), member(entry, "role"))
    if member(entry, "role") == "lead" or member(author, "type") == "lead":
        is_user = False
    by_email = _came_by_email(conversation, spoken)
    channel_contact_id = text_id(member(entry, "id")) or author_id
    return pseudonymous_contact(
        rules.pseudonyms,
        CHANNEL,
        channel_contact_id=channel_contact_id or f"conversation {text_id(conversation.get('id'))}",
        external_id=text_id(member(entry, "external_id")) or None,
        vouched=is_user and not by_email,
    )


def _came_by_email(conversation: Mapping[str, Any], spoken: Mapping[str, Any] | None) -> bool:
    if spoken is not None and spoken is not conversation.get("source"):
        return isinstance(spoken.get("email_message_metadata"), Mapping)
    return bool(member(conversation, "source", "type") == "email")


def _message(
    conversation: Mapping[str, Any],
    *,
    kind: MessageKind,
    part_id: str,
    happened_at: datetime | None,
    contact: Contact,
    rules: IntercomRules,
    spoken: Mapping[str, Any] | None = None,
) -> Message:
    conversation_id = text_id(conversation.get("id"))
    if happened_at is None:
        raise document_error("data.item.updated_at", "missing: no time is given for what happened")
    button = clicked_button(spoken) if spoken is not None else None
    attributes = conversation.get("custom_attributes")
    return Message(
        event_id=message_event_id(CHANNEL, conversation_id, f"{part_id}:{kind}"),
        occurred_at=happened_at,
        conversation_id=conversation_key(CHANNEL, conversation_id),
        kind=kind,
        channel=CHANNEL,
        channel_message_id=part_id,
        contact_id=contact.contact_id,
        contact_verified=contact.verified,
        text=said(spoken) if spoken is not None else "",
        attachment_count=attachment_count(spoken) if spoken is not None else 0,
        chosen_path=chosen_path(conversation, button, rules),
        clicked_option=button,
        language=language_code(member(attributes, rules.language_attribute)),
        country=country_code(member(attributes, rules.country_attribute)),
    )
