"""An engine that dies between any two steps, or whose calls fail there, loses and doubles nothing.

The broker is in memory and time is virtual (tests/support). The long form is in tests/faults/keyflow.
"""

from __future__ import annotations

import random

import pytest
from support.crash_points import SEED, crashes, errors, run, some_crashes_in_recovery, steps, try_all
from support.crash_process import ERRORS, Fault

_PARTS = 4
TRANSACTION = {"begin_transaction", "produce", "send_offsets_to_transaction", "commit_transaction"}


def test_the_same_seed_goes_through_the_same_steps() -> None:
    assert steps() == steps()


def test_every_kind_of_step_is_among_the_crash_points() -> None:
    names = {step.partition(" ")[2] for step in steps()}
    assert names >= {
        "init_transactions",
        "committed",
        "get_watermark_offsets",
        "on_assign",
        "poll",
        "handle",
        "effect",
        "resume",
        "begin_transaction",
        "produce",
        "send_offsets_to_transaction",
        "commit_transaction",
        "position",
        "on_revoke",
        "close",
    }


@pytest.mark.parametrize("part", range(_PARTS))
def test_a_crash_at_any_step_loses_and_doubles_nothing(part: int) -> None:
    assert try_all(crashes()[part::_PARTS]) > 40


@pytest.mark.parametrize("kind", sorted(ERRORS))
def test_an_error_at_any_step_loses_and_doubles_nothing(kind: str) -> None:
    assert try_all(errors(kind)) > 0


def test_a_crash_while_topics_are_followed_loses_and_doubles_nothing() -> None:
    assert try_all(crashes(followed=True)[::4], followed=True) > 40


def test_crashes_in_the_recovery_from_a_crash_lose_and_double_nothing() -> None:
    assert try_all(some_crashes_in_recovery(40, random.Random(SEED))) == 40


def test_a_transaction_without_its_answer_is_finished_by_the_same_process() -> None:
    for faults in errors("answer lost"):
        lives = run(faults)
        assert lives[0].faulted
        assert len(lives) == 1, faults


def test_a_process_whose_transaction_outlasts_its_time_goes_on_by_itself() -> None:
    calls = [number for number, step in enumerate(steps(), 1) if step.partition(" ")[2] in TRANSACTION]
    assert len(calls) > 20
    for number in calls:
        assert len(run([Fault(number, "stall")])) == 1, number


def test_a_fenced_process_ends_and_the_next_one_goes_on() -> None:
    number = steps().index("before commit_transaction") + 1
    lives = run([Fault(number, "fenced")])
    assert len(lives) == 2
