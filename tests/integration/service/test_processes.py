"""Services as processes: a service whose parent was killed leaves by itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import httpx
from support.processes import free_port


def until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.1)
    return condition()


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=1.0).status_code == 200
    except httpx.HTTPError:
        return False


def test_a_service_leaves_when_the_process_that_started_it_is_killed(stack_env: dict[str, str]) -> None:
    port = free_port()
    env = {**os.environ, **stack_env, "FLOODGATE_METRICS_PORT": str(port), "FLOODGATE_KAFKA_GROUP_PREFIX": "orphan."}
    script = "from floodgate.cli.processes import run_all; run_all(['summarizer'])"
    parent = subprocess.Popen([sys.executable, "-c", script], env=env, stderr=subprocess.DEVNULL)
    try:
        assert until(lambda: answers(port), 60), "the service did not come up"
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    assert until(lambda: not answers(port), 40), "the service outlived its parent"
