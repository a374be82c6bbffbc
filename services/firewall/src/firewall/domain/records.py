"""Rulings as records: the verdict, and the hand-off that goes with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from floodgate.catalogue import PERSON_PATH, CatalogueIndex
from floodgate.events import (
    Citation,
    Decision,
    Escalation,
    EscalationSource,
    Message,
    Misuse,
    ModelUsage,
    OutboundReply,
    ReplyOption,
    Verdict,
    Versions,
    derive_event_id,
)
from floodgate.knowledge import Passage

from firewall.domain.ruling import Ruling
from firewall.domain.teams import default_team

VERDICT_STEP: Final = "verdict"
ESCALATION_STEP: Final = "escalation"
_REPLY_LIFETIME: Final = timedelta(hours=24)
_TAG: Final = "floodgate:"
_NEXT_STEPS: Final[Mapping[str, str]] = {
    "urgent": "Look at it now; the customer was told that a colleague is on it.",
    "low_confidence": "Read it and answer; if it belongs elsewhere, tag floodgate:wrong-path:<path>.",
    "asked_for_person": "Answer; the customer did not want the offered paths.",
    "redirected_twice": "Answer; do not send the customer to another path again.",
    "not_screened": "Read it as it came; nothing has been checked.",
    "never_automate": "Answer; this subject is for people only.",
    "injection": "No hurry. Check whether there is a genuine question in it; the customer got a polite answer.",
    "abuse": "No hurry. Answer by the house rules; the customer got a polite answer.",
    "spam": "No hurry. Close it when it is spam indeed.",
    "poison": "Read it as it came; the record is in the dead letters.",
}


@dataclass(frozen=True, slots=True)
class Findings:
    """What else is known when a ruling is written down.

    Attributes:
        edition: Tells an edited text from the one that was screened before; empty for a first text.
    """

    now: datetime
    language: str
    versions: Versions
    elapsed_ms: int = 0
    redirect_count: int = 0
    screened: bool = True
    usage: ModelUsage = field(default_factory=ModelUsage)
    passages: Sequence[Passage] = ()
    edition: str = ""

    def step(self, name: str) -> str:
        """A step of this text of the message: an edited one has ids of its own."""
        return f"{name}:{self.edition}" if self.edition else name


def verdict_of(message: Message, ruling: Ruling, findings: Findings, index: CatalogueIndex) -> Verdict:
    """The verdict on one message; its id follows from the message, so that a repeat is the same verdict."""
    return Verdict(
        event_id=derive_event_id(message.event_id, findings.step(VERDICT_STEP)),
        occurred_at=findings.now,
        causation_id=message.event_id,
        conversation_id=message.conversation_id,
        decision=ruling.decision,
        message=message,
        category=ruling.category,
        matches_chosen_path=ruling.matches_chosen_path,
        suggested_path=ruling.suggested_path,
        misuse=ruling.misuse,
        urgent=ruling.urgent,
        urgency=ruling.urgency,
        urgency_reasons=ruling.urgency_reasons,
        workflow=ruling.workflow,
        wants=ruling.wants,
        confidence=ruling.confidence,
        evidence=ruling.evidence,
        explanation=ruling.explanation,
        language=findings.language,
        country=message.country,
        team=ruling.team,
        reply=_redirect(message, ruling, findings.language, index),
        redirect_count=findings.redirect_count,
        mode=ruling.mode,
        observed=ruling.observed,
        screened=findings.screened,
        citations=_citations(findings.passages),
        usage=findings.usage,
        versions=findings.versions,
        elapsed_ms=findings.elapsed_ms,
    )


def escalation_of(message: Message, ruling: Ruling, findings: Findings, index: CatalogueIndex) -> Escalation | None:
    """The hand-off that goes with an escalation or a quarantine; None for other decisions."""
    if ruling.reason_code is None:
        return None
    return Escalation(
        event_id=derive_event_id(message.event_id, findings.step(ESCALATION_STEP)),
        occurred_at=findings.now,
        causation_id=message.event_id,
        conversation_id=message.conversation_id,
        channel=message.channel,
        contact_id=message.contact_id,
        source=EscalationSource.FIREWALL,
        reason_code=ruling.reason_code,
        priority=ruling.priority,
        urgent=ruling.urgent,
        urgency=ruling.urgency,
        urgency_reasons=ruling.urgency_reasons,
        category=ruling.category,
        team=ruling.team,
        language=findings.language,
        country=message.country,
        wants=ruling.wants,
        steps=("screened by the firewall" if findings.screened else "not screened",),
        citations=_citations(findings.passages),
        suggested_next_step=_NEXT_STEPS.get(ruling.reason_code, ""),
        note=note_of(message, ruling, findings),
        reply=_said(ruling, findings.language, index),
        tags=tags_of(ruling),
        usage=findings.usage,
        versions=findings.versions,
        expires_at=findings.now + _REPLY_LIFETIME,
    )


def unreadable_escalation(
    conversation_id: str, event_id: UUID, now: datetime, index: CatalogueIndex, versions: Versions
) -> Escalation:
    """The hand-off for a record whose bytes cannot be read: only its key says whose conversation it is."""
    ruling = Ruling(
        Decision.ESCALATE,
        "A message of this conversation could not be read, so a colleague looks at the conversation itself.",
        reason_code="poison",
        team=default_team(index),
        template="escalated",
    )
    return Escalation(
        event_id=event_id,
        occurred_at=now,
        conversation_id=conversation_id,
        channel=conversation_id.partition(":")[0],
        contact_id="",
        source=EscalationSource.FIREWALL,
        reason_code="poison",
        priority=ruling.priority,
        team=ruling.team,
        suggested_next_step=_NEXT_STEPS["poison"],
        note=ruling.explanation,
        reply=_said(ruling, index.catalogue.default_language, index),
        tags=tags_of(ruling),
        versions=versions,
        expires_at=now + _REPLY_LIFETIME,
    )


def note_of(message: Message, ruling: Ruling, findings: Findings) -> str:
    """The hand-off as people like to read it: why, what, where from, what next."""
    lines = [ruling.explanation]
    if ruling.wants:
        lines.append(f"Wants: {ruling.wants}")
    if ruling.evidence:
        lines.append("Rests on: " + ", ".join(f"“{quote}”" for quote in ruling.evidence))
    lines.append(f"Path chosen: {message.chosen_path}. Language: {findings.language or 'unknown'}.")
    if ruling.misuse not in {Misuse.NONE, Misuse.UNKNOWN}:
        lines.append(f"Misuse: {ruling.misuse.value}.")
    step = _NEXT_STEPS.get(ruling.reason_code or "", "")
    if step:
        lines.append(f"Next: {step}")
    return "\n".join(lines)


def tags_of(ruling: Ruling) -> tuple[str, ...]:
    """Tags of a hand-off."""
    tags = [f"{_TAG}{ruling.reason_code}"]
    if ruling.urgent:
        tags += [f"{_TAG}{reason}" for reason in ruling.urgency_reasons]
    if ruling.misuse is Misuse.BYPASS:
        tags.append(f"{_TAG}bypass")
    return tuple(dict.fromkeys(tags))


def _said(ruling: Ruling, language: str, index: CatalogueIndex) -> OutboundReply | None:
    if ruling.template is None or ruling.template not in index.templates:
        return None
    return OutboundReply(text=index.template(ruling.template, language), language=index.language(language))


def _redirect(message: Message, ruling: Ruling, language: str, index: CatalogueIndex) -> OutboundReply | None:
    if ruling.decision is not Decision.REDIRECT or ruling.template is None:
        return None
    options = tuple(
        ReplyOption(
            option_id=derive_event_id(message.event_id, f"option:{path}"),
            label=_label(path, language, index),
            path=path,
        )
        for path in ruling.offered_paths
    )
    text = index.template(ruling.template, language).format(path_label=options[0].label)
    return OutboundReply(text=text, language=index.language(language), options=options)


def _label(path: str, language: str, index: CatalogueIndex) -> str:
    if path == PERSON_PATH:
        return index.template("redirect_none_of_these", language)
    return index.path_label(path, language)


def _citations(passages: Sequence[Passage]) -> tuple[Citation, ...]:
    return tuple(
        Citation(
            article_id=passage.article_id, chunk_id=passage.chunk_id, title=passage.title, language=passage.language
        )
        for passage in passages
    )
