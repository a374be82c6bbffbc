"""Ours."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

from keyflow import Emit, Engine, EngineConfig, Outcome, Processor, Record, StateSpec, Tools
from keyflow.loops import collecting_seldom, run

from bench.engine.codec import decode, encode
from bench.engine.job import Began, Job


class Hop:
    """One output per input, after the record's latency or at once; with state it counts the key's records."""

    def __init__(self, job: Job) -> None:
        self._output = job.output
        self._seconds = job.options.get("latency_seconds")
        self._waits = job.waits
        self._stateful = bool(job.state)
        self._began = Began()

    async def handle(self, record: Record, state: int | None, tools: Tools) -> Outcome[int]:
        """See the class."""
        self._began()
        if self._waits:
            await asyncio.sleep(self._seconds or record.value["latency_seconds"])
        emitted = (Emit(self._output, record.key, record.value),)
        return Outcome(emitted, (state or 0) + 1) if self._stateful else Outcome(emitted)


async def main(job: Job) -> None:
    """Runs until SIGTERM."""
    state: StateSpec[int] | None = StateSpec(job.state, lambda n: str(n).encode(), int) if job.state else None
    processor: Processor[Any] = Processor(
        name="bench",
        inputs=[job.input],
        handler=Hop(job),
        decode=lambda _, data: decode(data),
        encode=lambda _, value: encode(value),
        dead_letter=lambda failed: Emit(job.dead, "dead", {"number": -1, "key": failed.reason}),
        state=state,
    )
    engine = Engine(processor, EngineConfig(job.servers, job.group, max_in_flight=job.in_flight))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, engine.stop)
    await engine.run()


if __name__ == "__main__":
    job = Job.told()
    with collecting_seldom():
        (run if job.options.get("uvloop") else asyncio.run)(main(job))
