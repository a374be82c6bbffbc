"""One function per event. Decisions are the interpreter's; this gathers what it needs and writes down what it says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from floodgate.catalogue.models import Automation
from floodgate.events import Approval, Citation, Decision, Message, ProposalStatus, Verdict
from floodgate.events.times import from_ms
from floodgate.modes import Modes
from floodgate.telemetry import counter, get_logger
from keyflow import EffectResult, Emit, FailedRecord, Outcome, Record, Tools
from keyflow.errors import PoisonMessageError

from agent import unwinding
from agent.approving import Approvals, held_of, shop_effect
from agent.domain import interpreter
from agent.domain.calls import Backend
from agent.domain.exchange import (
    AwaitUser,
    CallReturned,
    HandedOver,
    NeedAct,
    Resolved,
    Stopped,
    Transition,
    UserTurn,
)
from agent.domain.library import Library
from agent.domain.model import Workflow
from agent.domain.records import RESOLVED_TAG, STOPPED_TAG, case_of
from agent.domain.scope import Context
from agent.domain.state import AgentState, Case, Run
from agent.domain.walking import TROUBLE
from agent.driving import Driver
from agent.following import (
    after_other_decision,
    call_result,
    continues,
    handed_over,
    name_of,
    on_message,
    told_first,
    user_turn,
)
from agent.knowledge import Knowledge
from agent.ports import SlotReader
from agent.settings import AgentSettings
from agent.shadowing import Shadows
from agent.writing import Ending, Turn, Writer

log = get_logger(__name__)

VERDICTS: Final = "support.verdicts"

UNVERIFIED: Final = Ending(
    HandedOver("not_verified", "Verify who the user is; then do what they ask."), "wf_common_not_verified"
)
WORKFLOW_CHANGED: Final = Ending(
    HandedOver("backend_failed", "The workflow was changed while this conversation was in it; go on by hand."),
    TROUBLE,
)
SWITCHED_OFF: Final = Ending(
    HandedOver("never_automate", "Automation of this was switched off meanwhile; do what the user asks by hand."),
    TROUBLE,
)
OUT_OF_TIME: Final = Ending(
    HandedOver("backend_failed", "Automation could not finish in time; do what the user asks."), TROUBLE
)

_runs = counter("floodgate_agent_runs_total", "Workflows that ended, by how", ("workflow", "ending"))
_actions = counter("floodgate_agent_actions_total", "Actions by result", ("action", "status"))
_silent = counter("floodgate_agent_silent_total", "Verdicts left alone because a human has the case")

Earlier = Callable[[str], Awaitable["AgentHandler | None"]]
"""The handler of an earlier version of the catalogue, while there is one."""


class AgentHandler:
    """Runs workflows: verdicts in, replies, hand-overs and shop effects out.

    Args:
        earlier: Finds the version that a running conversation started with, on which it finishes.
        level: How far a workflow may go now, by the catalogue of now and the operator's limits; its own catalogue's
            word where none is passed.
    """

    def __init__(
        self,
        library: Library,
        backend: Backend,
        reader: SlotReader,
        settings: AgentSettings,
        *,
        knowledge: Knowledge,
        writer: Writer,
        now_ms: Callable[[], int],
        earlier: Earlier | None = None,
        level: Callable[[str], Automation] | None = None,
    ) -> None:
        self._library = library
        self._settings = settings
        self._level = level or (lambda workflow_id: self._library.level(workflow_id, Modes()))
        self._driver = Driver(backend, reader, knowledge, settings)
        self._shadows = Shadows(library, self._driver, writer, self._turn)
        self._approvals = Approvals(writer, ttl_seconds=settings.approval_ttl_seconds)
        self._knowledge = knowledge
        self._writer = writer
        self._now_ms = now_ms
        self._earlier = earlier

    @property
    def library(self) -> Library:
        """The workflows that it runs."""
        return self._library

    async def handle(self, record: Record, state: AgentState | None, tools: Tools) -> Outcome[AgentState]:
        """Handles a verdict or a decision about a proposal, or follows what happens to the conversation.

        Raises:
            RetryableError: The shop did not answer and there is time to ask again.
            PoisonMessageError: The topic carries something else.
        """
        state = state or AgentState()
        match record.value:
            case Verdict() as verdict if not state.seen(str(verdict.event_id)):
                return await self._on_verdict(record.key, verdict, state.noted(str(verdict.event_id)), tools)
            case Message() as message if not state.seen(str(message.event_id)):
                return self._on_message(record.key, message, state, tools)
            case Approval() as approval if not state.seen(str(approval.event_id)):
                return await self._on_approval(record.key, approval, state.noted(str(approval.event_id)), tools)
            case Verdict() | Message() | Approval():
                return Outcome()
        raise PoisonMessageError(f"{record.topic} carries no Verdict, Message or Approval")

    async def resume(
        self, result: EffectResult, key: str, state: AgentState | None, tools: Tools
    ) -> Outcome[AgentState]:
        """Goes on with the workflow after an action.

        Raises:
            RetryableError: A look-up after it got no answer and there is time to ask again.
            PoisonMessageError: The state that the action was decided in is gone.
        """
        if state is None or state.run is None or state.case is None:
            raise PoisonMessageError("an action came back to a conversation without a running workflow")
        returned = CallReturned(call_result(result), result.effect.idempotency_key)
        _actions.labels(action=result.effect.payload["call"], status=str(returned.result.outcome)).inc()
        workflow = self._library.by_reference(state.run.workflow)
        if workflow is None and (begun_by := await self._begun_by(state.run, state.case)) is not None:
            return await begun_by.resume(result, key, state, tools)
        if workflow is None:
            run = interpreter.with_action(state.run, result.effect.payload["call"], returned)
            return await self._end(key, state, state.case, run, ending=WORKFLOW_CHANGED, tools=tools)
        turn = self._turn(key, state.case, workflow, tools)
        if state.unwinding is not None:
            ttl_seconds = self._settings.action_ttl_seconds
            return unwinding.go_on(turn, state, state.run, result, writer=self._writer, ttl_seconds=ttl_seconds)
        if state.carried_usage is not None:
            turn.usage, turn.model_asked = state.carried_usage, True
        transition = interpreter.advance(turn.context, state.run, returned)
        return await self._drive(turn, state, transition, tools)

    async def _on_verdict(self, key: str, verdict: Verdict, state: AgentState, tools: Tools) -> Outcome[AgentState]:
        if verdict.decision is not Decision.AUTOMATE:
            left = after_other_decision(verdict, state)
            gone = self._withdrawn(key, state, left, str(verdict.event_id), tools)
            beside = await self._shadows.beside(key, verdict, left, tools)
            return told_first(gone, beside)
        if state.human_joined or state.handed_over:
            # The firewall automates nothing then; this verdict was on its way before it knew.
            _silent.inc()
            log.info("agent.silent", event_id=str(verdict.event_id), handed_over=state.handed_over)
            return Outcome(state=state)
        if state.held is not None and state.run is not None:
            return await self._while_held(key, verdict, state, state.run, tools)
        run, case = self._run_and_case(verdict, state)
        opening = verdict.message.text if run is None else ""
        workflow = self._workflow_for(verdict, run)
        begun_by = await self._begun_by(run, case) if run is not None and workflow is None else None
        if begun_by is not None and self._may_run(name_of(run)):
            return await begun_by._on_verdict(key, verdict, state, tools)
        ending = self._obstacle(verdict, case, workflow)
        if workflow is None or ending is not None:
            ending = ending or WORKFLOW_CHANGED
            return await self._end(key, state, case, run, ending=ending, tools=tools, opening=opening)
        state = state.model_copy(update={"case": case})
        turn = self._turn(key, case, workflow, tools, verdict.message)
        turn.opening = opening
        if run is None:
            transition = interpreter.begin(turn.context, verdict.message.text)
        else:
            transition = interpreter.advance(turn.context, run, user_turn(verdict.message, run))
        return await self._drive(turn, state, transition, tools)

    def _obstacle(self, verdict: Verdict, case: Case, workflow: Workflow | None) -> Ending | None:
        """Why a human goes on instead of the workflow."""
        if not verdict.message.contact_verified or verdict.message.contact_id != case.contact_id:
            return UNVERIFIED
        if workflow is not None and not self._may_run(workflow.id):
            return SWITCHED_OFF
        return None

    def _may_run(self, workflow_id: str) -> bool:
        return self._level(workflow_id) in {Automation.PROPOSE, Automation.ON}

    def _on_message(self, key: str, message: Message, state: AgentState, tools: Tools) -> Outcome[AgentState]:
        outcome = on_message(message, state)
        if not isinstance(outcome.state, AgentState):
            return outcome
        gone = self._withdrawn(key, state, outcome.state, str(message.event_id), tools)
        return told_first(gone, outcome)

    def _withdrawn(
        self, key: str, before: AgentState, after: AgentState, cause_event_id: str, tools: Tools
    ) -> tuple[Emit, ...]:
        """What is told when a proposal need not be decided any more."""
        if before.held is None or after.held is not None:
            return ()
        reason = "A colleague has the conversation."
        return self._approvals.withdrawn(
            key, before, cause_event_id=cause_event_id, now_ms=tools.now_ms(), reason=reason
        )

    async def _while_held(
        self, key: str, verdict: Verdict, state: AgentState, run: Run, tools: Tools
    ) -> Outcome[AgentState]:
        """The user writes while a colleague decides."""
        case = self._run_and_case(verdict, state)[1] if state.case is None else state.case
        case = case.model_copy(update={"cause_event_id": str(verdict.event_id)})
        workflow = self._library.by_reference(run.workflow)
        if workflow is None and (begun_by := await self._begun_by(run, case)) is not None:
            return await begun_by._while_held(key, verdict, state, run, tools)
        ending = WORKFLOW_CHANGED if workflow is None else self._obstacle(verdict, case, workflow)
        cause, now_ms = str(verdict.event_id), tools.now_ms()
        if workflow is None or ending is not None:
            gone = self._approvals.withdrawn(key, state, cause_event_id=cause, now_ms=now_ms, reason="It was ended.")
            ended = await self._end(key, state, case, run, ending=ending or WORKFLOW_CHANGED, tools=tools)
            return told_first(gone, ended)
        turn = self._turn(key, case, workflow, tools, verdict.message)
        if self._approvals.command(turn, verdict.message.text) is None:
            return Outcome((self._approvals.still_waits(turn, run),), state)
        gone = self._approvals.withdrawn(key, state, cause_event_id=cause, now_ms=now_ms, reason="The user stopped it.")
        transition = interpreter.advance(turn.context, run, UserTurn(verdict.message.text))
        ended = await self._drive(turn, state.model_copy(update={"held": None}), transition, tools)
        return told_first(gone, ended)

    async def _on_approval(self, key: str, approval: Approval, state: AgentState, tools: Tools) -> Outcome[AgentState]:
        """What a colleague decided, or that nobody did. What is decided already, or withdrawn, stays as it is."""
        held, run, case = state.held, state.run, state.case
        if held is None or run is None or case is None or held.proposal_id != str(approval.proposal_id):
            log.info("agent.approval_late", proposal_id=str(approval.proposal_id), decision=approval.decision.value)
            return Outcome(state=state)
        workflow = self._library.by_reference(run.workflow)
        if workflow is None and (begun_by := await self._begun_by(run, case)) is not None:
            return await begun_by._on_approval(key, approval, state, tools)
        case = case.model_copy(update={"cause_event_id": str(approval.event_id)})
        status, ending = self._approvals.ending(approval, held, tools.now_ms()) or (ProposalStatus.APPROVED, None)
        if ending is None and workflow is None:
            status, ending = ProposalStatus.WITHDRAWN, WORKFLOW_CHANGED
        elif ending is None and not self._may_run(name_of(run)):
            status, ending = ProposalStatus.WITHDRAWN, SWITCHED_OFF
        told = self._approvals.told(key, approval, case, run, held=held, status=status, now_ms=tools.now_ms())
        if workflow is not None and ending is None:
            effect = shop_effect(self._turn(key, case, workflow, tools), held, self._settings.action_ttl_seconds)
            return Outcome((told,), state.model_copy(update={"case": case, "held": None}), effect)
        ended = await self._end(key, state, case, run, ending=ending or WORKFLOW_CHANGED, tools=tools)
        return told_first((told,), ended)

    async def _begun_by(self, run: Run, case: Case) -> AgentHandler | None:
        """The handler of the version that the conversation started with."""
        if self._earlier is None or case.catalogue == self._library.catalogue.version:
            return None
        found = await self._earlier(case.catalogue)
        return found if found is not None and found._library.by_reference(run.workflow) is not None else None

    def _run_and_case(self, verdict: Verdict, state: AgentState) -> tuple[Run | None, Case]:
        run = state.run if continues(verdict, state.run) else None
        if run is not None and state.case is not None:
            # The language stays that of the first message: "ok" belongs to every language.
            return run, state.case.model_copy(update={"cause_event_id": str(verdict.event_id)})
        language = self._library.language(verdict.language, verdict.message.language)
        return None, case_of(verdict, language, self._library.catalogue.version)

    def _workflow_for(self, verdict: Verdict, run: Run | None) -> Workflow | None:
        if run is not None:
            return self._library.by_reference(run.workflow)
        return self._library.workflows.get(verdict.workflow or "")

    def _turn(self, key: str, case: Case, workflow: Workflow, tools: Tools, message: Message | None = None) -> Turn:
        now_ms = tools.now_ms()
        context = Context(
            workflow=workflow,
            expressions=self._library.expressions,
            now=from_ms(now_ms),
            language=case.language,
            asked_by=case.cause_event_id,
            label=lambda utterance: self._library.render(utterance, case.language),
            calls=self._library.calls,
            said=message.text if message is not None else "",
            said_at=message.occurred_at if message is not None else None,
        )
        return Turn(key, case, workflow, context, now_ms)

    async def _drive(self, turn: Turn, state: AgentState, transition: Transition, tools: Tools) -> Outcome[AgentState]:
        """Gives the interpreter what it needs until it waits, acts or ends."""
        driven = await self._driver.drive(turn, transition, tools)
        run, need = driven.transition.run, driven.transition.need
        opening = turn.opening
        if not driven.verified:
            return await self._end(turn.key, state, turn.case, run, ending=UNVERIFIED, tools=tools, opening=opening)
        if isinstance(need, NeedAct) and not self._may_run(turn.workflow.id):
            return await self._end(turn.key, state, turn.case, run, ending=SWITCHED_OFF, tools=tools, opening=opening)
        cited: Sequence[Citation] = ()
        if isinstance(need, HandedOver):
            seconds, said = self._settings.action_ttl_seconds, self._writer.text(turn)
            heard = self._writer.heard(turn, run)
            begun = unwinding.begin(turn, state, heard, need, text=said, ttl_seconds=seconds)
            if begun is not None:
                return begun
            cited = await self._knowledge.bearing_on(turn.case, turn.workflow, opening, tools.remaining_seconds())
        return self._write_down(turn, state, driven.transition, cited)

    def _write_down(
        self, turn: Turn, state: AgentState, transition: Transition, cited: Sequence[Citation] = ()
    ) -> Outcome[AgentState]:
        run, need = self._writer.heard(turn, transition.run), transition.need
        going_on = state.model_copy(update={"run": run, "carried_usage": None})
        ended = state.model_copy(update={"run": None, "case": None, "carried_usage": None, "ended": run.closed()})
        write = self._writer
        match need:
            case NeedAct():
                return self._act(turn, going_on, run, need)
            case AwaitUser():
                return Outcome((write.reply(turn, run, waiting=need),), going_on)
            case HandedOver():
                _runs.labels(workflow=turn.workflow.id, ending=need.reason).inc()
                handed_over = ended.model_copy(update={"handed_over": True})
                return Outcome((write.escalation(turn, need, run, cited),), handed_over)
            case Resolved():
                _runs.labels(workflow=turn.workflow.id, ending="resolved").inc()
                return Outcome((write.reply(turn, run, resolved=True, tags=(RESOLVED_TAG,)),), ended)
            case Stopped():
                _runs.labels(workflow=turn.workflow.id, ending="stopped").inc()
                return Outcome((write.reply(turn, run, tags=(STOPPED_TAG,)),), ended)
        raise AssertionError(f"{type(need).__name__} is answered before anything is written down")

    def _act(self, turn: Turn, state: AgentState, run: Run, need: NeedAct) -> Outcome[AgentState]:
        """Does it, or holds it until a colleague approves."""
        if self._level(turn.workflow.id) is Automation.PROPOSE:
            return self._approvals.hold(turn, state, run, need)
        effect = shop_effect(turn, held_of(turn, need), self._settings.action_ttl_seconds)
        if turn.says:
            return Outcome((self._writer.reply(turn, run),), state, effect)
        carried = turn.usage if turn.model_asked else None
        return Outcome((), state.model_copy(update={"carried_usage": carried}), effect)

    async def _end(
        self,
        key: str,
        state: AgentState,
        case: Case,
        run: Run | None,
        *,
        ending: Ending,
        tools: Tools,
        opening: str = "",
    ) -> Outcome[AgentState]:
        """Ends without the interpreter."""
        _runs.labels(workflow=run.workflow.partition("@")[0] if run else "none", ending=ending.need.reason).inc()
        cited = await self._knowledge.bearing_on(case, None, opening, tools.remaining_seconds())
        event = self._writer.ending(key, case, run, ending, now_ms=tools.now_ms(), citations=cited)
        return Outcome((event,), handed_over(state))

    def fallback(self, record: Record, state: AgentState | None, reason: str) -> Outcome[AgentState]:
        """What is done when the time is spent or a dependency is out: a human goes on, at once."""
        state = state or AgentState()
        verdict = record.value
        if not isinstance(verdict, Verdict) or verdict.decision is not Decision.AUTOMATE:
            return Outcome()
        if state.human_joined or state.handed_over:
            return Outcome()
        log.warning("agent.fallback", reason=reason, event_id=str(verdict.event_id))
        run, case = self._run_and_case(verdict, state)
        event = self._writer.ending(record.key, case, run, OUT_OF_TIME, now_ms=self._now_ms())
        noted = state.noted(str(verdict.event_id))
        return Outcome((event,), handed_over(noted))

    def on_poison(self, failed: FailedRecord, record: Record | None, state: AgentState | None) -> Outcome[AgentState]:
        """A record that goes to the dead letters leaves its conversation with a human, not with an operator."""
        value = record.value if record is not None else None
        screened_only = isinstance(value, Verdict) and value.decision is not Decision.AUTOMATE
        if failed.topic != VERDICTS or screened_only:
            # Messages are the firewall's to answer for; other decisions carry their own hand-over.
            return Outcome()
        event = self._writer.poisoned(failed, value if isinstance(value, Verdict) else None, self._now_ms())
        if event is None:
            return Outcome()
        # The workflow ends with it: what the user writes next is the human's, and a letter that comes back is late.
        return Outcome((event,), handed_over(state or AgentState()))
