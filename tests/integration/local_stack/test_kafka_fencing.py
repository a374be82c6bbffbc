"""The pass that ends a crashed broker's session: what it waits for, and that it leaves no process."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from floodgate_local import kafka_fencing
from floodgate_local.kafka_fencing import crashed, fence

pytestmark = pytest.mark.integration

_ACTIVE = "print('Performing controller activation', flush=True)"
_FENCED = "print('INFO Fencing broker 1 because its session has timed out.', flush=True)"
_WAIT = "import time; time.sleep(600)"


def _controller(*lines: str) -> list[str]:
    return [sys.executable, "-c", "\n".join(lines)]


def test_it_ends_as_soon_as_the_broker_is_fenced() -> None:
    assert fence(_controller(_ACTIVE, _FENCED, _WAIT), {})


def test_a_broker_that_never_registered_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_fencing, "_FENCE_SECONDS", 0.1)
    assert not fence(_controller(_ACTIVE, _WAIT), {})


def test_a_controller_that_dies_is_not_waited_for() -> None:
    assert not fence(_controller("raise SystemExit(1)"), {})


def test_only_a_folder_that_was_not_closed_in_order_is_of_a_crash(tmp_path: Path) -> None:
    assert not crashed(tmp_path)
    (tmp_path / "__cluster_metadata-0").mkdir()
    assert crashed(tmp_path)
    (tmp_path / ".kafka_cleanshutdown").touch()
    assert not crashed(tmp_path)
