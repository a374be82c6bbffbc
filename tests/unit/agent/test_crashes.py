"""The agent on the real engine, killed between any two steps: the same replies, the same actions, each exactly once."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from agent.domain.calls import CallOutcome, CallResult
from agent.domain.records import option_id
from agent.handlers import AgentHandler
from agent.knowledge import Knowledge
from agent.scripts import Player, read_script_file
from agent.settings import AgentSettings
from agent.writing import Writer
from floodgate.events import Verdict
from support.agent_lab import Calm, run
from support.crash_process import Fault

SCRIPTS = sorted((Path(__file__).resolve().parents[3] / "catalogue" / "workflows" / "tests").glob("*.yaml"))
REPEATS = 8


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


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_every_scripted_conversation_goes_the_same_way_when_it_is_killed(whole_library, path):
    """At one of its steps, another per conversation; tests/faults/agent tries every step of every one."""
    player = Player(whole_library, read_script_file(path))
    for script in player.file.conversations:
        calm = Calm(player, script)
        calm.killed_at(Random(script.name).randint(1, len(calm.steps)))
