"""What the stand-in remembers. Every member is plain JSON, so that a record is stored as it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Contact:
    id: str
    external_id: str | None
    role: str
    name: str | None
    email: str
    language: str | None
    country: str | None
    created_at: int
    last_replied_at: int | None = None
    deleted: bool = False
    """Nobody is found under its id any more, which its conversations go on to name."""


@dataclass
class AppliedTag:
    id: str
    applied_at: int
    admin_id: str


@dataclass
class Part:
    id: str
    conversation_id: str
    part_type: str
    body: str | None
    """HTML."""
    created_at: int
    author_type: str
    author_id: str
    state: str
    assigned_to_type: str | None = None
    assigned_to_id: str | None = None
    reply_options: list[dict[str, str]] = field(default_factory=list)
    clicked_uuid: str | None = None
    event_details: dict[str, Any] | None = None


@dataclass
class Conversation:
    id: str
    contact_id: str
    created_at: int
    updated_at: int
    source_id: str
    source_body: str
    """HTML."""
    source_subject: str = ""
    title: str | None = None
    state: str = "open"
    read: bool = False
    waiting_since: int | None = None
    snoozed_until: int | None = None
    admin_assignee_id: str | None = None
    team_assignee_id: str | None = None
    first_contact_reply_at: int | None = None
    tags: list[dict[str, Any]] = field(default_factory=list)
    """Each the members of an AppliedTag."""
    custom_attributes: dict[str, str | int] = field(default_factory=dict)
    statistics: dict[str, Any] = field(default_factory=dict)
    teammate_ids: list[str] = field(default_factory=list)


@dataclass
class Notification:
    """A webhook that is to be delivered."""

    id: str
    topic: str
    conversation_id: str
    item: dict[str, Any]
    created_at: int
    attempts: int = 0
    state: str = "pending"
    """pending, delivered, failed (given up), or lost (on request, to exercise the reconciler)."""
