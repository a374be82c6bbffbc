"""`SEED=n` repeats a run's choices; the seed is printed. What a seed cannot repeat is the machine's timing."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable

import pytest


@pytest.fixture(scope="session")
def tell(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Writes a line past pytest's capture: a long run shows how far it is."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")

    def say(line: str) -> None:
        with capture.global_and_fixture_disabled():
            sys.stdout.write(f"\n{line}")
            sys.stdout.flush()

    return say


@pytest.fixture(scope="session")
def seed(tell: Callable[[str], None]) -> int:
    chosen = int(os.environ.get("SEED") or random.SystemRandom().randrange(1_000_000))
    tell(f"faults: SEED={chosen}")
    return chosen
