"""Writes the agent's records: replies with their buttons, and hand-overs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from floodgate.events import (
    Citation,
    ModelUsage,
    ProposalMode,
    ProposalStatus,
    ReplyOption,
    Verdict,
    Versions,
    edge_event_id,
)
from floodgate.events.times import from_ms
from floodgate.opening_hours import Opening, opening_of, waiting_text
from floodgate.privacy import redact
from keyflow import Emit, FailedRecord

from agent.domain.exchange import AwaitUser, HandedOver, Need, Utterance
from agent.domain.library import Library
from agent.domain.model import Workflow
from agent.domain.proposals import APPROVAL_TAG, decided, proposal_of
from agent.domain.records import Moment, Wait, case_of, escalation_record, option_id, reply_record
from agent.domain.scope import Context
from agent.domain.state import SAID_LENGTH, TRANSCRIPT_LENGTH, Case, Held, Run, Said
from agent.domain.walking import TROUBLE

REPLIES: Final = "support.replies"
ESCALATIONS: Final = "support.escalations"
PROPOSALS: Final = "support.proposals"


@dataclass
class Turn:
    """What is gathered while one record is handled.

    Attributes:
        noted: Whether what the user said is in the transcript already.
        opening: The message that began the case, when it is the one being handled.
    """

    key: str
    case: Case
    workflow: Workflow
    context: Context
    now_ms: int
    says: list[Utterance] = field(default_factory=list)
    usage: ModelUsage = field(default_factory=ModelUsage)
    model_asked: bool = False
    opening: str = ""
    noted: bool = False
    citations: list[Citation] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Ending:
    """A hand-over that no workflow decided, and what the user is told."""

    need: HandedOver
    template: str


class Writer:
    """Makes records out of what was decided.

    Args:
        library: Texts, teams, catalogue version.
        reply_ttl_seconds: How long a reply may wait before it is not sent any more.
        service_version: Named in every record.
        prompt: Name and version of the slot prompt, named where the model was asked.
        waiting: How many conversations wait for a team.
    """

    def __init__(
        self,
        library: Library,
        reply_ttl_seconds: float,
        service_version: str,
        prompt: str = "",
        *,
        waiting: Callable[[str | None], int] = lambda _: 0,
    ) -> None:
        self._library = library
        self._waiting = waiting
        self._reply_ttl_seconds = reply_ttl_seconds
        self._service_version = service_version
        self._prompt = prompt

    def reply(
        self,
        turn: Turn,
        run: Run,
        *,
        waiting: AwaitUser | None = None,
        awaits: str | None = None,
        resolved: bool = False,
        note: str = "",
        tags: Sequence[str] = (),
    ) -> Emit:
        """What the user is told, with the buttons of the open question, and what a colleague has to decide."""
        options = []
        for button in waiting.buttons if waiting else ():
            label = self._library.render(button.label, turn.case.language)
            identity = option_id(UUID(turn.case.cause_event_id), button.value)
            options.append(ReplyOption(option_id=identity, label=label, value=button.value))
        reply = reply_record(
            turn.key,
            turn.case,
            turn.workflow,
            self._moment(turn),
            step=run.step,
            text=self.text(turn),
            options=options,
            awaits=waiting.slot if waiting else awaits,
            resolved=resolved,
            note=note,
            team=self._team(turn) if note else None,
            actions=run.actions,
            citations=turn.citations,
            tags=(*tags, APPROVAL_TAG) if note else tags,
        )
        return Emit(REPLIES, turn.key, reply)

    def proposal(
        self,
        turn: Turn,
        run: Run,
        need: Need,
        *,
        proposal_id: UUID,
        mode: ProposalMode,
        status: ProposalStatus,
        held: Held | None = None,
    ) -> Emit:
        """What a workflow would do, or wants to."""
        record = proposal_of(
            turn.key,
            turn.case,
            turn.workflow,
            self._moment(turn),
            run,
            need=need,
            proposal_id=proposal_id,
            mode=mode,
            status=status,
            text=self.text(turn),
            team=self._team(turn),
            held=held,
        )
        return Emit(PROPOSALS, turn.key, record)

    def decided(
        self,
        key: str,
        case: Case,
        run: Run,
        held: Held,
        *,
        status: ProposalStatus,
        actor: str,
        reason: str,
        now_ms: int,
    ) -> Emit:
        """What became of a proposal."""
        moment = self._moment_of(case, run, now_ms)
        record = decided(held, key, case, run, status=status, moment=moment, actor=actor, reason=reason)
        return Emit(PROPOSALS, key, record)

    def escalation(self, turn: Turn, need: HandedOver, run: Run, citations: Sequence[Citation], said: str = "") -> Emit:
        """A hand-over that the workflow decided; `said` is what it had said before it waited for something."""
        team = self._team(turn)
        moment, wait = self._moment(turn), self._wait(need.team or team, turn.context.now, turn.case.language)
        text = wait.after(said or self.text(turn))
        record = escalation_record(
            turn.key, turn.case, moment, need, team=team, run=run, reply_text=text, citations=citations, wait=wait
        )
        return Emit(ESCALATIONS, turn.key, record)

    def ending(
        self,
        key: str,
        case: Case,
        run: Run | None,
        ending: Ending,
        *,
        now_ms: int,
        citations: Sequence[Citation] = (),
    ) -> Emit:
        """A hand-over that no workflow decided."""
        moment = self._moment_of(case, run, now_ms)
        team = self._library.team(case.category)
        wait = self._wait(ending.need.team or team, moment.now, case.language)
        text = wait.after(self._library.render(Utterance(ending.template), case.language))
        record = escalation_record(
            key, case, moment, ending.need, team=team, run=run, reply_text=text, citations=citations, wait=wait
        )
        return Emit(ESCALATIONS, key, record)

    def poisoned(self, failed: FailedRecord, verdict: Verdict | None, now_ms: int) -> Emit | None:
        """The hand-over of a conversation whose record cannot be processed; None when nobody knows which one."""
        key = (failed.raw_key or b"").decode(errors="ignore")
        if not key:
            return None
        need = HandedOver("poison", "Read the conversation; its last message could not be processed.")
        if verdict is not None:
            case = case_of(verdict, self._library.language(verdict.language), self._library.catalogue.version)
        else:
            place = f"{failed.topic}/{failed.partition}/{failed.offset}"
            case = Case(
                cause_event_id=str(edge_event_id("agent", place)),
                channel=key.partition(":")[0],
                contact_id="",
                contact_verified=False,
                language=self._library.catalogue.default_language,
            )
        return self.ending(key, case, None, Ending(need, TROUBLE), now_ms=now_ms)

    def heard(self, turn: Turn, run: Run) -> Run:
        """The run with what was said last, personal data as placeholders."""
        said = [("customer", turn.context.said)] if turn.context.said and not turn.noted else []
        bot = self.text(turn)
        said += [("bot", bot)] if bot else []
        country, language = turn.case.country, turn.case.language
        lines = [
            Said(role=role, text=redact(text, language=language, country=country).text[:SAID_LENGTH], at_ms=turn.now_ms)
            for role, text in said
        ]
        return run.model_copy(update={"transcript": (*run.transcript, *lines)[-TRANSCRIPT_LENGTH:]})

    def _wait(self, team_id: str | None, now: datetime, language: str) -> Wait:
        catalogue, waiting = self._library.catalogue, self._waiting(team_id)
        team = next((team for team in catalogue.teams if team.id == team_id), None)
        opening = Opening() if team is None else opening_of(team, now)
        return Wait(opening, waiting, waiting_text(catalogue, team_id, now, language, waiting))

    def _team(self, turn: Turn) -> str | None:
        return self._library.team(turn.case.category) or self._library.team(turn.workflow.category)

    def _moment_of(self, case: Case, run: Run | None, now_ms: int) -> Moment:
        versions = Versions(
            service=self._service_version,
            catalogue=self._library.catalogue.version,
            workflow=run.workflow if run else "",
        )
        return Moment(
            cause=UUID(case.cause_event_id),
            now=from_ms(now_ms),
            versions=versions,
            usage=ModelUsage(),
            reply_ttl_seconds=self._reply_ttl_seconds,
        )

    def text(self, turn: Turn) -> str:
        """What is said in this turn."""
        return "\n\n".join(self._library.render(said, turn.case.language) for said in turn.says)

    def _moment(self, turn: Turn) -> Moment:
        versions = Versions(
            service=self._service_version,
            catalogue=self._library.catalogue.version,
            prompt=self._prompt if turn.model_asked else "",
            workflow=turn.workflow.reference,
        )
        return Moment(
            cause=UUID(turn.case.cause_event_id),
            now=turn.context.now,
            versions=versions,
            usage=turn.usage,
            reply_ttl_seconds=self._reply_ttl_seconds,
        )
