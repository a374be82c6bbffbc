"""Walks every edge of the three workflows with every answer of user and shop, and holds the promises on each way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from agent.backends.declared import CALLS
from agent.domain import interpreter
from agent.domain.calls import CallOutcome, CallResult
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
    UserTurn,
)
from agent.domain.model import ActStep, ConfirmStep, edges
from agent.domain.scope import Context

ASKED_BY = "00000000-0000-0000-0000-000000000001"
FAILURES = (CallOutcome.NOT_FOUND, CallOutcome.REFUSED, CallOutcome.FAILED, CallOutcome.UNKNOWN)
CODES = ("tickets_not_issued", "event_over", "already_cancelled", "already_refunded", "past_deadline", "other")
MAX_DEPTH = 40


@pytest.fixture
def worlds(make_order, make_subscription, days) -> dict[str, list[dict[str, Any]]]:
    """Answers of the look-ups that tell the branches apart."""
    orders = [
        [],
        [make_order()],
        [make_order(), make_order("TK-50001")],
        [make_order(event_starts_at=days(-5))],
        [make_order(status="refunded", refunded_cents=8_950)],
        [make_order(status="cancelled")],
        [make_order(amount_cents=64_000)],
        [make_order(purchased_at=days(-60))],
        [make_order(refundable_until=days(-1))],
    ]
    subscriptions = [
        [],
        [make_subscription()],
        [make_subscription(), make_subscription("SUB-20002")],
        [make_subscription(status="paused", renews_at=None)],
        [make_subscription(status="cancelled", renews_at=None)],
    ]
    return {
        "list_orders": [{"orders": found} for found in orders],
        "get_order": [found[0] for found in orders if found],
        "list_subscriptions": [{"subscriptions": found} for found in subscriptions],
        "resend_tickets": [{"number": "TK-40001"}],
        "cancel_subscription": [make_subscription(ends_at=days(9)), make_subscription(ends_at=None)],
        "refund_order": [{"number": "TK-40001"}],
    }


def events(transition: Transition, worlds: dict[str, list[dict[str, Any]]]) -> Iterator[interpreter.Event]:
    """Every event that can come next."""
    match transition.need:
        case AwaitUser() as need:
            yield from (UserTurn("", option_value=button.value) for button in need.buttons[:2])
            yield from (UserTurn(text) for text in ("TK-40001", "gibberish"))
        case NeedReading():
            yield ModelReading({"confirmation": "yes", "order_number": "yes please", "subscription_id": "x"}, "answer")
            yield ModelReading({"confirmation": "yes"}, "question", text="and what then")
        case NeedAnswer():
            yield KnowledgeReturned()
            yield KnowledgeReturned("Usually within five working days.")
        case NeedLookUp() | NeedAct() as need:
            yield from (CallReturned(CallResult(CallOutcome.DONE, answer)) for answer in worlds[need.call])
            changes = CALLS[need.call].changes
            for outcome in FAILURES:
                codes = CODES if changes and outcome is CallOutcome.REFUSED else ("",)
                yield from (CallReturned(CallResult(outcome, code=code)) for code in codes)


@pytest.mark.parametrize("name", ["resend_tickets", "cancel_subscription", "refund_order"])
@pytest.mark.parametrize("first", ["hello", "it is TK-40001"])
def test_every_way_ends_and_no_act_comes_without_its_confirmation(library, worlds, name, first):
    workflow = library.workflows[name]
    now = noon_of(worlds["get_order"][0]["purchased_at"])
    context = Context(
        workflow, library.expressions, now, "en", ASKED_BY, lambda said: library.render(said, "en"), CALLS
    )
    visited: set[Any] = set()
    walked: set[tuple[str, str]] = set()
    endings: set[str] = set()
    waiting = [(interpreter.begin(context, first), 0)]
    while waiting:
        transition, depth = waiting.pop()
        ways = [(taken.step, taken.way) for taken in transition.run.path]
        walked |= {
            (step, dict(edges(workflow.steps[step]))[way])
            for step, way in ways
            if way in dict(edges(workflow.steps[step]))
        }
        for said in transition.says:
            assert "{" not in library.render(said, "en")
        if isinstance(transition.need, Resolved | HandedOver | Stopped):
            endings.add(type(transition.need).__name__)
            continue
        assert depth < MAX_DEPTH, transition.run.trace
        if isinstance(transition.need, NeedAct):
            assert_allowed(workflow.steps, transition)
        fingerprint = transition.run.model_copy(
            update={"turns": 0, "trace": (), "path": (), "history": ()}
        ).model_dump_json()
        if (fingerprint, repr(transition.need)) in visited:
            continue
        visited.add((fingerprint, repr(transition.need)))
        for event in events(transition, worlds):
            waiting.append((interpreter.advance(context, transition.run, event), depth + 1))
    assert {"Resolved", "HandedOver"} <= endings
    if first == "hello":
        missing = (
            {(step, target) for step, found in workflow.steps.items() for _, target in edges(found)}
            - walked
            - {("which_way", "fetch")}
        )
        assert not missing, "edges that nothing reaches"


def noon_of(purchased_at: str) -> datetime:
    """The invented shop's noon: ten days after its orders were bought."""
    return datetime.fromisoformat(purchased_at) + timedelta(days=10)


def assert_allowed(steps: Any, transition: Transition) -> None:
    step = steps[transition.run.step]
    assert isinstance(step, ActStep)
    if step.harmless is None:
        assert transition.run.confirmed in step.confirmed_by
        assert isinstance(steps[transition.run.confirmed], ConfirmStep)
    amount = CALLS[step.call].amount_argument
    if amount is not None:
        assert 0 < transition.need.arguments[amount] <= step.max_amount_cents
