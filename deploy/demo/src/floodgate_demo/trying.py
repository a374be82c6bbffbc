"""What the demo tries on its own topics: stricter rules in shadow, and what the feedback is good for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from keyflow.errors import FatalError

STRICTER: Final = ("min_confidence=0.6", "refund_tickets.automation=shadow")
_CONVERSATIONS: Final = 30
"""Enough to show what would change; each message is one call of the local model."""


def try_out(env: Mapping[str, str], folder: Path) -> dict[str, Any]:
    """Runs the commands that somebody would run the next morning.

    Args:
        env: Environment of the stack.
        folder: Where their results go.

    Raises:
        FatalError: One of them fails.
    """
    began = time.monotonic()
    shadow, judged = folder / "shadow.json", folder / "judged.jsonl"
    commands = (
        (
            "shadow", "firewall", "--since", "1h", "--baseline", "rerun", "--limit", str(_CONVERSATIONS), "--sample",
            "--quiet", "--json", str(shadow), *(part for setting in STRICTER for part in ("--set", setting)),
        ),
        ("eval", "from-feedback", "--out", str(judged)),
    )  # fmt: skip
    running = [_started(env, *command) for command in commands]
    for process, command in zip(running, commands, strict=True):
        _, errors = process.communicate()
        if process.returncode != 0:
            raise FatalError(f"`floodgate {' '.join(command)}` failed: {errors.strip()[-1500:]}")
    found: dict[str, Any] = json.loads(shadow.read_text(encoding="utf-8"))
    names = ("changes", "baseline", "n", "conversations", "decided_otherwise", "matrix", "marks", "noise")
    return {
        **{name: found[name] for name in names},
        "judged_rows": sum(1 for _ in judged.open(encoding="utf-8")),
        "seconds": round(time.monotonic() - began, 1),
    }


def _started(env: Mapping[str, str], *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "floodgate.cli.main", *arguments]
    return subprocess.Popen(  # noqa: S603 (ours)
        command, env={**os.environ, **env}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
