"""The site of the long form: a stack of its own, because its broker and its registry are stopped and restarted."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from faults.services.site import Site, prepare
from floodgate_local.progress import PlainProgress
from floodgate_local.stack import Stack
from floodgate_local.state import repository_root


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
def site(own_stack: Stack, seed: int, tell: Callable[[str], None]) -> Iterator[Site]:
    """Every service once, on the stack of its own."""
    prepare(own_stack)
    made = Site(own_stack, seed, own_stack.state_dir / "logs", tell)
    try:
        made.start()
        yield made
    finally:
        made.stop()
