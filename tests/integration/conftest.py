"""One real local stack for all integration tests: `local_stack`, and `stack_env` with topics and schemas in place.

FLOODGATE_TEST_STATE names the state folder of a stack that already runs, to save its start while developing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from floodgate_local.provision import provision
from floodgate_local.stack import Stack
from floodgate_local.testing import stack_for_tests


@pytest.fixture(scope="session")
def local_stack() -> Iterator[Stack]:
    yield from stack_for_tests()


@pytest.fixture(scope="session")
def stack_env(local_stack: Stack) -> Iterator[dict[str, str]]:
    """The stack's environment, prepared by the deploy step, and set for whatever reads os.environ."""
    local_stack.set_env(provision(local_stack.env()).env)
    env = local_stack.env()
    before = dict(os.environ)
    os.environ.update(env)
    # Every test's service has a group of its own on state topics that they share.
    os.environ["FLOODGATE_KAFKA_START_OVER"] = "1"
    yield env
    os.environ.clear()
    os.environ.update(before)
