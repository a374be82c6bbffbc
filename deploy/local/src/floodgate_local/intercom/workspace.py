"""The seeded workspace: who works there, their teams, tags and conversation attributes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

APP_ID: Final = "floodgate_local_workspace"
SEEDED_AT: Final = 1_767_225_600
"""1 January 2026, UTC."""


@dataclass(frozen=True)
class Teammate:
    id: str
    name: str
    email: str
    job_title: str
    team_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Team:
    id: str
    name: str


@dataclass(frozen=True)
class Attribute:
    id: int
    name: str
    description: str
    data_type: str = "string"


SCREENING_TEAM_ID: Final = "1000"
TEAMS: Final = (
    Team(SCREENING_TEAM_ID, "Screening"),
    Team("1001", "Tickets"),
    Team("1002", "Billing"),
    Team("1003", "Accounts"),
    Team("1004", "Streaming"),
    Team("1005", "Trust & Safety"),
    Team("1006", "General"),
)
RELEASE_TEAM_ID: Final = "1006"
"""Where the screening inbox's timer sends what got no verdict."""
OPERATOR: Final = {"type": "bot", "id": "5000", "name": "Operator", "email": "operator@example.org"}
"""The author of what the workspace does by itself."""
BOT_ADMIN_ID: Final = "5001"
ADMINS: Final = (
    Teammate(BOT_ADMIN_ID, "Floodgate", "floodgate@example.org", "Automation"),
    Teammate("5002", "Maren Oosterhuis", "maren@example.org", "Support lead", ("1001", "1006")),
    Teammate("5003", "Idris Falk", "idris@example.org", "Support", ("1002", "1003")),
    Teammate("5004", "Petra Nowicka", "petra@example.org", "Support", ("1004", "1005")),
)
TAGS: Final = (
    ("9001", "floodgate"),
    ("9002", "floodgate:urgent"),
    ("9003", "floodgate:ok"),
    ("9004", "floodgate:wrong-path:other"),
    ("9005", "floodgate:quarantine"),
)
ATTRIBUTES: Final = (
    Attribute(7001, "floodgate_path", "The path that the user chose"),
    Attribute(7002, "language", "Language of the user"),
    Attribute(7003, "country", "Country of the user"),
    Attribute(7004, "floodgate_category", "What the message is about"),
    Attribute(7005, "floodgate_urgency", "How urgent it is"),
    Attribute(7006, "floodgate_decision", "What Floodgate decided"),
    Attribute(7007, "floodgate_reason", "Why it was handed over"),
    Attribute(7008, "floodgate_language", "Language that Floodgate recognised"),
)


def admin_ids() -> frozenset[str]:
    return frozenset(admin.id for admin in ADMINS)


def team_ids() -> frozenset[str]:
    return frozenset(team.id for team in TEAMS)


def find_admin(admin_id: str) -> Teammate | None:
    return next((admin for admin in ADMINS if admin.id == admin_id), None)


def render_admin(admin: Teammate) -> dict[str, Any]:
    return {
        "type": "admin",
        "id": admin.id,
        "name": admin.name,
        "email": admin.email,
        "job_title": admin.job_title,
        "away_mode_enabled": False,
        "away_mode_reassign": False,
        "has_inbox_seat": True,
        "team_ids": [int(team_id) for team_id in admin.team_ids],
    }


def render_me() -> dict[str, Any]:
    """The admin of the token with the workspace."""
    bot = find_admin(BOT_ADMIN_ID)
    assert bot is not None
    app = {
        "type": "app",
        "id_code": APP_ID,
        "name": "Floodgate local workspace",
        "region": "EU",
        "timezone": "Europe/Amsterdam",
        "created_at": SEEDED_AT,
        "identity_verification": True,
    }
    return {**render_admin(bot), "email_verified": True, "app": app}


def render_team(team: Team) -> dict[str, Any]:
    members = [int(admin.id) for admin in ADMINS if team.id in admin.team_ids]
    return {"type": "team", "id": team.id, "name": team.name, "admin_ids": members}


def render_attribute(attribute: Attribute) -> dict[str, Any]:
    return {
        "type": "conversation_attribute",
        "id": attribute.id,
        "name": attribute.name,
        "description": attribute.description,
        "data_type": attribute.data_type,
        "required": False,
        "visible_to_team_ids": [],
        "archived": False,
        "multiline": False,
        "created_at": SEEDED_AT,
        "updated_at": SEEDED_AT,
        "admin_id": BOT_ADMIN_ID,
    }


def render_data_attributes(model: str | None) -> list[dict[str, Any]]:
    """The standard attributes of contacts, and of companies, as far as anyone here reads them."""
    contact = (
        ("external_id", "External ID"),
        ("email", "Email"),
        ("name", "Name"),
        ("language", "Language"),
        ("country", "Country"),
    )
    company = (("name", "Company name"),)
    wanted = {"contact": contact, "company": company}
    return [
        {
            "type": "data_attribute",
            "model": of,
            "name": name,
            "full_name": name,
            "label": label,
            "description": label,
            "data_type": "string",
            "api_writable": True,
            "ui_writable": False,
            "messenger_writable": False,
            "custom": False,
            "archived": False,
        }
        for of, attributes in wanted.items()
        if model in (None, of)
        for name, label in attributes
    ]
