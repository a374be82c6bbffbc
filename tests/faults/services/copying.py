"""One engine as a process of its own: copies records, large, so that its transactions take a while.

python copying.py <bootstrap servers> <input topic> <output topic> <state topic> <group>
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys

from keyflow import Emit, Engine, EngineConfig, FatalError, Outcome, Processor, Record, StateSpec, Tools

PADDING_CHARS = 60_000


class Copying:
    """Copies each record with its number, and counts those of each key."""

    def __init__(self, out: str) -> None:
        self._out = out

    async def handle(self, record: Record, state: int | None, tools: Tools) -> Outcome[int]:
        count = (state or 0) + 1
        value = {"n": record.value["n"], "count": count, "padding": "x" * PADDING_CHARS}
        return Outcome([Emit(self._out, record.key, value)], count)


async def main(servers: str, source: str, out: str, state: str, group: str) -> None:
    processor: Processor[int] = Processor(
        name="copying",
        inputs=[source],
        handler=Copying(out),
        decode=lambda _, data: json.loads(data),
        encode=lambda _, value: json.dumps(value).encode(),
        dead_letter=lambda failed: Emit(out, "dead", {"n": -1, "reason": failed.reason}),
        state=StateSpec(state, lambda count: str(count).encode(), int),
    )
    engine = Engine(processor, EngineConfig(servers, group, max_in_flight=64))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, engine.stop)
    await engine.run()


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except FatalError as error:
        sys.exit(str(error))
