"""A teammate's word on a proposal, given as a note in Intercom: `approve <id>`, or `reject <id>` and why."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from uuid import UUID

from floodgate.events import Approval, ApprovalDecision, conversation_key
from floodgate.events.ids import REVIEWERS

from ingest.domain.identity import message_event_id
from ingest.domain.intercom_parts import (
    CHANNEL,
    IntercomRules,
    Speaker,
    member,
    parts_of,
    said,
    speaker_of,
    text_id,
    unix_time,
    word,
)

NOTE_TOPIC: Final = "conversation.admin.noted"
_NOTES: Final = frozenset(("note", "note_and_reopen"))
_WORD: Final = re.compile(
    r"\s*(?P<decision>approve|reject)\s+(?P<id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b[\s:,.\-]*(?P<reason>.*)",
    re.IGNORECASE | re.DOTALL,
)
_MAX_REASON: Final = 500


def approvals_of(conversation: object, rules: IntercomRules) -> tuple[Approval, ...]:
    """The words in the notes of a notification; a note that says anything else is none.

    The whole note has to be the word, and a person has to have written it: our own note, which names the id, is none.
    An approval says nothing more, so that "approve … but only half" decides nothing.
    """
    if not isinstance(conversation, Mapping) or not text_id(conversation.get("id")):
        return ()
    return tuple(_approvals(conversation, rules))


def _approvals(conversation: Mapping[str, Any], rules: IntercomRules) -> Iterator[Approval]:
    conversation_id = text_id(conversation.get("id"))
    for part in parts_of(conversation):
        if word(part.get("part_type")) not in _NOTES or speaker_of(part, rules) is not Speaker.HUMAN:
            continue
        given, part_id = _WORD.fullmatch(said(part)), text_id(part.get("id"))
        happened_at = unix_time(part.get("created_at")) or unix_time(conversation.get("updated_at"))
        if given is None or not part_id or happened_at is None:
            continue
        decision, reason = ApprovalDecision(given["decision"].lower()), given["reason"].strip()
        if decision is ApprovalDecision.APPROVE and reason:
            continue
        teammate = text_id(member(part, "author", "id"))
        yield Approval(
            event_id=message_event_id(CHANNEL, conversation_id, f"{part_id}:approval"),
            occurred_at=happened_at,
            conversation_id=conversation_key(CHANNEL, conversation_id),
            proposal_id=UUID(given["id"]),
            decision=decision,
            actor=rules.pseudonyms.contact_id(REVIEWERS, f"{CHANNEL}:{teammate}"),
            reason=reason[:_MAX_REASON],
        )
