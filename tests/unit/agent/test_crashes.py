"""The agent on the real engine, killed between any two steps: the same replies, the same actions, each exactly once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from agent.approving import SHOP
from agent.domain.calls import CallOutcome, CallResult
from agent.domain.records import option_id
from agent.domain.state import AgentState
from agent.handlers import AgentHandler
from agent.knowledge import Knowledge
from agent.settings import AgentSettings
from agent.writing import ESCALATIONS, REPLIES, Writer
from floodgate.events import Verdict
from keyflow import Emit, Outcome, PendingEffect, Processor, Record, StateSpec, Tools
from support.crash_lab import DEAD, IN, STATE, Fault, Lab, Process

REPEATS = 8


class AgentLab(Lab):
    """A lab whose processes run the agent.

    Args:
        make_handler: Makes a handler that asks the one shop of the lab.
    """

    def __init__(self, make_handler: Any) -> None:
        super().__init__(partitions=1)
        for topic in (REPLIES, ESCALATIONS):
            self.broker.create(topic, 1)
        self.make_handler = make_handler
        self.done: Counter[str] = Counter()
        self.attempts: Counter[str] = Counter()
        self.answers: dict[str, Mapping[str, Any]] = {}

    def _processor(self, process: Process) -> Processor[Any]:
        async def act(pending: PendingEffect) -> Mapping[str, Any]:
            process.step("effect")
            key = pending.effect.idempotency_key
            self.attempts[key] += 1
            if key not in self.answers:
                self.done[key] += 1
                self.answers[key] = {"outcome": "done", "code": "", "value": {"number": "TK-40001", "ends_at": None}}
            process.step("effect", when="after")
            return self.answers[key]

        return Processor(
            name="lab",
            inputs=[IN],
            handler=_Stepping(self, process, self.make_handler()),
            decode=lambda _, data: Verdict.model_validate_json(data),
            encode=lambda _, value: value.model_dump_json().encode(),
            dead_letter=lambda failed: Emit(DEAD, "x", {"reason": failed.reason}),
            state=StateSpec(STATE, _encode, AgentState.model_validate_json, None),
            effects={SHOP: act},
        )

    def told(self) -> list[Any]:
        """Everything that was committed, without the moments, which are the clock's."""
        found = [*self.committed(REPLIES), *self.committed(ESCALATIONS)]
        return [(key, {name: part for name, part in value.items() if name not in MOMENTS}) for key, value in found]


MOMENTS = {"occurred_at", "expires_at"}


def _encode(state: AgentState) -> bytes:
    return state.model_dump_json().encode()


class _Stepping:
    """A handler with places at which its process may die."""

    def __init__(self, lab: AgentLab, process: Process, handler: AgentHandler) -> None:
        self._lab, self._process, self._handler = lab, process, handler

    async def handle(self, record: Record, state: Any, tools: Tools) -> Outcome[Any]:
        self._process.step("handle")
        self._lab.handled.append((record.key, record.offset))
        outcome = await self._handler.handle(record, state, tools)
        self._process.step("handle", when="after")
        return outcome

    async def resume(self, result: Any, key: str, state: Any, tools: Tools) -> Outcome[Any]:
        self._process.step("resume")
        outcome = await self._handler.resume(result, key, state, tools)
        self._process.step("resume", when="after")
        return outcome


@pytest.fixture
def conversation(chat, whole_library):
    """Verdicts of a whole conversation, and a way to make handlers for it."""

    def make(workflow: str, turns: list[str]) -> tuple[Any, list[tuple[str, bytes]]]:
        talk = chat(workflow)
        talk.knowledge.found = []
        talk.shop.outcomes["get_customer"] = CallResult(CallOutcome.DONE, {"account_status": "active"})
        verdicts: list[Verdict] = []
        for turn in turns:
            clicked = {}
            if turn.startswith("press "):
                clicked = {"clicked_option": str(option_id(verdicts[-1].event_id, turn.removeprefix("press ")))}
            verdicts.append(talk.verdict(turn, **clicked))
        settings = AgentSettings()

        def handler() -> AgentHandler:
            return AgentHandler(
                whole_library,
                talk.shop,
                talk.reader,
                settings,
                knowledge=Knowledge(talk.knowledge, whole_library, settings.retrieval_seconds),
                writer=Writer(whole_library, settings.reply_ttl_seconds, "0.1.0"),
                now_ms=lambda: 0,
            )

        return handler, [(verdict.conversation_id, verdict.model_dump_json().encode()) for verdict in verdicts]

    return make


def run(handler: Any, records: list[tuple[str, bytes]], faults: list[Fault]) -> tuple[AgentLab, list[str]]:
    lab = AgentLab(handler)
    with lab.open():
        lab.fill(records)
        lives = lab.finish(faults)
        steps = lives[0].steps
    return lab, steps


CONVERSATIONS = [
    ("refund_order", ["I want my money back", "which order was that?", "press yes"]),
    ("cancel_subscription", ["cancel it all", "yes please"]),
    ("resend_tickets", ["My tickets TK-40001 did not arrive"]),
    ("change_email", ["another address please", "imogen@example.org", "hmm", "press yes"]),
]


@pytest.mark.parametrize(("workflow", "turns"), CONVERSATIONS, ids=[name for name, _ in CONVERSATIONS])
def test_killed_at_any_step_it_says_and_does_the_same_once(conversation, workflow, turns):
    handler, records = conversation(workflow, turns)
    calm, steps = run(handler, records, [])
    assert len(calm.done) == 1
    assert calm.told()
    for step in range(1, len(steps) + 1):
        lab, _ = run(handler, records, [Fault(step)])
        assert lab.told() == calm.told(), f"killed at step {step}: {steps[step - 1]}"
        assert lab.done == calm.done, f"killed at step {step}: {steps[step - 1]}"
        assert set(lab.done.values()) == {1}


def test_the_same_conversation_eight_times_with_two_deaths_each_is_the_same(conversation):
    handler, records = conversation(*CONVERSATIONS[0])
    calm, steps = run(handler, records, [])
    for repeat in range(REPEATS):
        first = 1 + repeat * len(steps) // REPEATS
        lab, _ = run(handler, records, [Fault(first), Fault(7 + repeat)])
        assert lab.told() == calm.told()
        assert lab.done == calm.done


def test_an_action_whose_answer_was_lost_is_asked_for_again_with_its_key_and_done_once(conversation):
    handler, records = conversation(*CONVERSATIONS[0])
    _, steps = run(handler, records, [])
    after = steps.index("after effect") + 1
    lab, _ = run(handler, records, [Fault(after)])
    assert set(lab.attempts.values()) == {2}
    assert set(lab.done.values()) == {1}
    assert json.dumps(lab.told()).count('"resolved": true') == 1
