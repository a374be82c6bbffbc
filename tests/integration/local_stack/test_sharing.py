"""Runs of the tests at the same time share one stack; a stack that somebody else runs is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from floodgate_local.stack import Stack
from floodgate_local.testing import stack_for_tests

pytestmark = pytest.mark.integration


@pytest.fixture
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FLOODGATE_TEST_STATE", str(tmp_path / "state"))
    # One small component shows it as well as all of them.
    monkeypatch.setenv("FLOODGATE_TEST_COMPONENTS", "shop")
    return tmp_path / "state"


def _pid_of_the_shop(stack: Stack) -> int | None:
    return next(row.pid for row in stack.status() if row.name == "shop")


def test_the_last_of_several_runs_stops_the_stack(state_dir: Path) -> None:
    first, second = stack_for_tests(), stack_for_tests()
    pid = _pid_of_the_shop(next(first))
    assert _pid_of_the_shop(next(second)) == pid
    first.close()
    assert _pid_of_the_shop(Stack(state_dir)) == pid
    second.close()
    assert _pid_of_the_shop(Stack(state_dir)) is None


def test_a_stack_that_ran_before_is_left_running(state_dir: Path) -> None:
    stack = Stack(state_dir, only=["shop"])
    stack.up()
    try:
        pid = _pid_of_the_shop(stack)
        run = stack_for_tests()
        next(run)
        run.close()
        assert _pid_of_the_shop(stack) == pid
    finally:
        stack.down(purge=True)
