"""The local stack, one for the whole run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from floodgate_local.stack import Stack
from floodgate_local.testing import stack_for_tests


@pytest.fixture(scope="session")
def local_stack() -> Iterator[Stack]:
    yield from stack_for_tests()
