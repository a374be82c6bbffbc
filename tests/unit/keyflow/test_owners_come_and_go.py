"""Partitions change hands between engines that join, leave and die, on a broker in memory in virtual time."""

from __future__ import annotations

import pytest
from support.crash_points import SEED
from support.owners import come_and_go


@pytest.mark.parametrize("part", range(4))
def test_engines_that_come_and_go_lose_and_double_nothing(part: int) -> None:
    for seed in range(SEED + part * 15, SEED + (part + 1) * 15):
        come_and_go(seed)
