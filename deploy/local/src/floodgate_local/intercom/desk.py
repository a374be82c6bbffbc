"""What happens in the workspace: conversations begin, people and the bot write, assign, tag and close.

Each function changes the records of one conversation, saves them together with the notifications that follow, and hands
the notifications to the dispatcher.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from floodgate_local.intercom.errors import ApiError, not_found
from floodgate_local.intercom.records import AppliedTag, Contact, Conversation, Notification, Part
from floodgate_local.intercom.render import Renderer
from floodgate_local.intercom.store import Store
from floodgate_local.intercom.text import to_html
from floodgate_local.intercom.workspace import OPERATOR, RELEASE_TEAM_ID, admin_ids, team_ids

Clock = Callable[[], float]


class Notifier(Protocol):
    """Delivers notifications; `wanted` says whether anyone listens."""

    def wanted(self) -> bool: ...

    def enqueue(self, notification: Notification) -> None: ...


@dataclass(frozen=True)
class Message:
    """What is said, before it becomes a part."""

    body: str | None = None
    created_at: int | None = None
    reply_options: tuple[dict[str, str], ...] = ()


class Desk:
    """The workspace's one desk."""

    def __init__(self, store: Store, notifier: Notifier, clock: Clock, screening_team_id: str = "") -> None:
        self._store = store
        self._notifier = notifier
        self._clock = clock
        self._screening_team_id = screening_team_id or None
        self._renderer = Renderer(store)

    def now(self) -> int:
        return int(self._clock())

    # Finding

    def conversation(self, conversation_id: str) -> Conversation:
        """Raises ApiError (404) for an unknown id."""
        found = self._store.conversations.get(conversation_id)
        if found is None:
            raise not_found()
        self._wake(found)
        return found

    def contact(self, contact_id: str) -> Contact:
        """Raises ApiError (404) for an unknown id."""
        found = self._store.contacts.get(contact_id)
        if found is None or found.deleted:
            raise not_found("User")
        return found

    def last_conversation_of(self, contact: Contact) -> Conversation:
        """Raises ApiError (404) when the contact has none."""
        theirs = [c for c in self._store.conversations.values() if c.contact_id == contact.id]
        if not theirs:
            raise not_found()
        return max(theirs, key=lambda c: (c.created_at, int(c.id)))

    def require_admin(self, admin_id: str) -> None:
        if admin_id not in admin_ids():
            raise ApiError(404, "admin_not_found", "Admin Not Found")

    # What customers do

    def welcome(
        self,
        *,
        external_id: str | None,
        email: str,
        name: str | None,
        language: str | None,
        country: str | None,
    ) -> Contact:
        """The contact of that external id or e-mail; a new one when there is none. What is named is updated."""
        known = self._store.find_contact(external_id=external_id, email=email)
        said = external_id if external_id is not None else email.lower()
        contact = known or Contact(
            id=hashlib.sha256(f"contact:{said}".encode()).hexdigest()[:24],
            external_id=external_id,
            role="user" if external_id is not None else "lead",
            name=name,
            email=email,
            language=language,
            country=country,
            created_at=self.now(),
        )
        contact.name = name or contact.name
        contact.email = email or contact.email
        contact.language = language or contact.language
        contact.country = country or contact.country
        self._store.save([contact])
        return contact

    def begin(
        self, contact: Contact, message: Message, *, attributes: Mapping[str, str | int] | None = None
    ) -> Conversation:
        """A contact begins a conversation; it waits in the screening inbox."""
        at = message.created_at or self.now()
        conversation = Conversation(
            id=self._store.next_conversation_id(),
            contact_id=contact.id,
            created_at=at,
            updated_at=at,
            source_id=self._store.next_part_id(),
            source_body=to_html(message.body or ""),
            waiting_since=at,
            team_assignee_id=self._screening_team_id,
            custom_attributes=dict(attributes or {}),
            statistics={"count_reopens": 0, "count_assignments": 0, "count_conversation_parts": 1},
        )
        contact.last_replied_at = at
        self._save(conversation, None, "conversation.user.created", contact)
        return conversation

    def contact_replies(
        self, conversation: Conversation, contact: Contact, message: Message, *, clicked_uuid: str | None = None
    ) -> Part:
        """A contact writes, perhaps by clicking a button. A closed or snoozed conversation opens again."""
        reopened = conversation.state != "open"
        conversation.state = "open"
        conversation.snoozed_until = None
        part = self._part(conversation, "open" if reopened else "comment", contact.role, contact.id, message)
        part.clicked_uuid = clicked_uuid
        conversation.waiting_since = conversation.waiting_since or part.created_at
        conversation.first_contact_reply_at = conversation.first_contact_reply_at or part.created_at
        conversation.read = False
        contact.last_replied_at = part.created_at
        statistics = conversation.statistics
        statistics["last_contact_reply_at"] = part.created_at
        statistics.setdefault("first_contact_reply_at", part.created_at)
        statistics["count_reopens"] = statistics.get("count_reopens", 0) + reopened
        self._save(conversation, part, "conversation.user.replied", contact)
        return part

    # What teammates do, the bot among them

    def admin_replies(self, conversation: Conversation, admin_id: str, kind: str, message: Message) -> Part:
        """A comment, a note, or quick replies."""
        part = self._part(conversation, kind, "admin", admin_id, message)
        part.reply_options = [dict(option) for option in message.reply_options]
        if kind == "note":
            topic = "conversation.admin.noted"
        else:
            topic = "conversation.admin.replied"
            conversation.waiting_since = None
            conversation.statistics["last_admin_reply_at"] = part.created_at
            conversation.statistics.setdefault("first_admin_reply_at", part.created_at)
        self._join(conversation, admin_id)
        self._save(conversation, part, topic)
        return part

    def assign(self, conversation: Conversation, admin_id: str, kind: str, assignee_id: str, body: str | None) -> Part:
        """Assigns to an admin or a team; "0" unassigns.

        Raises:
            ApiError: 404 for an unknown assignee.
        """
        known = admin_ids() if kind == "admin" else team_ids()
        if assignee_id != "0" and assignee_id not in known:
            raise ApiError(404, "assignee_not_found", "Assignee Not Found")
        assignee = None if assignee_id == "0" else assignee_id
        if kind == "admin":
            conversation.admin_assignee_id = assignee
        else:
            conversation.team_assignee_id = assignee
        part = self._part(conversation, "assignment", "admin", admin_id, Message(body))
        part.assigned_to_type = kind
        part.assigned_to_id = assignee
        statistics = conversation.statistics
        statistics["count_assignments"] = statistics.get("count_assignments", 0) + 1
        statistics["last_assignment_at"] = part.created_at
        statistics.setdefault("first_assignment_at", part.created_at)
        self._save(conversation, part, "conversation.admin.assigned")
        return part

    def close(self, conversation: Conversation, admin_id: str, body: str | None) -> Part:
        conversation.state = "closed"
        conversation.waiting_since = None
        conversation.snoozed_until = None
        part = self._part(conversation, "close", "admin", admin_id, Message(body))
        conversation.statistics["last_close_at"] = part.created_at
        conversation.statistics["last_closed_by_id"] = admin_id
        conversation.statistics.setdefault("first_close_at", part.created_at)
        self._save(conversation, part, "conversation.admin.closed")
        return part

    def open(self, conversation: Conversation, admin_id: str) -> Part:
        conversation.state = "open"
        conversation.snoozed_until = None
        part = self._part(conversation, "open", "admin", admin_id, Message())
        self._save(conversation, part, "conversation.admin.opened")
        return part

    def snooze(self, conversation: Conversation, admin_id: str, until: int) -> Part:
        conversation.state = "snoozed"
        conversation.snoozed_until = until
        part = self._part(conversation, "snoozed", "admin", admin_id, Message())
        self._save(conversation, part, "conversation.admin.snoozed")
        return part

    def update(
        self,
        conversation: Conversation,
        admin_id: str,
        *,
        read: bool | None,
        title: str | None,
        attributes: Mapping[str, str | int],
    ) -> None:
        conversation.read = conversation.read if read is None else read
        conversation.title = title if title is not None else conversation.title
        parts: list[Part] = []
        for name, value in attributes.items():
            if conversation.custom_attributes.get(name) == value:
                continue
            conversation.custom_attributes[name] = value
            kind = "conversation_attribute_updated_by_admin"
            part = self._part(conversation, kind, "admin", admin_id, Message())
            part.event_details = {"attribute": {"name": name}, "value": {"name": str(value)}}
            parts.append(part)
        conversation.updated_at = max(conversation.updated_at, self.now())
        self._store.save([conversation, *parts])

    def tag(self, conversation: Conversation, tag_id: str, admin_id: str) -> dict[str, Any]:
        """Tags a conversation; a tag that it has already stays as it was.

        Raises:
            ApiError: 404 for an unknown tag.
        """
        if tag_id not in self._store.tags:
            raise ApiError(404, "tag_not_found", "Tag not found")
        for tag in conversation.tags:
            if tag["id"] == tag_id:
                return tag
        applied = vars(AppliedTag(tag_id, self.now(), admin_id))
        conversation.tags.append(applied)
        conversation.updated_at = max(conversation.updated_at, self.now())
        self._save(conversation, None, "conversation_part.tag.created", tags_added=[applied])
        return applied

    def untag(self, conversation: Conversation, tag_id: str) -> dict[str, Any]:
        """Raises ApiError (404) when the conversation has no such tag."""
        for tag in conversation.tags:
            if tag["id"] == tag_id:
                conversation.tags.remove(tag)
                conversation.updated_at = max(conversation.updated_at, self.now())
                self._store.save([conversation])
                return tag
        raise ApiError(404, "tag_not_found", "Tag not found")

    # What the workspace does by itself

    def release_overdue(self, after_seconds: float) -> int:
        """Lets go what has waited too long in the screening inbox; returns how many conversations.

        This is Intercom's own timer: it needs nothing of Floodgate, so that nobody waits when Floodgate is down.
        """
        overdue = [
            conversation
            for conversation in self._store.conversations.values()
            if conversation.state == "open"
            and conversation.team_assignee_id == self._screening_team_id is not None
            and conversation.waiting_since is not None
            and conversation.waiting_since + after_seconds <= self._clock()
        ]
        for conversation in overdue:
            conversation.team_assignee_id = RELEASE_TEAM_ID
            part = self._part(conversation, "assignment", "bot", OPERATOR["id"], Message())
            part.assigned_to_type, part.assigned_to_id = "team", RELEASE_TEAM_ID
            self._store.save([conversation, part])
        return len(overdue)

    # How it is recorded

    def _part(self, conversation: Conversation, kind: str, author_type: str, author_id: str, message: Message) -> Part:
        at = message.created_at or self.now()
        conversation.updated_at = max(conversation.updated_at, at)
        count = conversation.statistics.get("count_conversation_parts", 1)
        conversation.statistics["count_conversation_parts"] = count + 1
        return Part(
            id=self._store.next_part_id(),
            conversation_id=conversation.id,
            part_type=kind,
            body=None if message.body is None else to_html(message.body),
            created_at=at,
            author_type=author_type if author_type in ("admin", "bot") else "contact",
            author_id=author_id,
            state=conversation.state,
        )

    def _join(self, conversation: Conversation, admin_id: str) -> None:
        if admin_id not in conversation.teammate_ids:
            conversation.teammate_ids.append(admin_id)

    def _save(
        self,
        conversation: Conversation,
        part: Part | None,
        topic: str,
        contact: Contact | None = None,
        *,
        tags_added: list[dict[str, Any]] | None = None,
    ) -> None:
        records: list[Contact | Conversation | Part | Notification] = [conversation]
        records += [record for record in (part, contact) if record is not None]
        notification: Notification | None = None
        if self._notifier.wanted():
            parts = [] if part is None else [part]
            item = self._renderer.conversation(conversation, plain=True, parts=parts)
            if tags_added is not None:
                shown = [self._renderer.applied_tag(tag) for tag in tags_added]
                item["tags_added"] = {"type": "tag.list", "tags": shown}
            notification = Notification(
                id=f"notif_{uuid.uuid4()}",
                topic=topic,
                conversation_id=conversation.id,
                item=item,
                created_at=self.now(),
            )
            records.append(notification)
        self._store.save(records)
        if notification is not None:
            self._notifier.enqueue(notification)

    def _wake(self, conversation: Conversation) -> None:
        until = conversation.snoozed_until
        if conversation.state == "snoozed" and until is not None and until <= self.now():
            conversation.state = "open"
            conversation.snoozed_until = None
            self._store.save([conversation])
