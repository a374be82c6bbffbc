"""Turns what the interpreter decided into records: replies, hand-overs and the note for the human."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from floodgate.events import (
    ActionResult,
    ActionStatus,
    Citation,
    Escalation,
    EscalationSource,
    ModelUsage,
    OutboundReply,
    Priority,
    Reply,
    ReplyOption,
    Turn,
    TurnRole,
    Verdict,
    Versions,
    derive_event_id,
)
from floodgate.events.times import from_ms
from floodgate.opening_hours import Opening

from agent.domain.exchange import HandedOver
from agent.domain.model import Workflow
from agent.domain.state import ActionRecord, Case, Run

RESOLVED_TAG: Final = "floodgate:resolved"
STOPPED_TAG: Final = "floodgate:stopped-by-user"
HANDED_OVER_TAG: Final = "floodgate:handed-over"

REASONS: Final[Mapping[str, str]] = {
    "asked_for_person": "The user asked for a person.",
    "over_limit": "It is outside what automation may decide.",
    "backend_refused": "The shop refused it.",
    "backend_failed": "The shop did not answer.",
    "not_understood": "The answers could not be understood.",
    "not_verified": "It is not certain who the user is, or nothing was found under the account.",
    "never_automate": "Automation of this is switched off.",
    "poison": "The message could not be processed.",
    "approval_rejected": "A colleague did not approve what automation proposed.",
    "approval_expired": "Nobody decided in time about what automation proposed.",
}
_SHOWN_TURNS: Final = 6
_SHOWN_CHARACTERS: Final = 160
_URGENT_FROM: Final = 0.7
_SPEAKERS: Final[Mapping[str, str]] = {"customer": "User", "bot": "We"}
_STATUS_WORDS: Final[Mapping[str, str]] = {
    "done": "done",
    "refused": "refused by the shop, nothing changed",
    "failed": "failed, nothing changed",
    "unknown": "NOT KNOWN whether it was done: check before doing it again",
}
_OF_THE_ENGINE: Final = frozenset({"failed", "expired"})
"""Not words of the shop: what they mean is said already."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What every record of one handling shares.

    Attributes:
        cause: Event id of the verdict being handled.
        reply_ttl_seconds: How long a reply may wait before it is not sent any more.
    """

    cause: UUID
    now: datetime
    versions: Versions
    usage: ModelUsage
    reply_ttl_seconds: float

    @property
    def expires_at(self) -> datetime:
        """When its replies are no longer worth sending."""
        return self.now + timedelta(seconds=self.reply_ttl_seconds)


_UNKNOWN: Final = Opening()


@dataclass(frozen=True, slots=True)
class Wait:
    """How long it may take until a colleague answers.

    Attributes:
        waiting: Conversations that wait for the team already.
        text: What the user is told about it.
    """

    opening: Opening = _UNKNOWN
    waiting: int = 0
    text: str = ""

    def after(self, text: str) -> str:
        """What is said, and then how long it may take."""
        return "\n\n".join(part for part in (text, self.text) if part)


def case_of(verdict: Verdict, language: str, catalogue_version: str) -> Case:
    """Whose case a verdict begins or carries on."""
    return Case(
        cause_event_id=str(verdict.event_id),
        channel=verdict.message.channel,
        contact_id=verdict.message.contact_id,
        contact_verified=verdict.message.contact_verified,
        language=language,
        country=verdict.country or verdict.message.country,
        category=verdict.category,
        wants=verdict.wants,
        urgency=verdict.urgency,
        screened_urgent=verdict.urgent,
        urgency_reasons=verdict.urgency_reasons,
        catalogue=catalogue_version,
    )


def option_id(asked_by: UUID, value: str) -> UUID:
    """The id of a button: the same question of the same event always has the same ones."""
    return derive_event_id(asked_by, f"option:{value}")


def reply_record(
    key: str,
    case: Case,
    workflow: Workflow,
    moment: Moment,
    *,
    step: str,
    text: str,
    options: Sequence[ReplyOption] = (),
    awaits: str | None = None,
    resolved: bool = False,
    note: str = "",
    team: str | None = None,
    actions: Sequence[ActionRecord] = (),
    citations: Sequence[Citation] = (),
    tags: Sequence[str] = (),
) -> Reply:
    """What the agent says."""
    return Reply(
        event_id=derive_event_id(moment.cause, f"agent:reply:{step}"),
        occurred_at=moment.now,
        causation_id=moment.cause,
        conversation_id=key,
        channel=case.channel,
        contact_id=case.contact_id,
        reply=OutboundReply(text=text, language=case.language, options=tuple(options)),
        awaits=awaits,
        workflow=workflow.id,
        step=step,
        category=case.category or workflow.category,
        resolved=resolved,
        note=note,
        team=team,
        actions=action_results(actions),
        citations=tuple(citations),
        tags=tuple(tags),
        usage=moment.usage,
        versions=moment.versions,
        expires_at=moment.expires_at,
    )


def escalation_record(
    key: str,
    case: Case,
    moment: Moment,
    ending: HandedOver,
    *,
    team: str | None,
    run: Run | None,
    reply_text: str | None,
    citations: Sequence[Citation] = (),
    wait: Wait | None = None,
) -> Escalation:
    """The hand-over, complete: a human can go on from it alone."""
    wait = wait or Wait()
    return Escalation(
        event_id=derive_event_id(moment.cause, "agent:escalation"),
        occurred_at=moment.now,
        causation_id=moment.cause,
        conversation_id=key,
        channel=case.channel,
        contact_id=case.contact_id,
        source=EscalationSource.AGENT,
        reason_code=ending.reason,
        priority=Priority(ending.priority),
        urgent=case.screened_urgent,
        urgency=case.urgency,
        urgency_reasons=case.urgency_reasons,
        category=case.category,
        team=ending.team or team,
        language=case.language,
        country=case.country,
        wants=case.wants,
        slots=dict(run.slots) if run else {},
        steps=run.trace if run else (),
        actions=action_results(run.actions if run else ()),
        citations=tuple(citations),
        suggested_next_step=ending.suggested_next_step,
        note=note(case, ending, run, citations, wait),
        transcript=tuple(
            Turn(role=TurnRole(said.role), text=said.text, at=from_ms(said.at_ms)) for said in run.transcript
        )
        if run
        else (),
        team_open=wait.opening.is_open,
        team_back_at=wait.opening.back_at,
        waiting=wait.waiting,
        reply=None if reply_text is None else OutboundReply(text=reply_text, language=case.language),
        tags=(HANDED_OVER_TAG,),
        usage=moment.usage,
        versions=moment.versions,
        expires_at=moment.expires_at,
    )


def action_results(actions: Sequence[ActionRecord]) -> tuple[ActionResult, ...]:
    """Actions as the records carry them."""
    return tuple(
        ActionResult(
            action=action.action,
            idempotency_key=action.idempotency_key,
            status=ActionStatus(action.status),
            detail=action.detail,
        )
        for action in actions
    )


def note(
    case: Case, ending: HandedOver, run: Run | None, citations: Sequence[Citation] = (), wait: Wait | None = None
) -> str:
    """The hand-over as a colleague would write it: what, why, what is known, what was done, what next."""
    lines = [f"The user wants: {case.wants or 'see the conversation'}", f"Why you have it: {_reason(ending.reason)}"]
    if case.screened_urgent or case.urgency >= _URGENT_FROM:
        rules = f" ({', '.join(case.urgency_reasons)})" if case.urgency_reasons else ""
        lines.append(f"Urgency: {case.urgency:.2f}{rules}")
    if run is not None and run.slots:
        known = "; ".join(f"{name.replace('_', ' ')}: {value}" for name, value in sorted(run.slots.items()))
        lines.append(f"What we know: {known}")
    for action in run.actions if run else ():
        detail = f" ({action.detail})" if action.detail and action.detail not in _OF_THE_ENGINE else ""
        undo = f"; taken back by: {action.undo}" if action.undo and not _tried(run, action) else ""
        undo += " (takes back what was done before)" if action.takes_back else ""
        what = f"{action.action.replace('_', ' ')}{_called_with(run, action)}"
        lines.append(f"Action: {what}: {_STATUS_WORDS[action.status]}{detail}{undo}")
    if run is not None and not run.actions:
        lines.append("Action: none, nothing was changed")
    if citations:
        lines.append(f"Knowledge: {'; '.join(f'{cited.title} ({cited.article_id})' for cited in citations)}")
    lines.append(f"Next: {ending.suggested_next_step}")
    if wait is not None and wait.text:
        lines.append(f"The user was told: {wait.text}")
    if run is not None and run.transcript:
        said = run.transcript[-_SHOWN_TURNS:]
        lines += ["What was said:", *(f"  {_SPEAKERS.get(turn.role, 'We')}: {_one_line(turn.text)}" for turn in said)]
    if run is not None and run.trace:
        lines.append(f"Steps: {' · '.join(run.trace[-12:])}")
    lines.append(f"Language: {case.language}")
    return "\n".join(lines)


def _called_with(run: Run | None, action: ActionRecord) -> str:
    """What an action was called with, as far as the path may keep it: nothing that a person wrote themselves."""
    path = () if run is None or action.takes_back else run.path
    way = f"calls {action.action}"
    inputs = next((taken.inputs for taken in reversed(path) if (taken.step, taken.way) == (action.step, way)), {})
    told = ", ".join(_told(name, value) for name, value in inputs.items())
    return f" ({told})" if told else ""


def _told(name: str, value: object) -> str:
    """`data.order.number` and TK-40001 as "order number TK-40001"; cents as an amount."""
    words = name.partition(".")[2].replace(".", " ").replace("_", " ")
    if words.endswith(" cents") and isinstance(value, int):
        return f"{words.removesuffix(' cents')} {value / 100:.2f}"
    return f"{words} {value}"


def _tried(run: Run | None, action: ActionRecord) -> bool:
    return run is not None and any(other.takes_back == action.idempotency_key for other in run.actions)


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN_CHARACTERS else f"{line[: _SHOWN_CHARACTERS - 1]}…"


def _reason(code: str) -> str:
    return f"{REASONS.get(code, 'Automation could not go on.')} [{code}]"
