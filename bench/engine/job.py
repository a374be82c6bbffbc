"""What the harness tells a contender's process, and the one line that it says back."""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Job:
    """One run of one contender.

    Attributes:
        in_flight: Records that may be handled at once, where the contender can do that.
        waits: The handler waits for the record's latency; otherwise it does nothing.
        state: Changelog topic of a stateful hop; empty for none.
        folder: Scratch folder of this run.
        options: What distinguishes variants of one contender.
    """

    servers: str
    group: str
    input: str
    output: str
    dead: str
    state: str
    folder: str
    in_flight: int
    waits: bool
    options: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> str:
        """For the command line."""
        return json.dumps(asdict(self))

    @classmethod
    def told(cls) -> Job:
        """The job on this process's command line; the garbage collector set as in our services, for all alike."""
        gc.freeze()
        gc.set_threshold(20_000, 20, 100)
        return cls(**json.loads(sys.argv[1]))


class Began:
    """Says once when the first record reached the handler: start-up is nobody's throughput."""

    def __init__(self) -> None:
        self._said = False

    def __call__(self) -> None:
        """To be called with each record."""
        if not self._said:
            self._said = True
            # Past sys.stdout, which Faust turns into log lines.
            os.write(1, json.dumps({"began": time.time()}).encode() + b"\n")
