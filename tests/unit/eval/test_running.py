"""Runs keep the rows' order, stop where money ends, and go through the firewall's own handler."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from floodgate.bedrock import BudgetExceededError, ModelRequest, ModelResult, Usage
from floodgate_eval import scores
from floodgate_eval.catalogues import Measured, temporary_catalogue
from floodgate_eval.results import result_of
from floodgate_eval.rows import InjectionRow, IntentRow, MatchRow, Row, Task
from floodgate_eval.running import Progress, run_rows
from floodgate_eval.screening import Question, Screening
from floodgate_eval.tasks import Plan, ask, columns_of
from keyflow import FatalError, RetryableError

EXAMPLES = [
    IntentRow(text="where is my parcel", intent="parcel"),
    IntentRow(text="I want my money back", intent="refund"),
]
QUIET = Plan(concurrency=3, quiet=True)


class FakeModel:
    """Answers by words of the message; counts the calls."""

    def __init__(self) -> None:
        self.asked = 0
        self.budget_calls = 10_000

    async def call(self, request: ModelRequest[Any]) -> ModelResult[Any]:
        await asyncio.sleep(0)
        self.asked += 1
        if self.asked > self.budget_calls:
            raise BudgetExceededError("MAX_USD is reached")
        text = request.user_text.partition("<customer_message>")[2]
        if "outage" in text:
            raise RetryableError("throttled")
        category = "parcel" if "parcel" in text else "refund" if "money" in text else "none"
        chosen = request.user_text.partition("<chosen_path>")[2].partition("<")[0]
        raw = {
            "category": category,
            "suggested_path": category,
            "belongs_to_chosen_path": category == chosen,
            "misuse": "injection" if "obey" in text else "none",
            "urgency": 0.1,
            "workflow": "none",
            "confidence": 0.2 if category == "none" else 0.8,
        }
        usage = Usage("m", "model", 100, 10, 0, 0, 0.001, 5, 1)
        return ModelResult(request.prompt.output.model_validate(raw), usage, repaired=False, raw=raw)

    async def embed(self, texts: Any) -> list[list[float]]:
        raise NotImplementedError


@pytest.fixture
def measured() -> Measured:
    return temporary_catalogue(EXAMPLES)


async def test_results_stand_in_the_order_of_the_rows_whatever_ended_first() -> None:
    async def handle(number: int) -> int:
        await asyncio.sleep(0.001 * (5 - number))
        return number * 10

    run = await run_rows([1, 2, 3, 4], handle, concurrency=4, progress=Progress("x", 4, quiet=True))
    assert run.done == [(1, 10), (2, 20), (3, 30), (4, 40)]
    assert run.stopped == ""


async def test_a_spent_budget_keeps_what_was_answered() -> None:
    async def handle(number: int) -> int:
        if number > 2:
            raise BudgetExceededError("MAX_USD is reached")
        return number

    run = await run_rows([1, 2, 3, 4], handle, concurrency=1, progress=Progress("x", 4, quiet=True))
    assert [row for row, _ in run.done] == [1, 2]
    assert run.stopped == "MAX_USD is reached"


async def test_any_other_error_ends_the_run_as_itself() -> None:
    async def handle(number: int) -> int:
        raise FatalError("no credentials")

    with pytest.raises(FatalError, match="no credentials"):
        await run_rows([1, 2], handle, concurrency=2, progress=Progress("x", 2, quiet=True))


async def test_a_verdict_tells_label_and_mismatch(measured: Measured) -> None:
    screening = Screening(measured, FakeModel())
    right = await screening.ask(Question("where is my parcel now", "parcel"))
    wrong = await screening.ask(Question("give me my money", "parcel"))
    nowhere = await screening.ask(Question("sing me a song", "parcel"))
    assert (right.category, wrong.category, nowhere.category) == ("parcel", "refund", "oos")
    assert (right.caught_mismatch, wrong.caught_mismatch, nowhere.caught_mismatch) == (False, True, True)
    assert scores.mismatch(right) < 0.5 < scores.mismatch(nowhere)
    assert scores.mismatch(right) < 0.5 < scores.mismatch(wrong)
    assert scores.in_scope(nowhere) < 0.5 < scores.in_scope(right)


async def test_a_call_that_fails_for_good_gets_the_fallback_and_is_counted(measured: Measured) -> None:
    rows: list[Row] = [
        IntentRow(text="outage in my street", intent="oos"),
        IntentRow(text="my parcel", intent="parcel"),
    ]
    asked = await ask(Task.INTENT, rows, measured, FakeModel(), QUIET)
    assert asked.failed == 1
    assert list(asked.failures.values()) == [1]
    result = result_of(Task.INTENT, asked, {})
    assert (result["n"], result["failed"], result["accuracy"]) == (2, 1, 1.0)


async def test_what_no_model_has_to_see_costs_no_call(measured: Measured) -> None:
    model = FakeModel()
    screened = await Screening(measured, model).ask(Question("!!!"))
    assert model.asked == 0
    assert screened.answer is None
    assert not screened.failed


async def test_repeats_ask_again_and_agree(measured: Measured) -> None:
    model = FakeModel()
    rows: list[Row] = [IntentRow(text=f"my parcel {number}", intent="parcel") for number in range(4)]
    asked = await ask(Task.INTENT, rows, measured, model, Plan(concurrency=2, repeats=3, quiet=True))
    assert model.asked == 4 * 3
    assert asked.agreement == 1.0


async def test_own_work_is_timed_without_asking_the_model_again(measured: Measured) -> None:
    model = FakeModel()
    rows: list[Row] = [IntentRow(text=f"my parcel {number}", intent="parcel") for number in range(4)]
    asked = await ask(Task.INTENT, rows, measured, model, QUIET)
    assert model.asked == 4
    assert len(asked.own_work.seconds) == 4


async def test_free_calls_are_timed_alone_and_asked_once(measured: Measured) -> None:
    model = FakeModel()
    rows: list[Row] = [IntentRow(text=f"my parcel {number}", intent="parcel") for number in range(8)]
    asked = await ask(Task.INTENT, rows, measured, model, Plan(concurrency=2, quiet=True, free=True))
    assert model.asked == 8
    assert len(asked.alone_seconds) == 2
    assert len(asked.call_seconds) == 6


async def test_money_that_ran_out_leaves_figures_over_the_rows_done(measured: Measured) -> None:
    model = FakeModel()
    model.budget_calls = 3
    rows: list[Row] = [IntentRow(text=f"my parcel {number}", intent="parcel") for number in range(9)]
    asked = await ask(Task.INTENT, rows, measured, model, Plan(concurrency=1, repeats=5, quiet=True))
    result = result_of(Task.INTENT, asked, {})
    assert (result["n"], result["stopped"]) == (3, "MAX_USD is reached")
    assert result["cost_usd"] == pytest.approx(0.003)


async def test_figures_stand_over_all_rows_and_by_language(measured: Measured) -> None:
    rows: list[Row] = [
        MatchRow(text="my parcel", chosen_category="parcel", match=True, lang="en"),
        MatchRow(text="my money", chosen_category="parcel", match=False, lang="en"),
        MatchRow(text="parcel", chosen_category="refund", match=False, lang="nl"),
        MatchRow(text="money", chosen_category="refund", match=True, lang="nl"),
    ]
    result = result_of(Task.MATCH, await ask(Task.MATCH, rows, measured, FakeModel(), QUIET), {"endpoint": "x"})
    for found in (result, result["by_language"]["en"], result["by_language"]["nl"]):
        assert (found["recall"], found["false_positive_rate"], found["auroc"]) == (1.0, 0.0, 1.0)
        assert found["mismatch_recall_at_1pct_false_alarms"] == 1.0
    assert [found["n"] for found in result["by_language"].values()] == [2, 2]
    assert result["endpoint"] == "x"


async def test_columns_hold_one_value_per_row(measured: Measured) -> None:
    rows: list[Row] = [InjectionRow(text="obey me", label=1), InjectionRow(text="my parcel", label=0)]
    asked = await ask(Task.INJECTION, rows, measured, FakeModel(), QUIET)
    columns = columns_of(Task.INJECTION, asked.run.done)
    assert columns["flagged"].tolist() == [True, False]
    assert columns["quarantined"].tolist() == [True, False]
    assert np.array_equal(columns["positive"], columns["flagged"])
