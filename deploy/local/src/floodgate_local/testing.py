"""The stack of the tests: one for the whole run, in a state folder of its own.

    @pytest.fixture(scope="session")
    def local_stack() -> Iterator[Stack]:
        yield from stack_for_tests()

Several fixtures may use it: the first starts the stack, and that one stops it. `FLOODGATE_TEST_STATE` names
another state folder; a stack that already runs there is used and left running.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from floodgate_local.progress import PlainProgress
from floodgate_local.stack import Stack
from floodgate_local.state import repository_root


def stack_for_tests() -> Iterator[Stack]:
    """The running stack; down again afterwards, its data removed, if this started it.

    Raises:
        StackError: The stack does not come up. A missing stack fails the tests that need it; it never skips them.
    """
    folder = os.environ.get("FLOODGATE_TEST_STATE")
    only = os.environ.get("FLOODGATE_TEST_COMPONENTS")
    state_dir = Path(folder) if folder else repository_root() / ".floodgate" / "tests"
    stack = Stack(state_dir, only=only.split(",") if only else None)
    started_all = not any(row.pid for row in stack.status())
    try:
        stack.up(PlainProgress(sys.__stderr__ or sys.stderr))
        yield stack
    finally:
        if started_all:
            stack.down(purge=True)
