"""What belongs together: messages written in a row, and a message with its edited text. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any, Final
from uuid import UUID

from floodgate.events import Decision, Message, MessageKind
from pydantic import BaseModel, ConfigDict

from firewall.domain.ruling import Ruling
from firewall.domain.situation import Situation
from firewall.domain.text_rules import TextState

_MAX_KEPT_CHARS: Final = 2_000
_DIGEST_BYTES: Final = 4
# Channels tell whole seconds: what carries a second may have been written at its end.
_SECOND: Final = timedelta(seconds=1)


class Burst(BaseModel):
    """The last words of a conversation, with placeholders for personal data; gone with the next answer or hand-over.

    Attributes:
        before: What was written shortly before the last message, as one text.
        said_at: When something was said to the user after it: what they write then is an answer to that.
    """

    model_config = ConfigDict(frozen=True)

    before: str
    last: str
    last_event_id: UUID
    last_at: datetime
    said_at: datetime | None = None

    @property
    def text(self) -> str:
        """All of it."""
        return _joined(self.before, self.last)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message stands among others.

    Attributes:
        before: What was written shortly before and belongs to it, with placeholders.
        edition: Tells an edited text from the one that was screened before; empty for a first text.
    """

    before: str = ""
    edition: str = ""


def digest_of(message: Message) -> str:
    """Tells two texts of one message apart, and nothing about either."""
    return blake2b(message.event_id.bytes + message.text.encode(), digest_size=_DIGEST_BYTES).hexdigest()


def place_of(message: Message, burst: Burst | None, *, edited: bool, window: timedelta) -> Place:
    """Where a message stands."""
    edition = digest_of(message) if edited else ""
    if burst is None:
        return Place("", edition)
    if burst.last_event_id == message.event_id:
        return Place(burst.before, edition)
    if abs(message.occurred_at - burst.last_at) > window:
        return Place("", edition)
    if burst.said_at is not None and message.occurred_at + _SECOND > burst.said_at:
        return Place("", edition)
    return Place(burst.text, edition)


def burst_after(
    burst: Burst | None, message: Message, place: Place, *, masked: str, ruling: Ruling, now: datetime
) -> Burst | None:
    """The burst after a ruling; None where the conversation went to people.

    Args:
        burst: What it was.
        message: The message that was ruled on.
        place: Where it stood.
        masked: Its words with those before it, with placeholders.
        ruling: What was decided.
        now: When.
    """
    if ruling.decision in {Decision.ESCALATE, Decision.QUARANTINE}:
        return None
    own = masked.removeprefix(place.before).strip()
    said = ruling.decision is Decision.REDIRECT
    earlier_said = burst.said_at if burst is not None and place.before else None
    return Burst(
        before=place.before[-_MAX_KEPT_CHARS:],
        last=own[:_MAX_KEPT_CHARS],
        last_event_id=message.event_id,
        last_at=message.occurred_at,
        said_at=(earlier_said or now) if said else None,
    )


def goes_on(message: Message, queued: Iterable[Any], window: timedelta) -> str:
    """Why a message need not be judged by itself, for what follows it is there already; empty where it does.

    Args:
        message: The message.
        queued: What will be handled after it, in order.
        window: How long after it the next one still belongs to it.
    """
    for value in queued:
        if not isinstance(value, Message) or value.kind is not MessageKind.USER_MESSAGE:
            return ""
        if value.event_id == message.event_id:
            if value.text != message.text:
                return "It was edited meanwhile, so the edited text is assessed."
            continue
        belongs = abs(value.occurred_at - message.occurred_at) <= window and value.clicked_option is None
        return "It goes on in the next message, so both are assessed together." if belongs else ""
    return ""


def may_go_on(situation: Situation) -> bool:
    """Whether a message may be left to the next one's verdict: nothing in it is decided or pressing already."""
    decided = situation.human_joined or situation.waiting_for_human or situation.click or situation.question
    return not decided and not situation.rule_hits and not situation.asks_for_person


def is_undecided(ruling: Ruling, situation: Situation) -> bool:
    """Whether the next message may tell what this one did not: worth a moment before a person is asked."""
    return (
        ruling.reason_code == "low_confidence"
        or situation.text_state is not TextState.WORDS
        or (ruling.decision is Decision.PASS and ruling.category is None)
    )


def held(why: str) -> Ruling:
    """The ruling on a message that the next one's verdict covers: nothing is said or done for it alone."""
    return Ruling(Decision.PASS, why)


def said_once(ruling: Ruling, offered_path: str | None) -> Ruling:
    """A redirect without its reply where the same path was offered to the same burst a moment ago."""
    if ruling.decision is not Decision.REDIRECT or offered_path is None or ruling.suggested_path != offered_path:
        return ruling
    why = "It goes on what was redirected a moment ago, so the buttons that were offered stand."
    return replace(ruling, template=None, explanation=why)


def _joined(*texts: str) -> str:
    return "\n".join(text for text in texts if text)
