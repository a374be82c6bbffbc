"""Partitions change hands between engines that join, leave, freeze and die, in memory and in virtual time."""

from __future__ import annotations

import pytest
from support.crash_points import SEED
from support.owners import come_and_go

_SEEDS = 8


@pytest.mark.parametrize("part", range(3))
def test_engines_that_come_and_go_lose_and_double_nothing(part: int) -> None:
    for seed in range(SEED + part * _SEEDS, SEED + (part + 1) * _SEEDS):
        come_and_go(seed)
