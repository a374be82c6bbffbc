"""One part of an Intercom conversation: who spoke, what happened in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from floodgate.events import MessageKind

from ingest.domain.identity import UNKNOWN_PATH, ContactPseudonyms
from ingest.domain.plain_text import plain_text

CHANNEL: Final = "intercom"
_CONTACT_TYPES: Final = frozenset(("user", "lead", "contact", "visitor"))
# Parts in which a contact speaks; attribute updates, ratings and the like are by contacts too.
_SPOKEN: Final = frozenset(("comment", "open", "quick_reply", "message"))
_SILENT_HUMAN: Final = frozenset(("note", "note_and_reopen"))
_OPENING: Final = frozenset(("open", "reopen", "note_and_reopen"))


class Speaker(StrEnum):
    """Who is behind a part."""

    CONTACT = "contact"
    HUMAN = "human"
    OWN_BOT = "own_bot"
    OTHER_BOT = "other_bot"


@dataclass(frozen=True, slots=True)
class IntercomRules:
    """What of a workspace decides how its conversations are read.

    Attributes:
        bot_admin_ids: Admins through whom Floodgate itself speaks.
        path_attribute: Custom conversation attribute that holds the chosen path.
        button_paths: Path by uuid of a fixed Messenger button.
    """

    pseudonyms: ContactPseudonyms
    bot_admin_ids: Set[str] = frozenset()
    path_attribute: str = "floodgate_path"
    language_attribute: str = "language"
    country_attribute: str = "country"
    button_paths: Mapping[str, str] = field(default_factory=dict)


def member(document: object, *names: str) -> Any:
    """The member at a path, None where anything on the way is missing."""
    for name in names:
        if not isinstance(document, Mapping):
            return None
        document = document.get(name)
    return document


def word(value: object) -> str:
    """A member that is expected to be one of Intercom's own words; anything else is none of them."""
    return value if isinstance(value, str) else ""


def text_id(value: object) -> str:
    """Ids come as strings or integers, 0 and null meaning nobody."""
    return str(value) if isinstance(value, (str, int)) and value not in ("", 0, "0") else ""


def unix_time(value: object) -> datetime | None:
    """Seconds since the epoch as Intercom writes them."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0:
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def parts_of(conversation: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The parts, oldest first as Intercom sends them."""
    parts = member(conversation, "conversation_parts", "conversation_parts")
    if isinstance(parts, list):
        yield from (part for part in parts if isinstance(part, Mapping))


def speaker_of(part: Mapping[str, Any], rules: IntercomRules) -> Speaker:
    """Who is behind a part; whoever is neither contact nor admin is a bot (Fin, Operator, workflows)."""
    author = part.get("author")
    kind = word(member(author, "type"))
    if kind in _CONTACT_TYPES:
        return Speaker.CONTACT
    if kind != "admin" or member(author, "from_ai_agent") is True:
        return Speaker.OTHER_BOT
    return Speaker.OWN_BOT if text_id(member(author, "id")) in rules.bot_admin_ids else Speaker.HUMAN


def said(part: Mapping[str, Any]) -> str:
    """Text of a part or source, with an e-mail's subject before it when it adds something."""
    body = plain_text(word(part.get("body")))
    subject = plain_text(word(part.get("subject")))
    return f"{subject}\n\n{body}".strip() if subject and subject not in body else body


def clicked_button(part: Mapping[str, Any]) -> str | None:
    return text_id(member(part, "metadata", "quick_reply_uuid")) or None


def attachment_count(part: Mapping[str, Any]) -> int:
    attachments = part.get("attachments")
    return len(attachments) if isinstance(attachments, list) else 0


def chosen_path(conversation: Mapping[str, Any], button: str | None, rules: IntercomRules) -> str:
    """A fixed button's path, else the declared attribute, else unknown."""
    if button is not None and button in rules.button_paths:
        return rules.button_paths[button]
    declared = member(conversation, "custom_attributes", rules.path_attribute)
    return declared.strip() if isinstance(declared, str) and declared.strip() else UNKNOWN_PATH


def kinds_of(part: Mapping[str, Any], rules: IntercomRules) -> tuple[MessageKind, ...]:
    """What happened in a part, in order; most parts of a conversation mean nothing to us."""
    if part.get("redacted") is True:
        return ()
    speaker = speaker_of(part, rules)
    part_type = word(part.get("part_type"))
    if speaker is Speaker.CONTACT:
        return _contact_kinds(part, part_type)
    kinds: list[MessageKind] = []
    if _human_took_over(part, part_type, speaker, rules):
        kinds.append(MessageKind.HUMAN_JOINED)
    if part_type == "close":
        kinds.append(MessageKind.CLOSED)
    elif part_type in _OPENING:
        kinds.append(MessageKind.REOPENED)
    return tuple(kinds)


def _contact_kinds(part: Mapping[str, Any], part_type: str) -> tuple[MessageKind, ...]:
    if part_type == "close":
        return (MessageKind.CLOSED,)
    if part_type in _SPOKEN and (_has_text(part) or clicked_button(part) or attachment_count(part)):
        return (MessageKind.USER_MESSAGE,)
    return ()


def _has_text(part: Mapping[str, Any]) -> bool:
    """Whether something is said; on the webhook's path, so markup is only parsed where there is some."""
    body = part.get("body")
    if isinstance(body, str) and body.strip() and "<" not in body:
        return True
    return bool(said(part))


def _human_took_over(part: Mapping[str, Any], part_type: str, speaker: Speaker, rules: IntercomRules) -> bool:
    """A human wrote to the customer, sorted the conversation by hand, or was given it."""
    is_assignment = part_type.endswith("assignment")
    if is_assignment:
        assignee = text_id(member(part, "assigned_to", "id"))
        to_admin = member(part, "assigned_to", "type") == "admin" and assignee != ""
        if to_admin:
            return assignee not in rules.bot_admin_ids
        return speaker is Speaker.HUMAN
    return speaker is Speaker.HUMAN and part_type not in _SILENT_HUMAN and bool(said(part))
