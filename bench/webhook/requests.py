"""What Intercom sends, and what somebody who is not Intercom would. Everything in it is invented."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from floodgate.intercom.webhooks import sign

KINDS: Final = ("accepted", "wrong_signature", "no_signature", "oversized", "replayed")
EXPECTED: Final = {"accepted": 202, "wrong_signature": 401, "no_signature": 401, "oversized": 413, "replayed": 202}
_CREATED_AT: Final = 1_795_000_000
_OVERSIZED_BYTES: Final = 2 * 1024 * 1024


def requests(kind: str, secret: bytes, run: str) -> Iterator[bytes]:
    """Whole HTTP requests of one kind, without end; of each ten in one conversation."""
    number = 0
    while True:
        body = json.dumps(_notification(run, 0 if kind == "replayed" else number)).encode()
        yield _request(kind, body, secret)
        number += 1


def _request(kind: str, body: bytes, secret: bytes) -> bytes:
    signed = {"accepted": sign(secret, body), "replayed": sign(secret, body)}
    signature = signed.get(kind, "" if kind == "no_signature" else sign(b"not the secret", body))
    # Of an oversized body the head alone is sent: it is refused before a byte of it comes.
    length = _OVERSIZED_BYTES if kind == "oversized" else len(body)
    head = [
        "POST /webhooks/intercom HTTP/1.1",
        "Host: 127.0.0.1",
        "User-Agent: bench",
        "Content-Type: application/json",
        *([f"X-Hub-Signature: {signature}"] if signature else []),
        f"Content-Length: {length}",
    ]
    return "\r\n".join([*head, "", ""]).encode() + (b"" if kind == "oversized" else body)


def _notification(run: str, number: int) -> dict[str, Any]:
    conversation, contact = f"{run}{number // 10}", f"contact-{run}-{number // 10}"
    author = {"type": "user", "id": contact, "name": "Robin Vale", "email": "robin@example.org"}
    item = {
        "type": "conversation",
        "id": conversation,
        "created_at": _CREATED_AT,
        "updated_at": _CREATED_AT + number,
        "source": {
            "type": "conversation",
            "id": f"{run}{number}s",
            "delivered_as": "customer_initiated",
            "subject": "",
            "body": "<p>Where are my tickets for Saturday?</p>",
            "author": author,
            "attachments": [],
            "redacted": False,
        },
        "contacts": {"type": "contact.list", "contacts": [{"type": "contact", "id": contact, "external_id": contact}]},
        "admin_assignee_id": 0,
        "team_assignee_id": 0,
        "tags": {"type": "tag.list", "tags": []},
        "custom_attributes": {"language": "en", "country": "NL", "floodgate_path": "tickets/not-received"},
        "conversation_parts": {
            "type": "conversation_part.list",
            "total_count": 1,
            "conversation_parts": [
                {
                    "type": "conversation_part",
                    "id": f"{run}{number}p",
                    "part_type": "comment",
                    "body": "<p>I paid on Monday and nothing came. My order is 40-5512, can you send them again?</p>",
                    "created_at": _CREATED_AT + number,
                    "author": author,
                    "attachments": [],
                    "redacted": False,
                    "tags": [],
                }
            ],
        },
    }
    return {
        "type": "notification_event",
        "app_id": "bench",
        "id": f"notif-{run}-{number}",
        "topic": "conversation.user.replied",
        "delivery_attempts": 1,
        "first_sent_at": _CREATED_AT + number,
        "created_at": _CREATED_AT + number,
        "data": {"type": "notification_event_data", "item": item},
    }
