"""What a rehearsal of a dead letter shows, and which service is asked."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from importlib.metadata import EntryPoint
from uuid import uuid4

import pytest
from floodgate.deadletters import rehearsing
from floodgate.deadletters.rehearsing import find_processor, told
from floodgate.events import Feedback, FeedbackLabel
from floodgate.events.serde import AvroSerde
from floodgate.service import Service, make_processor
from keyflow import Effect, Emit, FatalError, Outcome
from keyflow.parking import Turn
from keyflow.rehearsal import Failure, Rehearsal
from pydantic import BaseModel

SECRET = "my card is 4111"


class Handler:
    async def handle(self, record, state, tools):
        return Outcome()


class State(BaseModel):
    step: str = ""
    wish: str = ""


def build() -> Service:
    made = [
        make_processor(name, ["support.messages"], Handler(), AvroSerde("http://registry.invalid"))
        for name in ("ingest", "ingest-status")
    ]
    return Service(name="ingest", processors=made)


def broken() -> Service:
    raise FatalError("FLOODGATE_SHOP_TOKEN is missing")


@pytest.fixture
def installed(monkeypatch):
    """Two services: `ingest`, and `agent`, whose settings are missing."""
    found = [EntryPoint(name, f"{__name__}:{function}", rehearsing.SERVICES) for name, function in
             (("agent", "broken"), ("ingest", "build"))]  # fmt: skip
    monkeypatch.setattr(EntryPoint, "load", lambda entry: {"broken": broken, "build": build}[entry.attr])
    monkeypatch.setattr(rehearsing, "entry_points", lambda group: found if group == rehearsing.SERVICES else [])


def test_the_processor_is_found_in_the_service_that_runs_it_and_no_other_is_built(installed):
    service, processor = find_processor("ingest-status")
    assert (service.name, processor.name) == ("ingest", "ingest-status")


def test_a_service_that_cannot_be_built_says_what_is_missing(installed):
    with pytest.raises(FatalError, match="FLOODGATE_SHOP_TOKEN is missing"):
        find_processor("agent")


@pytest.mark.parametrize("name", ["firewall", "ingest-nothing", "ingester"])
def test_a_service_that_is_not_installed_here_is_named_with_those_that_are(installed, name):
    with pytest.raises(FatalError, match=rf"runs {name}: give the command where it is \(agent, ingest here\)"):
        find_processor(name)


def rehearsal(**changes):
    feedback = Feedback(
        event_id=uuid4(), occurred_at=datetime(2026, 11, 22, tzinfo=UTC), conversation_id="rest:1",
        label=FeedbackLabel.OK, source="intercom", reviewer=SECRET,
    )  # fmt: skip
    values = {
        "kind": "outcome", "outputs": (Emit("support.feedback", "rest:1", feedback),), "state_before": State(),
        "state": State(step="ask", wish=SECRET), "effect": Effect("shop", "key-1", {"text": SECRET}, 7),
    }  # fmt: skip
    return Rehearsal(**values | changes)


def test_what_would_be_written_is_masked_until_someone_asks():
    facts = told(rehearsal(), unmask=False)
    assert SECRET not in json.dumps(facts)
    assert facts["state"] == {"step": "ask", "wish": "<15 characters>"}
    assert facts["effect_not_run"] == {
        "kind": "shop",
        "idempotency_key": "key-1",
        "expires_at_ms": 7,
        "payload": {"text": "<15 characters>"},
    }
    assert facts["outputs"][0]["value"]["conversation_id"] == "rest:1"
    assert facts["state_changes"] is True
    shown = json.dumps(told(rehearsal(), unmask=True))
    assert shown.count(SECRET) == 3


def test_a_failure_is_shown_with_the_length_of_the_models_answer():
    failure = Failure("poison", "ValidationError", "the answer breaks its schema", SECRET)
    facts = told(rehearsal(kind="dead_letter", outputs=(), effect=None, failure=failure), unmask=False)
    assert facts["failure"]["reason"] == "the answer breaks its schema"
    assert facts["failure"]["raw_output"] == "<15 characters>"
    assert facts["effect_not_run"] is None
    assert told(rehearsal(failure=failure), unmask=True)["failure"]["raw_output"] == SECRET


@pytest.mark.parametrize(("turn", "words"), [(Turn.WAITS, "not its turn"), (Turn.PAST, "not handled again")])
def test_a_parked_letter_says_whether_it_would_be_handled_at_all(turn, words):
    assert words in told(rehearsal(turn=turn), unmask=False)["turn"]
    assert "turn" not in told(rehearsal(), unmask=False)
