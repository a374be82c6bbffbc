"""The hard cap on spending."""

import asyncio

import pytest
from floodgate.bedrock.budget import Budget
from floodgate.bedrock.errors import BudgetExceededError
from hypothesis import given
from hypothesis import strategies as st


async def test_without_a_cap_only_the_sum_is_kept() -> None:
    budget = Budget(None)
    await budget.reserve(1e9)
    budget.settle(1e9, 2.5)
    assert budget.spent_usd == 2.5


async def test_a_call_waits_for_those_under_way_when_only_together_they_could_pass_the_cap() -> None:
    budget = Budget(1.0)
    await budget.reserve(0.8)
    waiting = asyncio.create_task(budget.reserve(0.8))
    await asyncio.sleep(0)
    assert not waiting.done()
    budget.settle(0.8, 0.1)
    await waiting


async def test_a_waiting_call_is_refused_once_the_money_is_really_spent() -> None:
    budget = Budget(1.0)
    await budget.reserve(0.8)
    waiting = asyncio.create_task(budget.reserve(0.8))
    await asyncio.sleep(0)
    budget.settle(0.8, 0.7)
    with pytest.raises(BudgetExceededError, match="the cap of 1 USD"):
        await waiting


async def test_a_refused_call_leaves_room_for_a_cheaper_one() -> None:
    budget = Budget(1.0)
    with pytest.raises(BudgetExceededError):
        await budget.reserve(1.5)
    await budget.reserve(0.9)


@given(
    cap=st.floats(0.1, 10),
    calls=st.lists(st.tuples(st.floats(0.0, 2), st.floats(0, 1)), max_size=40),
)
def test_the_sum_never_passes_the_cap(cap: float, calls: list[tuple[float, float]]) -> None:
    async def spend() -> float:
        budget = Budget(cap)

        async def one(most: float, share: float) -> None:
            try:
                await budget.reserve(most)
            except BudgetExceededError:
                return
            await asyncio.sleep(0)
            budget.settle(most, most * share)

        await asyncio.gather(*(one(most, share) for most, share in calls))
        return budget.spent_usd

    assert asyncio.run(spend()) <= cap * (1 + 1e-9)
