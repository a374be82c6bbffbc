"""What all tests share."""

from __future__ import annotations

from collections.abc import Generator

import pytest
import structlog
from hypothesis import settings

# How long an example takes says more about the machine than about the code: no test is timed.
settings.register_profile("floodgate", deadline=None)
settings.load_profile("floodgate")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, object, object]:
    """How a command that a test runs in its own process sets up logs is no matter of the next test."""
    before = structlog.get_config()
    try:
        return (yield)
    finally:
        structlog.configure(**before)
