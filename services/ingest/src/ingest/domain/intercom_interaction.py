"""A closed Intercom conversation as a finished interaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from floodgate.events import Interaction, Message, Turn, TurnRole, derive_event_id

from ingest.domain.errors import document_error
from ingest.domain.identity import UNKNOWN_PATH, country_code, interaction_id_of, language_code
from ingest.domain.intercom_parts import (
    CHANNEL,
    IntercomRules,
    Speaker,
    chosen_path,
    clicked_button,
    member,
    parts_of,
    said,
    speaker_of,
    unix_time,
    word,
)

_INTERNAL: Final = frozenset(("note", "note_and_reopen"))
_ROLE_OF: Final[Mapping[Speaker, TurnRole]] = {
    Speaker.CONTACT: TurnRole.CUSTOMER,
    Speaker.HUMAN: TurnRole.AGENT,
    Speaker.OWN_BOT: TurnRole.BOT,
    Speaker.OTHER_BOT: TurnRole.BOT,
}


def interaction_of_conversation(conversation: Mapping[str, Any], closed: Message, rules: IntercomRules) -> Interaction:
    """What was said in a conversation, internal notes left out.

    Args:
        conversation: As Intercom's REST API gives it.
        closed: The event that says that it closed: the interaction's cause.
        rules: How the workspace is read.

    Raises:
        DocumentError: Nothing was said in it.
    """
    turns = _turns_of(conversation, rules)
    if not turns:
        raise document_error("conversation_parts", "the closed conversation holds no text, so nothing to learn")
    attributes = conversation.get("custom_attributes")
    return Interaction(
        event_id=derive_event_id(closed.event_id, "interaction"),
        occurred_at=closed.occurred_at,
        causation_id=closed.event_id,
        interaction_id=interaction_id_of(closed.conversation_id),
        source=CHANNEL,
        channel=CHANNEL,
        contact_id=closed.contact_id,
        conversation_id=closed.conversation_id,
        country=country_code(member(attributes, rules.country_attribute)) or closed.country,
        language=language_code(member(attributes, rules.language_attribute)) or closed.language,
        chosen_path=_path_of(conversation, rules),
        started_at=unix_time(conversation.get("created_at")),
        ended_at=closed.occurred_at,
        turns=tuple(turns),
        origin=closed.conversation_id,
    )


def _turns_of(conversation: Mapping[str, Any], rules: IntercomRules) -> list[Turn]:
    turns: list[Turn] = []
    source = conversation.get("source")
    if isinstance(source, Mapping):
        _add_turn(turns, source, unix_time(conversation.get("created_at")), rules)
    for part in parts_of(conversation):
        if word(part.get("part_type")) not in _INTERNAL:
            _add_turn(turns, part, unix_time(part.get("created_at")), rules)
    return turns


def _add_turn(turns: list[Turn], part: Mapping[str, Any], at: datetime | None, rules: IntercomRules) -> None:
    text = "" if part.get("redacted") is True else said(part)
    if text:
        turns.append(Turn(role=_ROLE_OF[speaker_of(part, rules)], text=text, at=at))


def _path_of(conversation: Mapping[str, Any], rules: IntercomRules) -> str:
    """The declared path, else that of the last fixed button that was pressed."""
    path = chosen_path(conversation, None, rules)
    if path != UNKNOWN_PATH:
        return path
    for part in reversed(list(parts_of(conversation))):
        button = clicked_button(part)
        if button in rules.button_paths:
            return chosen_path(conversation, button, rules)
    return UNKNOWN_PATH
