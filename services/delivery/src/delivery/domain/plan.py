"""From a record to ordered commands. Pure: the same record and state give the same commands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from floodgate.catalogue.models import Catalogue
from floodgate.events import Decision, Escalation, OutboundReply, Priority, Reply, Verdict

from delivery.domain.commands import (
    AnyCommand,
    AssignCommand,
    AttributesCommand,
    CloseCommand,
    NoteCommand,
    Option,
    ReplyCommand,
    TagCommand,
)

NOTICE: Final = "automated_notice"
SCREENED_TAG: Final = "floodgate"
UNSCREENED_TAG: Final = "floodgate:unscreened"
URGENT_TAG: Final = "floodgate:urgent"
QUARANTINE_TAG: Final = "floodgate:quarantine"
_URGENT_FROM: Final = 0.7


@dataclass(frozen=True, slots=True)
class Plan:
    """Commands in order.

    Attributes:
        reply_expires_at: When the reply among them is no longer sent.
        team: Team that gets the conversation when the reply among them cannot be sent; None when a team gets it anyway.
    """

    commands: tuple[AnyCommand, ...] = ()
    reply_expires_at: datetime | None = None
    rescue_team: str | None = None


class Planner:
    """Knows the catalogue's teams and texts.

    Args:
        catalogue: A checked catalogue.
        general_team: Team that gets what belongs to no other.
        close_resolved: Whether a resolved conversation is closed.
    """

    def __init__(self, catalogue: Catalogue, *, general_team: str = "general", close_resolved: bool = True) -> None:
        self._catalogue = catalogue
        self._close_resolved = close_resolved
        self._teams = {team.id: team for team in catalogue.teams}
        self._category_teams = {category.id: category.team for category in catalogue.categories}
        self._notices = {template.id: template.texts for template in catalogue.templates}.get(NOTICE, {})
        self._general_team = general_team

    def plan(self, event: Verdict | Reply | Escalation, *, notice_sent: bool) -> Plan:
        """What has to be done for one event."""
        match event:
            case Verdict():
                return self._for_verdict(event, notice_sent=notice_sent)
            case Reply():
                return self._for_reply(event, notice_sent=notice_sent)
            case Escalation():
                return self._for_escalation(event, notice_sent=notice_sent)

    def assign(self, team: str | None) -> AssignCommand | None:
        """The queue of a team, or the general one; None when the catalogue has neither."""
        found = self._teams.get(team or "") or self._teams.get(self._general_team)
        return None if found is None else AssignCommand(team=found.id, channel_team_id=found.intercom_team_id)

    def _for_verdict(self, verdict: Verdict, *, notice_sent: bool) -> Plan:
        match verdict.decision:
            case Decision.PASS if verdict.team is not None:
                tags = (SCREENED_TAG,) if verdict.screened else (SCREENED_TAG, UNSCREENED_TAG)
                assign = self.assign(verdict.team)
                routing = (_verdict_attributes(verdict), TagCommand(tags=tags))
                return Plan((*routing, *((assign,) if assign else ())))
            case Decision.REDIRECT if verdict.reply is not None:
                said = self._reply(verdict.reply, notice_sent=notice_sent)
                team = verdict.team or self._category_teams.get(verdict.category or "")
                return Plan((said, _verdict_attributes(verdict)), rescue_team=team or self._general_team)
            case _:
                # Automate: the agent's records follow. Escalate, quarantine: the Escalation carries everything.
                return Plan()

    def _for_reply(self, reply: Reply, *, notice_sent: bool) -> Plan:
        commands: list[AnyCommand] = [self._reply(reply.reply, notice_sent=notice_sent)]
        attributes = {"floodgate_decision": "resolved" if reply.resolved else "automate"}
        if reply.category:
            attributes["floodgate_category"] = reply.category
        commands.append(AttributesCommand(values=attributes))
        if reply.note:
            commands.append(NoteCommand(title="Floodgate asks for your approval", text=reply.note))
        if reply.tags:
            commands.append(TagCommand(tags=reply.tags))
        if reply.team is not None and (assign := self.assign(reply.team)) is not None:
            # Who has to decide must see it; the workflow goes on by itself once they did.
            commands.append(assign)
        if reply.resolved and self._close_resolved:
            commands.append(CloseCommand())
        team = self._category_teams.get(reply.category or "", self._general_team)
        return Plan(tuple(commands), reply.expires_at, rescue_team=team)

    def _for_escalation(self, escalation: Escalation, *, notice_sent: bool) -> Plan:
        commands: list[AnyCommand] = []
        if escalation.reply is not None:
            commands.append(self._reply(escalation.reply, notice_sent=notice_sent))
        if escalation.note:
            commands.append(NoteCommand(title=_note_title(escalation), text=escalation.note))
        commands.append(AttributesCommand(values=_escalation_attributes(escalation)))
        commands.append(TagCommand(tags=_escalation_tags(escalation)))
        assign = self.assign(escalation.team)
        if assign is not None:
            commands.append(assign)
        return Plan(tuple(commands), escalation.expires_at)

    def _reply(self, reply: OutboundReply, *, notice_sent: bool) -> ReplyCommand:
        text = reply.text
        if not notice_sent:
            notice = self._notices.get(reply.language) or self._notices.get(self._catalogue.default_language, "")
            text = f"{notice}\n\n{text}" if notice else text
        options = tuple(Option(option_id=str(option.option_id), label=option.label) for option in reply.options)
        return ReplyCommand(text=text, language=reply.language, options=options)


def _verdict_attributes(verdict: Verdict) -> AttributesCommand:
    values = {
        "floodgate_decision": str(verdict.decision),
        "floodgate_category": verdict.category or "none",
        "floodgate_urgency": f"{verdict.urgency:.2f}",
    }
    if verdict.language:
        values["floodgate_language"] = verdict.language
    return AttributesCommand(values=values)


def _escalation_attributes(escalation: Escalation) -> dict[str, str]:
    values = {
        "floodgate_decision": "quarantine" if _quarantined(escalation) else "escalate",
        "floodgate_category": escalation.category or "none",
        "floodgate_reason": escalation.reason_code,
        "floodgate_urgency": f"{escalation.urgency:.2f}",
    }
    if escalation.language:
        values["floodgate_language"] = escalation.language
    return values


def _escalation_tags(escalation: Escalation) -> tuple[str, ...]:
    tags = [SCREENED_TAG, *escalation.tags]
    if escalation.urgent or escalation.urgency >= _URGENT_FROM:
        tags.append(URGENT_TAG)
    if _quarantined(escalation):
        tags.append(QUARANTINE_TAG)
    return tuple(dict.fromkeys(tags))


def _quarantined(escalation: Escalation) -> bool:
    return escalation.reason_code in {"injection", "abuse", "spam"} and escalation.priority is Priority.LOW


def _note_title(escalation: Escalation) -> str:
    urgent = "Urgent: " if escalation.urgent else ""
    return f"{urgent}Floodgate hands over ({escalation.reason_code.replace('_', ' ')})"
