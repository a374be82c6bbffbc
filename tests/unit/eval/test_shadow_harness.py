"""A whole comparison: one model for both versions where they ask the same, and an end that keeps what is done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from floodgate.catalogue import Catalogue
from floodgate.events import Decision, Misuse, Verdict
from floodgate_eval.shadow import harness
from floodgate_eval.shadow.changing import advice
from floodgate_eval.shadow.harness import Comparison, compare
from floodgate_eval.shadow.history import History
from floodgate_eval.shadow.of_firewall import FirewallSubject
from floodgate_eval.shadow.versions import Changes, Version, candidate
from floodgate_eval.shadow.view import headlines
from keyflow import FatalError
from shadow_fakes import SayingModel, entry, history_of, message, own_catalogue


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return own_catalogue()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Models in place of Bedrock's: (model id, budget) of every client that was opened."""
    found: list[Any] = []

    @contextmanager
    def model_at(*_: Any, model_id: str | None, budget: Any, **__: Any) -> Iterator[SayingModel]:
        model = SayingModel()
        found.append((model_id, budget, model))
        yield model

    monkeypatch.setattr(harness, "model_at", model_at)
    return found


def history(count: int = 3) -> History:
    messages = [
        message("my tickets", conversation=f"c:{number}", chosen_path="tickets/resend") for number in range(count)
    ]
    verdicts = [
        Verdict(
            event_id=one.event_id, occurred_at=one.occurred_at, causation_id=one.event_id, message=one,
            conversation_id=one.conversation_id, decision=Decision.PASS, misuse=Misuse.NONE, urgent=False, urgency=0.0,
            confidence=0.5, explanation="-", language="en", category="resend_tickets", team="tickets",
        )
        for one in messages
    ]  # fmt: skip
    return history_of([entry("support.messages", one) for one in messages], verdicts)


def comparison(live: Version, **more: Any) -> Comparison:
    changes = Changes(settings=["urgent=0.9"], model_id=more.pop("model_id", None))
    return Comparison(FirewallSubject(), live, candidate(live, changes), quiet=True, concurrency=1, **more)


async def test_what_was_recorded_needs_one_model_and_two_models_share_the_budget(
    catalogue: Catalogue, opened: list[Any]
) -> None:
    live = Version(catalogue)
    found = await compare(comparison(live), history(), say=print)
    assert (found["n"], found["baseline"], found["decided_otherwise"], len(opened)) == (3, "recorded", 3, 1)
    opened.clear()
    await compare(comparison(live, rerun=True), history(), say=print)
    assert len(opened) == 1
    opened.clear()
    found = await compare(comparison(live, rerun=True, model_id="another"), history(), say=print)
    assert [model_id for model_id, _, _ in opened] == ["another", None]
    assert opened[0][1] is opened[1][1]
    assert found["noise"]["decided_otherwise"] == 3


async def test_money_that_ran_out_leaves_what_was_compared(
    catalogue: Catalogue, opened: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        SayingModel, "__init__", lambda self: self.__dict__.update(confidence=0.8, asked=[], calls_left=2)
    )
    found = await compare(comparison(Version(catalogue)), history(5), say=print)
    assert (found["n"], found["conversations"], found["stopped"]) == (2, 2, "MAX_USD is reached")
    assert any("stopped early" in line for line in headlines(found))


async def test_nothing_to_compare_is_said_with_the_time(catalogue: Catalogue, opened: list[Any]) -> None:
    live = Version(catalogue)
    with pytest.raises(FatalError, match=r"support\.messages: nothing in 2026-11-21"):
        await compare(comparison(live), history(0), say=print)
    unrecorded = history_of([entry("support.messages", message("my tickets"))])
    with pytest.raises(FatalError, match="--baseline rerun"):
        await compare(comparison(live), unrecorded, say=print)


async def test_the_advice_stays_with_a_model_that_would_lose_what_is_urgent(
    catalogue: Catalogue, opened: list[Any]
) -> None:
    found = await compare(comparison(Version(catalogue), model_id="another"), history(40), say=print)
    look = advice("another", [], [found])
    assert look.verdict.startswith("look at the examples")
    assert any("FALLBACK_MODEL_ID" in line for line in look.lines())
    found["marks"]["urgent"]["lost"] = 1
    stay = advice("another", [], [found])
    assert stay.verdict.startswith("stay with")
    assert not any("FALLBACK_MODEL_ID" in line for line in stay.lines())
    found["marks"]["urgent"]["lost"] = 0
    found["decided_otherwise_share"] = {"value": 0.0, "interval": [0.0, 0.05]}
    found["cost_usd_per_decision"] = {"before": 0.002, "after": 0.001}
    assert advice("another", [], [found]).verdict == "switch to another"
