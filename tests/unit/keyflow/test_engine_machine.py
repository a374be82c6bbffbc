"""Hypothesis looks for a history of crashes, rebalances and aborts after which something is lost or doubled."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from support.engine_machine import EngineMachine

TestEngine = EngineMachine.TestCase
TestEngine.settings = settings(
    max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
