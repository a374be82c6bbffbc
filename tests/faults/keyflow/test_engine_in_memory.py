"""The long forms of tests/unit/keyflow: crashes in every recovery, many histories, many seeds.

No broker is started: it is in memory, and time is virtual. `FLOODGATE_FAULTS=long` leaves nothing out.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import seed as hypothesis_seed
from hypothesis.stateful import run_state_machine_as_test
from support.crash_points import crashes, crashes_in_recovery, errors, run, try_all
from support.crash_process import ERRORS
from support.engine_machine import EngineMachine
from support.owners import come_and_go

LONG: Final = os.environ.get("FLOODGATE_FAULTS") == "long"
_SHARE: Final = 1 if LONG else 16
_HISTORIES: Final = 5_000 if LONG else 300
_SEEDS: Final = 3_000 if LONG else 200

pytestmark = pytest.mark.timeout(4 * 3600)


def test_a_crash_in_the_recovery_from_a_crash_loses_and_doubles_nothing(seed: int, tell: Callable[[str], None]) -> None:
    pairs = list(crashes_in_recovery(range(1, len(crashes()) + 1)))
    tried = try_all(random.Random(seed).sample(pairs, len(pairs) // _SHARE), seed)
    tell(f"faults: {tried} of {len(pairs)} crashes in a recovery")


def test_a_crash_while_topics_are_followed_loses_and_doubles_nothing(seed: int) -> None:
    try_all(crashes(followed=True), seed, followed=True)


@pytest.mark.parametrize("kind", sorted(ERRORS))
def test_an_error_and_then_a_crash_lose_and_double_nothing(kind: str, seed: int) -> None:
    chance = random.Random(seed)
    for fault in errors(kind):
        following = run(fault, seed)
        # The second fault hits the next life, if the error ended the first; else a crash follows in the same run.
        later = crashes()[:: 1 if LONG else chance.randint(15, 25)] if len(following) > 1 else []
        try_all(((*fault, *crash) for crash in later), seed)


def test_no_history_of_faults_loses_or_doubles_anything(seed: int) -> None:
    chosen = settings(
        max_examples=_HISTORIES,
        stateful_step_count=60,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    machine = hypothesis_seed(seed)(EngineMachine)
    run_state_machine_as_test(machine, settings=chosen)


def test_engines_that_come_and_go_lose_and_double_nothing(seed: int, tell: Callable[[str], None]) -> None:
    for number in range(seed, seed + _SEEDS):
        come_and_go(number)
    tell(f"faults: {_SEEDS} histories of engines that come and go")
