"""From records to the API's shapes. What has no value is left out, as nulls break the description's own schemas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from floodgate_local.intercom.records import Contact, Conversation, Part
from floodgate_local.intercom.store import Store
from floodgate_local.intercom.text import to_plain
from floodgate_local.intercom.workspace import APP_ID, OPERATOR, find_admin

MAX_PARTS: Final = 500


@dataclass(frozen=True)
class Renderer:
    """Shows records of one store; `plain` bodies for webhooks and `display_as=plaintext`."""

    store: Store

    def conversation(
        self, conversation: Conversation, *, plain: bool = False, parts: list[Part] | None = None
    ) -> dict[str, Any]:
        """A conversation with its latest parts, or with the given ones."""
        known = self.store.parts.get(conversation.id, []) if parts is None else parts
        return {
            **self.listed(conversation, plain=plain),
            "conversation_parts": {
                "type": "conversation_part.list",
                "conversation_parts": [self.part(part, plain=plain) for part in known[-MAX_PARTS:]],
                "total_count": len(known),
            },
        }

    def listed(self, conversation: Conversation, *, plain: bool = False) -> dict[str, Any]:
        """A conversation as lists and searches show it: without parts."""
        contact = self.store.contacts[conversation.contact_id]
        shown: dict[str, Any] = {
            "type": "conversation",
            "id": conversation.id,
            "title": conversation.title,
            "created_at": conversation.created_at,
            "updated_at": conversation.updated_at,
            "waiting_since": conversation.waiting_since,
            "snoozed_until": conversation.snoozed_until,
            "open": conversation.state == "open",
            "state": conversation.state,
            "read": conversation.read,
            "priority": "none",
            # Nobody is 0 here, as the description says.
            "admin_assignee_id": int(conversation.admin_assignee_id or 0),
            "team_assignee_id": int(conversation.team_assignee_id or 0),
            "tags": {"type": "tag.list", "tags": [self.applied_tag(tag) for tag in conversation.tags]},
            "source": self._source(conversation, contact, plain=plain),
            "contacts": {"type": "contact.list", "contacts": [_contact_reference(contact)]},
            "teammates": {
                "type": "admin.list",
                "teammates": [{"type": "admin", "id": admin_id} for admin_id in conversation.teammate_ids],
            },
            "custom_attributes": conversation.custom_attributes,
            "statistics": {"type": "conversation_statistics", **conversation.statistics},
            "linked_objects": {"type": "list", "data": [], "total_count": 0, "has_more": False},
            "ai_agent_participated": False,
        }
        if conversation.first_contact_reply_at is not None:
            replied = {"type": "conversation", "created_at": conversation.first_contact_reply_at}
            shown["first_contact_reply"] = {**replied, "url": None}
        return shown

    def part(self, part: Part, *, plain: bool = False) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "type": "conversation_part",
            "id": part.id,
            "part_type": part.part_type,
            "body": to_plain(part.body) if plain else part.body,
            "created_at": part.created_at,
            "updated_at": part.created_at,
            "notified_at": part.created_at,
            "author": self._author(part.author_type, part.author_id),
            "attachments": [],
            "external_id": None,
            "redacted": False,
            "state": part.state,
            "tags": [],
            "metadata": {},
            "app_package_code": None,
        }
        if part.assigned_to_type is not None:
            shown["assigned_to"] = {"type": part.assigned_to_type, "id": part.assigned_to_id}
        if part.reply_options:
            shown["metadata"]["quick_reply_options"] = part.reply_options
        if part.clicked_uuid is not None:
            shown["metadata"]["quick_reply_uuid"] = part.clicked_uuid
        if part.event_details is not None:
            shown["event_details"] = part.event_details
        return shown

    def applied_tag(self, tag: dict[str, Any]) -> dict[str, Any]:
        return {
            "type": "tag",
            "id": tag["id"],
            "name": self.store.tags.get(tag["id"], ""),
            "applied_at": tag["applied_at"],
            "applied_by": {"type": "admin", "id": tag["admin_id"]},
        }

    def _source(self, conversation: Conversation, contact: Contact, *, plain: bool) -> dict[str, Any]:
        body = conversation.source_body
        return {
            "type": "conversation",
            "id": conversation.source_id,
            "delivered_as": "customer_initiated",
            "subject": conversation.source_subject,
            "body": (to_plain(body) or "") if plain else body,
            "author": self._author(contact.role, contact.id),
            "attachments": [],
            "url": None,
            "redacted": False,
        }

    def _author(self, kind: str, author_id: str) -> dict[str, Any]:
        if kind == "bot":
            return dict(OPERATOR)
        if kind == "admin":
            admin = find_admin(author_id)
            assert admin is not None
            return {"type": "admin", "id": admin.id, "name": admin.name, "email": admin.email}
        contact = self.store.contacts[author_id]
        return {"type": contact.role, "id": contact.id, "name": contact.name, "email": contact.email}


def _contact_reference(contact: Contact) -> dict[str, Any]:
    return {"type": "contact", "id": contact.id, "external_id": contact.external_id}


def contact(record: Contact) -> dict[str, Any]:
    """A contact as `GET /contacts/{id}` shows it."""
    return {
        "type": "contact",
        "id": record.id,
        "external_id": record.external_id,
        "workspace_id": APP_ID,
        "role": record.role,
        "email": record.email,
        "email_domain": record.email.partition("@")[2],
        "phone": None,
        "name": record.name,
        "owner_id": None,
        "has_hard_bounced": False,
        "marked_email_as_spam": False,
        "unsubscribed_from_emails": False,
        "created_at": record.created_at,
        "updated_at": record.last_replied_at or record.created_at,
        "last_replied_at": record.last_replied_at,
        "language_override": record.language,
        "browser_language": record.language,
        "custom_attributes": _contact_attributes(record),
        "location": {"type": "location", "country": record.country, "region": None, "city": None},
    }


def _contact_attributes(record: Contact) -> dict[str, Any]:
    attributes = {"language": record.language, "country": record.country}
    return {name: value for name, value in attributes.items() if value is not None}
