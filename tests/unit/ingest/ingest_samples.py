"""Invented Intercom documents, built as Intercom's published description has them."""

from __future__ import annotations

from typing import Any

from floodgate.events import Pseudonyms
from ingest.domain.intercom_parts import IntercomRules

BOT_ADMIN = "9001"
HUMAN_ADMIN = "5001"
CONTACT = "6762f1261bb69f9f2193bba7"
BUTTON = "0b6bcd2e-6f0c-4b8e-8b6e-0d4f6c1f2a3b"
CREATED_AT = 1_795_000_000
PSEUDONYMS = Pseudonyms(b"a key of at least sixteen bytes")
RULES = IntercomRules(
    pseudonyms=PSEUDONYMS,
    bot_admin_ids=frozenset((BOT_ADMIN,)),
    button_paths={BUTTON: "tickets/refund"},
)


def author(kind: str, author_id: str = CONTACT, **more: Any) -> dict[str, Any]:
    return {"type": kind, "id": author_id, "name": "Somebody", **more}


def part(part_id: str, part_type: str = "comment", by: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "type": "conversation_part",
        "id": part_id,
        "part_type": part_type,
        "body": "<p>My ticket did not arrive.</p>",
        "created_at": CREATED_AT + 60,
        "author": by or author("user"),
        "assigned_to": None,
        "attachments": [],
        "redacted": False,
        "tags": [],
        **more,
    }


def conversation(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "type": "conversation",
        "id": "503",
        "created_at": CREATED_AT,
        "updated_at": CREATED_AT + 600,
        "source": {
            "type": "conversation",
            "id": "403918334",
            "delivered_as": "customer_initiated",
            "subject": "",
            "body": "<p>Where is my ticket?</p>",
            "author": author("user"),
            "attachments": [],
            "redacted": False,
        },
        "contacts": {
            "type": "contact.list",
            "contacts": [{"type": "contact", "id": CONTACT, "external_id": "cust-0007"}],
        },
        "admin_assignee_id": 0,
        "tags": {"type": "tag.list", "tags": []},
        "custom_attributes": {},
        "conversation_parts": {
            "type": "conversation_part.list",
            "conversation_parts": list(parts),
            "total_count": len(parts),
        },
        **more,
    }


def envelope(topic: str, item: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "type": "notification_event",
        "app_id": "app",
        "id": "notif_1",
        "topic": topic,
        "data": {"type": "notification_event_data", "item": item},
        "delivery_attempts": 1,
        "created_at": CREATED_AT + 601,
        **more,
    }
