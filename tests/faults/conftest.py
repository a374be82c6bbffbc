"""`SEED=n` repeats a run's choices; the seed is printed. What a seed cannot repeat is the machine's timing."""

from __future__ import annotations

import os
import random
import sys

import pytest


@pytest.fixture(scope="session")
def seed() -> int:
    chosen = int(os.environ.get("SEED") or random.SystemRandom().randrange(1_000_000))
    out = sys.__stderr__ or sys.stderr
    out.write(f"\nfaults: SEED={chosen}\n")
    out.flush()
    return chosen
