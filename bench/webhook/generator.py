"""Sends requests at a fixed rate over kept connections and prints what came of them, as JSON.

Open loop: each request has a moment at which it is due, and its latency counts from that moment, so that a server
that falls behind cannot slow its own measure down.

python -m bench.webhook.generator HOST PORT KIND RATE COUNT CONNECTIONS RUN  (the secret in WEBHOOK_SECRET)
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections import Counter, deque
from itertools import islice

from bench.webhook.requests import requests

_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


class Connection(asyncio.Protocol):
    """One connection: a request at a time; connects again where the server closed it."""

    def __init__(self, free: asyncio.Queue[Connection]) -> None:
        self._free = free
        self._buffer = b""
        self.transport: asyncio.Transport | None = None
        self.answered: asyncio.Future[int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        if self.answered is not None and not self.answered.done():
            self.answered.set_result(0)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, rest = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        length = _LENGTH.search(head)
        if len(rest) < (int(length[1]) if length else 0):
            return
        self._buffer = b""
        if self.answered is not None and not self.answered.done():
            self.answered.set_result(int(head[9:12]))


async def send(host: str, port: int, content: deque[bytes], rate: float, connections: int) -> dict[str, object]:
    """Sends everything; statuses, latencies in ms, and the rate that was kept."""
    loop = asyncio.get_running_loop()
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for _ in range(connections):
        free.put_nowait(Connection(free))
    statuses: Counter[int] = Counter()
    latencies: list[float] = []

    async def one(due: float, request: bytes) -> None:
        connection = await free.get()
        if connection.transport is None or connection.transport.is_closing():
            await loop.create_connection(lambda: connection, host, port)
        connection.answered = loop.create_future()
        assert connection.transport is not None
        connection.transport.write(request)
        try:
            status = await asyncio.wait_for(connection.answered, 20.0)
        except TimeoutError:
            status = -1
        latencies.append((loop.time() - due) * 1000)
        statuses[status] += 1
        if status == 413 and connection.transport is not None:
            connection.transport.abort()
            connection.transport = None
        free.put_nowait(connection)

    began = loop.time()
    tasks = []
    for number in range(len(content)):
        due = began + number / rate
        if (wait := due - loop.time()) > 0:
            await asyncio.sleep(wait)
        tasks.append(asyncio.create_task(one(due, content.popleft())))
    await asyncio.gather(*tasks)
    seconds = loop.time() - began
    latencies.sort()
    return {
        "statuses": {str(status): count for status, count in statuses.items()},
        "seconds": seconds,
        "p50_ms": latencies[len(latencies) // 2],
        "p99_ms": latencies[int(len(latencies) * 0.99)],
        "most_ms": latencies[-1],
    }


def main() -> None:
    host, port, kind, rate, count, connections, run = sys.argv[1:]
    made = deque(islice(requests(kind, os.environ["WEBHOOK_SECRET"].encode(), run), int(count)))
    sys.stdout.write(json.dumps(asyncio.run(send(host, int(port), made, float(rate), int(connections)))) + "\n")


if __name__ == "__main__":
    main()
