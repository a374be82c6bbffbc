"""One function per event. Decisions are the interpreter's; this gathers what it needs and writes down what it says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from floodgate.events import Citation, Decision, Message, Verdict
from floodgate.events.times import from_ms
from floodgate.telemetry import counter, get_logger
from keyflow import Effect, EffectResult, FailedRecord, Outcome, Record, Tools
from keyflow.errors import KeyflowError, OutageError, PoisonMessageError, RetryableError

from agent.domain import interpreter
from agent.domain.calls import Backend, CallOutcome, CallResult, NotACustomerError
from agent.domain.exchange import (
    AwaitUser,
    CallReturned,
    HandedOver,
    KnowledgeReturned,
    ModelReading,
    NeedAct,
    NeedAnswer,
    NeedLookUp,
    NeedReading,
    Resolved,
    Stopped,
    Transition,
)
from agent.domain.library import Library
from agent.domain.model import Workflow
from agent.domain.records import RESOLVED_TAG, STOPPED_TAG, case_of
from agent.domain.scope import Context
from agent.domain.state import AgentState, Case, Run
from agent.domain.walking import TROUBLE
from agent.following import (
    after_other_decision,
    call_result,
    continues,
    handed_over,
    name_of,
    on_message,
    user_turn,
)
from agent.knowledge import Knowledge
from agent.ports import ReadingRequest, SlotReader
from agent.settings import AgentSettings
from agent.writing import Ending, Turn, Writer

log = get_logger(__name__)

SHOP: Final = "shop"
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
_readings = counter("floodgate_agent_readings_total", "Answers that the model was asked to read", ("result",))


Earlier = Callable[[str], Awaitable["AgentHandler | None"]]
"""The handler of an earlier version of the catalogue, while there is one."""


class AgentHandler:
    """Runs workflows: verdicts in, replies, hand-overs and shop effects out.

    Args:
        earlier: Finds the version that a running conversation started with, on which it finishes.
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
    ) -> None:
        self._library = library
        self._backend = backend
        self._reader = reader
        self._settings = settings
        self._knowledge = knowledge
        self._writer = writer
        self._now_ms = now_ms
        self._earlier = earlier

    async def handle(self, record: Record, state: AgentState | None, tools: Tools) -> Outcome[AgentState]:
        """Handles a verdict, or follows what happens to the conversation.

        Raises:
            RetryableError: The shop did not answer and there is time to ask again.
            PoisonMessageError: The topic carries something else.
        """
        state = state or AgentState()
        match record.value:
            case Verdict() as verdict if not state.seen(str(verdict.event_id)):
                return await self._on_verdict(record.key, verdict, state.noted(str(verdict.event_id)), tools)
            case Message() as message if not state.seen(str(message.event_id)):
                return on_message(message, state)
            case Verdict() | Message():
                return Outcome()
        raise PoisonMessageError(f"{record.topic} carries no Verdict or Message")

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
        if state.carried_usage is not None:
            turn.usage, turn.model_asked = state.carried_usage, True
        transition = interpreter.advance(turn.context, state.run, returned)
        return await self._drive(turn, state, transition, tools)

    async def _on_verdict(self, key: str, verdict: Verdict, state: AgentState, tools: Tools) -> Outcome[AgentState]:
        if verdict.decision is not Decision.AUTOMATE:
            return Outcome(state=after_other_decision(verdict, state))
        if state.human_joined or state.handed_over:
            # The firewall automates nothing then; this verdict was on its way before it knew.
            _silent.inc()
            log.info("agent.silent", event_id=str(verdict.event_id), handed_over=state.handed_over)
            return Outcome(state=state)
        run, case = self._run_and_case(verdict, state)
        opening = verdict.message.text if run is None else ""
        workflow = self._workflow_for(verdict, run)
        begun_by = await self._begun_by(run, case) if run is not None and workflow is None else None
        if begun_by is not None and self._library.is_on(name_of(run)):
            return await begun_by._on_verdict(key, verdict, state, tools)
        ending = self._obstacle(verdict, case, workflow)
        if workflow is None or ending is not None:
            ending = ending or WORKFLOW_CHANGED
            return await self._end(key, state, case, run, ending=ending, tools=tools, opening=opening)
        state = state.model_copy(update={"case": case})
        turn = self._turn(key, case, workflow, tools, verdict.message.text)
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
        if workflow is not None and not self._library.is_on(workflow.id):
            return SWITCHED_OFF
        return None

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

    def _turn(self, key: str, case: Case, workflow: Workflow, tools: Tools, said: str = "") -> Turn:
        now_ms = tools.now_ms()
        context = Context(
            workflow=workflow,
            expressions=self._library.expressions,
            now=from_ms(now_ms),
            language=case.language,
            asked_by=case.cause_event_id,
            label=lambda utterance: self._library.render(utterance, case.language),
            calls=self._library.calls,
            said=said,
        )
        return Turn(key, case, workflow, context, now_ms)

    async def _drive(self, turn: Turn, state: AgentState, transition: Transition, tools: Tools) -> Outcome[AgentState]:
        """Gives the interpreter what it needs until it waits, acts or ends."""
        while True:
            turn.says.extend(transition.says)
            match transition.need:
                case NeedLookUp() as need:
                    try:
                        result = await self._look_up(need, turn.case.contact_id, tools)
                    except NotACustomerError:
                        return await self._end(
                            turn.key,
                            state,
                            turn.case,
                            transition.run,
                            ending=UNVERIFIED,
                            tools=tools,
                            opening=turn.opening,
                        )
                    transition = interpreter.advance(turn.context, transition.run, CallReturned(result))
                case NeedReading() as need:
                    reading = await self._read(need, turn, tools)
                    transition = interpreter.advance(turn.context, transition.run, reading)
                case NeedAnswer() as need:
                    found = await self._answer(need, turn, tools)
                    transition = interpreter.advance(turn.context, transition.run, found)
                case HandedOver():
                    cited = await self._knowledge.bearing_on(
                        turn.case, turn.workflow, turn.opening, tools.remaining_seconds()
                    )
                    return self._write_down(turn, state, transition, cited)
                case _:
                    return self._write_down(turn, state, transition)

    async def _answer(self, need: NeedAnswer, turn: Turn, tools: Tools) -> KnowledgeReturned:
        answer = await self._knowledge.answer(need.question, turn.case, turn.workflow, tools.remaining_seconds())
        if answer is None:
            return KnowledgeReturned()
        turn.citations.append(answer.citation)
        return KnowledgeReturned(answer.text)

    async def _look_up(self, need: NeedLookUp, contact_id: str, tools: Tools) -> CallResult:
        try:
            return await self._backend.look_up(need.call, need.arguments, contact_id)
        except RetryableError as error:
            remaining = tools.remaining_seconds()
            if remaining is not None and remaining > self._settings.look_up_patience_seconds:
                raise
            log.warning("agent.look_up_failed", call=need.call, error=str(error))
        except OutageError as error:
            log.warning("agent.look_up_failed", call=need.call, error=str(error))
        return CallResult(CallOutcome.FAILED)

    async def _read(self, need: NeedReading, turn: Turn, tools: Tools) -> ModelReading:
        remaining = tools.remaining_seconds()
        deadline = (
            self._settings.reading_seconds
            if remaining is None
            else min(self._settings.reading_seconds, max(remaining - 5.0, 1.0))
        )
        request = ReadingRequest(
            need.slot, need.spec, need.text, need.choices, turn.case.language, turn.case.country, deadline
        )
        try:
            reading, turn.usage = await self._reader.read(request)
        except KeyflowError as error:
            # Without the model the question is put again, with its buttons: nothing is lost but comfort.
            log.warning("agent.reading_failed", error_type=type(error).__name__)
            _readings.labels(result="failed").inc()
            return ModelReading(text=need.text)
        turn.model_asked = True
        _readings.labels(result="read").inc()
        return replace(reading, text=need.text)

    def _write_down(
        self, turn: Turn, state: AgentState, transition: Transition, cited: Sequence[Citation] = ()
    ) -> Outcome[AgentState]:
        run, need = transition.run, transition.need
        going_on = state.model_copy(update={"run": run, "carried_usage": None})
        ended = state.model_copy(update={"run": None, "case": None, "carried_usage": None, "ended": run.closed()})
        write = self._writer
        match need:
            case NeedAct():
                effect = self._effect(turn, need)
                if turn.says:
                    return Outcome((write.reply(turn, run),), going_on, effect)
                carried = turn.usage if turn.model_asked else None
                return Outcome((), going_on.model_copy(update={"carried_usage": carried}), effect)
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

    def _effect(self, turn: Turn, need: NeedAct) -> Effect:
        payload: dict[str, Any] = {
            "call": need.call,
            "arguments": dict(need.arguments),
            "contact_id": turn.case.contact_id,
        }
        if need.limits is not None:
            limits = need.limits.model_dump(exclude_none=True)
            payload |= {"limits": limits, "amount_cents": need.amount_cents, "decided_at_ms": turn.now_ms}
        return Effect(
            kind=SHOP,
            idempotency_key=f"{turn.case.cause_event_id}:{need.step}",
            payload=payload,
            expires_at_ms=turn.now_ms + int(self._settings.action_ttl_seconds * 1000),
        )

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
