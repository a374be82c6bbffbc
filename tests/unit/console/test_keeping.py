"""Dear answers are kept, cheap ones are not."""

from __future__ import annotations

import asyncio

import pytest
from console.keeping import Keeping
from keyflow.errors import RetryableError


class Dear:
    """Counts how often it is asked; each answer takes a second of the test's clock, or what is said."""

    def __init__(self, takes: float = 1.0) -> None:
        self.takes = takes
        self.time = 0.0
        self.asked = 0
        self.fails = False

    def now(self) -> float:
        return self.time

    async def ask(self) -> int:
        self.asked += 1
        await asyncio.sleep(0)
        if self.fails:
            raise RetryableError("OpenSearch cannot answer")
        self.time += self.takes
        return self.asked


async def test_a_cheap_answer_is_kept_for_five_times_what_it_took() -> None:
    cheap = Dear(takes=0.05)
    keeping: Keeping[int] = Keeping(cheap.now)
    assert [await keeping.get("a", cheap.ask), await keeping.get("a", cheap.ask)] == [1, 1]
    cheap.time += 0.3
    assert await keeping.get("a", cheap.ask) == 2


async def test_a_dear_answer_is_shown_for_a_minute_while_a_new_one_is_made_and_pages_are_told() -> None:
    dear = Dear()
    keeping: Keeping[int] = Keeping(dear.now)
    await keeping.get("a", dear.ask)
    dear.time += 50.0
    assert (await keeping.get("a", dear.ask), keeping.renewed) == (1, 0)
    for _ in range(3):
        await asyncio.sleep(0)
    assert (await keeping.get("a", dear.ask), keeping.renewed) == (2, 1)
    dear.time += 60.0
    assert (await keeping.get("a", dear.ask), keeping.renewed) == (3, 1)


async def test_it_is_renewed_beside_who_asks() -> None:
    dear = Dear()
    keeping: Keeping[int] = Keeping(dear.now)
    await keeping.get("a", dear.ask)
    dear.time += 3.0
    assert await keeping.get("a", dear.ask) == 1
    for _ in range(3):
        await asyncio.sleep(0)
    assert await keeping.get("a", dear.ask) == 2


async def test_many_who_ask_at_once_ask_once_and_names_are_told_apart() -> None:
    dear = Dear()
    keeping: Keeping[int] = Keeping(dear.now)
    assert set(await asyncio.gather(*(keeping.get("a", dear.ask) for _ in range(9)))) == {1}
    assert await keeping.get("b", dear.ask) == 2


async def test_a_failure_is_told_and_not_kept() -> None:
    dear = Dear()
    keeping: Keeping[int] = Keeping(dear.now)
    dear.fails = True
    with pytest.raises(RetryableError):
        await keeping.get("a", dear.ask)
    dear.fails = False
    assert await keeping.get("a", dear.ask) == 2


async def test_a_renewal_that_fails_leaves_the_answer_until_its_time_is_over() -> None:
    dear = Dear()
    keeping: Keeping[int] = Keeping(dear.now)
    await keeping.get("a", dear.ask)
    dear.time, dear.fails = dear.time + 3.0, True
    assert await keeping.get("a", dear.ask) == 1
    for _ in range(3):
        await asyncio.sleep(0)
    assert await keeping.get("a", dear.ask) == 1
