"""The site under faults: a stack of its own for the long form, the integration tests' stack for the short one.

`SEED=n` repeats a run's choices; the seed is printed. What a seed cannot repeat is the machine's timing.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.services.site import Site, floodgate
from floodgate_local.progress import PlainProgress
from floodgate_local.provision import provision
from floodgate_local.stack import Stack
from floodgate_local.state import repository_root
from floodgate_local.testing import stack_for_tests


@pytest.fixture(scope="session")
def seed() -> int:
    chosen = int(os.environ.get("SEED") or random.SystemRandom().randrange(1_000_000))
    out = sys.__stderr__ or sys.stderr
    out.write(f"\nfaults: SEED={chosen}\n")
    out.flush()
    return chosen


@pytest.fixture(scope="session")
def own_stack() -> Iterator[Stack]:
    """Kafka is stopped and restarted here, so nobody else may use it."""
    folder = os.environ.get("FLOODGATE_FAULTS_STATE")
    stack = Stack(Path(folder).absolute() if folder else repository_root() / ".floodgate" / "faults")
    try:
        stack.up(PlainProgress(sys.__stderr__ or sys.stderr), fresh=True)
        yield stack
    finally:
        # The logs stay, to read what a failure was about.
        stack.down()


@pytest.fixture(scope="session")
def site(own_stack: Stack, seed: int) -> Iterator[Site]:
    """Every service once, on the stack of its own."""
    prepare(own_stack)
    made = Site(own_stack, seed, own_stack.state_dir / "logs")
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="session")
def shared_site(seed: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Every service once, in groups of their own on the stack that the integration tests use."""
    for stack in stack_for_tests():
        prepare(stack)
        made = Site(
            stack,
            seed,
            tmp_path_factory.mktemp("services"),
            group_prefix=f"faults-{seed}-{os.getpid()}.",
            # It would tell again what other tests left behind.
            FLOODGATE_INGEST_RECONCILE_INTERVAL_SECONDS="0",
        )
        made.begin_at_the_end()
        try:
            made.start()
            yield made
        finally:
            made.stop()


def prepare(stack: Stack) -> None:
    """The deploy step: topics, schemas, bucket, knowledge, feature group."""
    stack.set_env(provision(stack.env()).env)
    env = {**stack.env(), "FLOODGATE_STATE": str(stack.state_dir)}
    floodgate(env, "knowledge", "sync")
    floodgate(env, "features", "setup")
