"""Intercom's webhooks: the signature over the raw body, and the envelope."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from floodgate.intercom.models import Conversation, Id

SIGNATURE_HEADER: Final = "X-Hub-Signature"
_SCHEME: Final = "sha1="


def sign(secret: bytes, body: bytes) -> str:
    """The value of `X-Hub-Signature` for a raw body."""
    return _SCHEME + hmac.new(secret, body, hashlib.sha1).hexdigest()


def verify_signature(secret: bytes, body: bytes, header: str | None) -> bool:
    """Whether the header signs exactly this body; takes the same time for every wrong signature."""
    if header is None or not secret:
        return False
    return hmac.compare_digest(sign(secret, body).encode(), header.strip().encode("utf-8", "replace"))


class WebhookData(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    type: str = ""
    item: dict[str, Any] = {}


class WebhookEnvelope(BaseModel):
    """A notification. `id` is what repeats when Intercom delivers it again."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    type: str = "notification_event"
    app_id: str = ""
    id: Id | None = None
    topic: str
    data: WebhookData
    delivery_attempts: int = 1
    first_sent_at: int | None = None
    created_at: int | None = None

    def conversation(self) -> Conversation:
        """The item as a conversation with the part that the notification is about.

        Raises:
            pydantic.ValidationError: The item is no conversation (a ping's, for example).
        """
        return Conversation.model_validate(self.data.item)
