"""`floodgate status` of a service that runs, and of what is left once it does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import typer
from floodgate.cli.status import status
from support.processes import ServiceProcess, eventually, free_port
from typer.testing import CliRunner

pytestmark = pytest.mark.integration


@pytest.fixture
def told(agent_env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, dict[str, Any]]]:
    """The exit code, and what it says, of this module's agent alone."""
    monkeypatch.setenv("FLOODGATE_KAFKA_GROUP_PREFIX", agent_env["FLOODGATE_KAFKA_GROUP_PREFIX"])
    command = typer.Typer()
    command.command()(status)

    def tell(*arguments: str) -> tuple[int, dict[str, Any]]:
        result = CliRunner().invoke(command, [*arguments, "--json"])
        assert result.exit_code in (0, 1), result.output
        return result.exit_code, json.loads(result.output)

    return tell


def test_a_running_service_has_nothing_left_and_one_that_stopped_is_named(
    agent: ServiceProcess, open_desk: Any, told: Any
) -> None:
    metrics = f"http://127.0.0.1:{agent.env['FLOODGATE_METRICS_PORT']}/metrics"
    open_desk(customer=29).say("I lost my tickets")
    # The agent measures its own figures about once a second.
    seen = eventually(lambda: _idle(told("--metrics", metrics)), agent.tail)
    (row,) = seen["services"]
    assert (row["service"], row["running"], row["members"], row["in_flight"]) == ("agent", True, 1, 0.0)
    assert (row["breaker"], row["outage"], seen["silent"]) == ("closed", 0.0, [])

    nobody = f"http://127.0.0.1:{free_port()}/metrics"
    code, seen = told("--metrics", metrics, "--metrics", nobody)
    assert (code, seen["silent"]) == (1, [nobody])

    agent.stop()
    code, seen = told()
    assert (code, seen["services"][0]["running"], seen["services"][0]["members"]) == (1, False, 0)
    agent.start()
    eventually(lambda: told()[0] == 0, agent.tail)


def _idle(answer: tuple[int, dict[str, Any]]) -> dict[str, Any] | None:
    """What was told once nothing is left to do."""
    code, seen = answer
    rows = seen["services"]
    left = sum(sum(row["lag"].values()) + row["oldest_seconds"] for row in rows)
    return seen if code == 0 and rows and not left else None
