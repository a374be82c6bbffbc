"""Shadow: the workflow is computed beside the human. Nobody hears of it, nothing is done; what it comes to is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from uuid import UUID

from floodgate.catalogue.models import Automation
from floodgate.events import Decision, Message, ProposalMode, ProposalStatus, Verdict, derive_event_id
from floodgate.telemetry import counter
from keyflow import Outcome, Tools

from agent.domain import interpreter
from agent.domain.exchange import AwaitUser, HandedOver, Need, NeedReading, Stopped, Transition, UserTurn
from agent.domain.library import Library
from agent.domain.model import CONFIRMATION_SLOT, Workflow
from agent.domain.records import case_of
from agent.domain.state import AgentState, Case, Shadow
from agent.driving import Driver
from agent.writing import Turn, Writer

MakeTurn = Callable[[str, Case, Workflow, Tools, Message], Turn]
_MOST_CONFIRMATIONS: Final = 5
_UNVERIFIED: Final = HandedOver("not_verified", "Verify who the user is; then do what they ask.")
_shadows = counter("floodgate_agent_shadows_total", "Workflows computed in shadow, by how far they came", ("outcome",))


class Shadows:
    """Runs workflows without effect.

    It assumes a yes to what the workflow would ask to confirm, and stops before the first action. A question stays
    open: when the user happens to answer it while they talk to a colleague, the workflow goes on.

    Args:
        library: Workflows.
        driver: Look-ups and answers; no model is asked.
        writer: Makes the record.
        make_turn: Begins the handling of one event.
    """

    def __init__(self, library: Library, driver: Driver, writer: Writer, make_turn: MakeTurn) -> None:
        self._library = library
        self._driver = driver
        self._writer = writer
        self._make_turn = make_turn

    async def beside(self, key: str, verdict: Verdict, state: AgentState, tools: Tools) -> Outcome[AgentState]:
        """What a verdict that leaves the case to a human means for the shadow."""
        workflow = self._begins(verdict, state)
        if workflow is not None:
            return await self._begin(key, verdict, workflow, state, tools)
        if state.shadow is not None:
            return await self._follow(key, verdict, state.shadow, state, tools)
        return Outcome(state=state)

    def _begins(self, verdict: Verdict, state: AgentState) -> Workflow | None:
        if verdict.decision is not Decision.PASS or verdict.mode != Automation.SHADOW:
            return None
        workflow = self._library.workflows.get(verdict.workflow or "")
        goes_on = state.shadow is not None and state.shadow.run.workflow == getattr(workflow, "reference", "")
        return None if goes_on else workflow

    async def _begin(
        self, key: str, verdict: Verdict, workflow: Workflow, state: AgentState, tools: Tools
    ) -> Outcome[AgentState]:
        language = self._library.language(verdict.language, verdict.message.language)
        case = case_of(verdict, language, self._library.catalogue.version)
        turn = self._make_turn(key, case, workflow, tools, verdict.message)
        transition = interpreter.begin(turn.context, verdict.message.text)
        proposal_id = derive_event_id(verdict.event_id, "shadow")
        if not verdict.message.contact_verified:
            return self._tell(turn, state, Transition(transition.run, (), _UNVERIFIED), proposal_id)
        return await self._compute(turn, state, transition, proposal_id, tools)

    async def _follow(
        self, key: str, verdict: Verdict, shadow: Shadow, state: AgentState, tools: Tools
    ) -> Outcome[AgentState]:
        workflow = self._library.by_reference(shadow.run.workflow)
        if workflow is None or verdict.message.contact_id != shadow.case.contact_id:
            return Outcome(state=state.model_copy(update={"shadow": None}))
        case = shadow.case.model_copy(update={"cause_event_id": str(verdict.event_id)})
        turn = self._make_turn(key, case, workflow, tools, verdict.message)
        transition = interpreter.advance(turn.context, shadow.run, UserTurn(verdict.message.text))
        if isinstance(transition.need, NeedReading):
            # Said to the colleague, not to us: the question stays open.
            return Outcome(state=state)
        if isinstance(transition.need, Stopped):
            return Outcome(state=state.model_copy(update={"shadow": None}))
        return await self._compute(turn, state, transition, UUID(shadow.proposal_id), tools)

    async def _compute(
        self, turn: Turn, state: AgentState, transition: Transition, proposal_id: UUID, tools: Tools
    ) -> Outcome[AgentState]:
        for _ in range(_MOST_CONFIRMATIONS):
            driven = await self._driver.drive(turn, transition, tools, in_shadow=True)
            transition = driven.transition
            if not driven.verified:
                return self._tell(turn, state, Transition(transition.run, (), _UNVERIFIED), proposal_id)
            if not _is_confirmation(transition.need):
                break
            transition = interpreter.advance(turn.context, transition.run, UserTurn("", option_value="yes"))
        return self._tell(turn, state, transition, proposal_id)

    def _tell(self, turn: Turn, state: AgentState, transition: Transition, proposal_id: UUID) -> Outcome[AgentState]:
        run, need = transition.run, transition.need
        proposal = self._writer.proposal(
            turn, run, need, proposal_id=proposal_id, mode=ProposalMode.SHADOW, status=ProposalStatus.OBSERVED
        )
        _shadows.labels(outcome=proposal.value.outcome.value).inc()
        waits = Shadow(run=run, case=turn.case, proposal_id=str(proposal_id)) if isinstance(need, AwaitUser) else None
        return Outcome((proposal,), state.model_copy(update={"shadow": waits}))


def _is_confirmation(need: Need) -> bool:
    return isinstance(need, AwaitUser) and need.slot == CONFIRMATION_SLOT
