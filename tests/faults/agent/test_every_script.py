"""Every scripted conversation of the agent, killed at every step of the engine. No broker: it is in memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from statistics import quantiles
from typing import Final

import pytest
from agent.domain.library import Library
from agent.scripts import Player, read_script_file
from floodgate.catalogue import load_catalogue
from floodgate_local.state import repository_root
from support.agent_lab import Calm

CATALOGUE: Final = repository_root() / "catalogue"
SCRIPTS: Final = sorted((CATALOGUE / "workflows" / "tests").glob("*.yaml"))
REPEATS: Final = 8

pytestmark = pytest.mark.timeout(4 * 3600)


@pytest.fixture(scope="module")
def library() -> Library:
    return Library(load_catalogue(CATALOGUE))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_killed_at_any_step_every_conversation_says_and_does_the_same_once(
    library: Library, path: Path, tell: Callable[[str], None]
) -> None:
    player, kills = Player(library, read_script_file(path)), 0
    for script in player.file.conversations:
        calm = Calm(player, script)
        for step in range(1, len(calm.steps) + 1):
            calm.killed_at(step)
        kills += len(calm.steps)
    tell(f"faults: {path.stem}: {len(player.file.conversations)} conversations, {kills} kills")


def test_every_conversation_shows_what_a_step_of_the_agent_costs(library: Library, tell: Callable[[str], None]) -> None:
    spent: list[float] = []
    for path in SCRIPTS:
        player = Player(library, read_script_file(path))
        for script in player.file.conversations:
            spent += Calm(player, script).own_seconds
    middle, late = (quantiles(spent, n=100)[at] * 1_000 for at in (49, 94))
    tell(f"the agent's own work: {len(spent)} steps, processor time p50 {middle:.2f} ms, p95 {late:.2f} ms")
    assert len(spent) > len(SCRIPTS)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_eight_times_with_two_deaths_each_every_conversation_is_the_same(
    library: Library, path: Path, seed: int
) -> None:
    player = Player(library, read_script_file(path))
    for script in player.file.conversations:
        calm, chance = Calm(player, script), Random(f"{seed}:{script.name}")
        for _ in range(REPEATS):
            calm.killed_at(chance.randint(1, len(calm.steps)), chance.randint(1, len(calm.steps)))
