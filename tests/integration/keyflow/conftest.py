"""The fixture of the engine's tests on a real broker."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from floodgate_local.stack import Stack

# The helpers beside this file are imported by name; test folders are no packages.
sys.path.insert(0, str(Path(__file__).parent))

from keyflow_bench import Bench  # see above


@pytest.fixture
def bench(local_stack: Stack) -> Bench:
    made = Bench(local_stack.env()["FLOODGATE_KAFKA_BOOTSTRAP_SERVERS"])
    made.create("in", "out", "dead", "state")
    return made
