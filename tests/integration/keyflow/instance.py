"""One engine as a process of its own, for tests that kill it: instance.py SERVERS RUN CONFIG-AS-JSON."""

from __future__ import annotations

import asyncio
import json
import signal
import sys

from keyflow import Engine
from keyflow_bench import Bench, Counting


async def main(servers: str, run: str, config: str) -> None:
    bench = Bench(servers, run)
    engine = Engine(bench.processor(Counting(bench.topic("out"))), bench.config(**json.loads(config)))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, engine.stop)
    await engine.run()


asyncio.run(main(*sys.argv[1:]))
