"""A burst of messages: how many ask OpenSearch at once, and what becomes of those that get no turn."""

from __future__ import annotations

import asyncio

import pytest
from firewall.settings import FirewallSettings
from floodgate.events import Decision
from keyflow import OutageError

AT_ONCE = 3


@pytest.fixture
def wait_seconds() -> float:
    return 60.0


@pytest.fixture
def settings(wait_seconds: float) -> FirewallSettings:
    return FirewallSettings(
        retrieval_concurrency=AT_ONCE, retrieval_wait_seconds=wait_seconds, retrieval_seconds=60.0, budget_seconds=300.0
    )


async def test_a_burst_asks_only_so_many_times_at_once_and_every_message_gets_its_examples(
    ask, message, answer, retrieval, model
):
    await asyncio.gather(*(ask(message(number=number), answer=answer()) for number in range(20)))
    assert retrieval.most_asking == AT_ONCE
    assert len(model.requests) == 20
    assert all("<retrieved_examples>" in request.user_text for request in model.requests)


@pytest.mark.parametrize("wait_seconds", [0.05])
async def test_who_gets_no_turn_in_time_is_assessed_without_retrieval(ask, message, answer, retrieval, model):
    retrieval.answers_at, retrieval.expected = asyncio.Event(), AT_ONCE
    holders = [asyncio.create_task(ask(message(number=number), answer=answer())) for number in range(AT_ONCE)]
    await retrieval.all_ask.wait()
    verdict, _, _ = await ask(message(number=AT_ONCE), answer=answer())
    assert verdict.decision is Decision.AUTOMATE
    assert "<retrieved_examples>" not in model.requests[0].user_text
    assert verdict.citations == ()
    retrieval.answers_at.set()
    await asyncio.gather(*holders)
    assert sum("<retrieved_examples>" in request.user_text for request in model.requests) == AT_ONCE


async def test_a_failed_retrieval_gives_its_turn_back(ask, message, answer, retrieval, model):
    retrieval.error = OutageError("OpenSearch cannot be reached")
    for number in range(2 * AT_ONCE):
        await ask(message(number=number), answer=answer())
    retrieval.error = None
    await ask(message(number=99), answer=answer())
    assert "<retrieved_examples>" in model.requests[-1].user_text
