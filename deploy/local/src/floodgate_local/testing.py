"""The stack of the tests: one for the whole run, in a state folder of its own.

    @pytest.fixture(scope="session")
    def local_stack() -> Iterator[Stack]:
        yield from stack_for_tests()

`FLOODGATE_TEST_STATE` names another state folder; a stack that somebody runs there is used and left running.
Runs at the same time share one stack, and the last of them stops it, even when an earlier one was killed.
"""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Final

from floodgate_local.progress import PlainProgress
from floodgate_local.stack import Stack
from floodgate_local.state import repository_root

# Exists while the stack is the tests' own to stop.
_OWNED: Final = "owned-by-tests"


def stack_for_tests() -> Generator[Stack, None, None]:
    """The running stack; down again after its last user, its data removed, if tests started it.

    Raises:
        StackError: The stack does not come up. A missing stack fails the tests that need it; it never skips them.
    """
    folder = os.environ.get("FLOODGATE_TEST_STATE")
    only = os.environ.get("FLOODGATE_TEST_COMPONENTS")
    state_dir = Path(folder).absolute() if folder else repository_root() / ".floodgate" / "tests"
    state_dir.mkdir(parents=True, exist_ok=True)
    stack = Stack(state_dir, only=only.split(",") if only else None)
    with (state_dir / "users").open("w") as users:
        # Held by every run that uses the stack; the system lets go of it however the run ends.
        fcntl.flock(users, fcntl.LOCK_SH)
        try:
            if not any(row.pid for row in stack.status()):
                (state_dir / _OWNED).touch()
            stack.up(PlainProgress(sys.__stderr__ or sys.stderr))
            yield stack
        finally:
            _release(users.fileno(), stack)


def _release(users: int, stack: Stack) -> None:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    owned = stack.state_dir / _OWNED
    if owned.exists():
        stack.down(purge=True)
        owned.unlink()
